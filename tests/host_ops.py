"""`DeviceOps` in plain memory, for machines without a GPU and for proofs of order.

Nothing is done when it is asked for: it goes into the queue of its stream and is done when somebody waits. In which
order streams take turns is up to `choose`, so that a test can try every order that a device might take. What is not
ordered by an event then happens at the worst moment, and shows.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from livecassi.engines.errors import EngineError
from livecassi.engines.runtimes.contract import AnyArray
from livecassi.engines.runtimes.device.holdings import Holdings, PinnedArrays, check_apart, check_range
from livecassi.engines.runtimes.device.ops import Buffer, Event, Stream
from livecassi.engines.runtimes.device.presence import Presence

Choose = Callable[[Sequence[int]], int]  # of the streams that could go on, which one does


@dataclass(slots=True)
class _Mark:
    done: bool = False


@dataclass(slots=True)
class _Work:
    do: Callable[[], None]
    after: _Mark | None = None  # cannot begin before this


@dataclass(slots=True)
class _Recorded:
    mark: _Mark = field(default_factory=lambda: _Mark(done=True))


class HostOps:
    """See `DeviceOps`; `choose(handles)` gives the handle of the stream that goes on next, the oldest by default."""

    describes = "plain memory"

    def __init__(self, choose: Choose = min) -> None:
        self._choose = choose
        self._presence = Presence()
        self._queues: dict[int, deque[_Work]] = {}
        self._events = Holdings[_Recorded]("event")
        self._memory = Holdings[AnyArray]("device memory")
        self._pinned = PinnedArrays()

    def __enter__(self) -> Self:
        self._presence.enter()
        return self

    def __exit__(self, *exception: object) -> None:
        self._presence.leave()

    def close(self) -> None:
        """See `DeviceOps`."""
        self._presence.check_nobody_else()
        self._run_until(lambda: False)
        self._queues.clear()
        self._events.clear()
        self._memory.clear()
        self._pinned.clear()

    def alloc(self, nbytes: int) -> Buffer:
        """See `DeviceOps`; filled with 0xCD, so that what was never written shows."""
        self._presence.check()
        memory = np.full(nbytes, 0xCD, np.uint8)
        buffer = Buffer(memory.ctypes.data, nbytes)
        self._memory.add(buffer.address, memory)
        return buffer

    def free(self, buffer: Buffer) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        self._memory.of(buffer.address)
        self._run_until(lambda: False)
        self._memory.drop(buffer.address)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """See `DeviceOps`."""
        self._presence.check()
        return self._pinned.add(np.zeros(shape, dtype))

    def stream(self) -> Stream:
        """See `DeviceOps`."""
        self._presence.check()
        stream = Stream(max(self._queues, default=0) + 1)
        self._queues[stream.handle] = deque()
        return stream

    def event(self) -> Event:
        """See `DeviceOps`."""
        self._presence.check()
        return Event(self._events.number(_Recorded()))

    def copy_in(self, to: Buffer, array: AnyArray, stream: Stream, offset: int = 0) -> None:
        """See `DeviceOps`."""
        source = self._pinned.bytes_of(array)
        check_range(to, offset, source.nbytes)
        place = self.memory(to)[offset : offset + source.nbytes]
        self.run(stream, lambda: np.copyto(place, source))

    def copy_out(self, array: AnyArray, source: Buffer, stream: Stream, offset: int = 0) -> None:
        """See `DeviceOps`."""
        place = self._pinned.bytes_of(array)
        check_range(source, offset, place.nbytes)
        memory = self.memory(source)[offset : offset + place.nbytes]
        self.run(stream, lambda: np.copyto(place, memory))

    def copy_across(self, to: Buffer, source: Buffer, nbytes: int, stream: Stream, start: int = 0, at: int = 0) -> None:
        """See `DeviceOps`."""
        check_apart(to, at, source, start, nbytes)
        place, memory = self.memory(to)[at : at + nbytes], self.memory(source)[start : start + nbytes]
        self.run(stream, lambda: np.copyto(place, memory))

    def record(self, event: Event, stream: Stream) -> None:
        """See `DeviceOps`."""
        mark = _Mark()
        self._events.of(event.number).mark = mark
        self.run(stream, lambda: setattr(mark, "done", True))

    def wait(self, stream: Stream, event: Event) -> None:
        """See `DeviceOps`."""
        self._put(stream, _Work(lambda: None, self._events.of(event.number).mark))

    def synchronize(self, event: Event) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        mark = self._events.of(event.number).mark
        self._run_until(lambda: mark.done)
        if not mark.done:
            raise EngineError("an event is waited for that nothing leads to")

    def memory(self, buffer: Buffer) -> AnyArray:
        """The bytes behind a buffer, as work in a stream sees them."""
        return self._memory.of(buffer.address)

    def run(self, stream: Stream, work: Callable[[], None]) -> None:
        """Let the device do `work` in its turn: what a kernel is on a GPU."""
        self._put(stream, _Work(work))

    def _put(self, stream: Stream, work: _Work) -> None:
        self._presence.check()
        if stream.handle not in self._queues:
            raise EngineError("this stream belongs to another device; make a new one")
        self._queues[stream.handle].append(work)

    def _run_until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            able = [
                handle
                for handle, queue in self._queues.items()
                if queue and (queue[0].after is None or queue[0].after.done)
            ]
            if not able:
                return
            self._queues[self._choose(able)].popleft().do()
