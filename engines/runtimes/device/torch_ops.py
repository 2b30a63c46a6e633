"""`DeviceOps` by torch.cuda, the default: torch brings a driver library, pinned memory and streams along."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from livecassi.engines.errors import DeviceMemoryError, DriverError, EngineError, RuntimeUnavailableError
from livecassi.engines.runtimes.contract import AnyArray
from livecassi.engines.runtimes.device.holdings import Holdings, PinnedArrays, check_apart, check_range
from livecassi.engines.runtimes.device.ops import Buffer, Event, Stream
from livecassi.engines.runtimes.device.presence import Presence


class TorchOps:
    """See `DeviceOps`. `torch` is given by tests only."""

    def __init__(self, device: int = 0, torch: ModuleType | None = None) -> None:
        self._torch = _imported() if torch is None else torch
        self._index = device
        self._presence = Presence()
        self._inside = threading.local()  # what this thread leaves again
        self._used = False
        self._streams = Holdings[Any]("stream")
        self._events = Holdings[Any]("event")
        self._memory = Holdings[Any]("device memory")
        self._pinned = PinnedArrays()

    @property
    def describes(self) -> str:
        """See `DeviceOps`."""
        return f"torch on {self._torch.cuda.get_device_name(self._index)}"

    def __enter__(self) -> Self:
        cuda = self._torch.cuda
        if not cuda.is_available():
            raise DriverError(
                "torch finds no CUDA device here; see 'livecassi doctor', or choose an engine that runs on the CPU"
            )
        stack = ExitStack()
        with _translated(self._torch, "the device cannot be used"):
            cuda.init()
            stack.enter_context(cuda.device(self._index))
        self._inside.stacks = [*getattr(self._inside, "stacks", []), stack]
        self._presence.enter()
        self._used = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._presence.leave()
        self._inside.stacks.pop().close()

    def close(self) -> None:
        """See `DeviceOps`."""
        self._presence.check_nobody_else()
        if not self._used:
            return
        with self, _translated(self._torch, "work on the GPU failed"):
            try:
                self._torch.cuda.synchronize(self._index)
            finally:
                for held in (self._events, self._streams, self._memory, self._pinned):
                    held.clear()
                self._torch.cuda.empty_cache()
        self._used = False

    def alloc(self, nbytes: int) -> Buffer:
        """See `DeviceOps`."""
        self._presence.check()
        with _translated(self._torch, f"{nbytes / 2**20:.1f} MiB of GPU memory are not free"):
            memory = self._torch.empty(nbytes, dtype=self._torch.uint8, device=f"cuda:{self._index}")
        buffer = Buffer(memory.data_ptr(), nbytes)
        self._memory.add(buffer.address, memory)
        return buffer

    def free(self, buffer: Buffer) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        self._memory.of(buffer.address)
        self._torch.cuda.synchronize(self._index)  # torch does not know which of our streams still use it
        self._memory.drop(buffer.address)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """See `DeviceOps`."""
        self._presence.check()
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        with _translated(self._torch, f"{nbytes / 2**20:.1f} MiB of memory cannot be pinned"):
            memory = self._torch.empty(nbytes, dtype=self._torch.uint8, pin_memory=True)
        array: AnyArray = memory.numpy().view(dtype).reshape(shape)  # keeps the tensor alive
        return self._pinned.add(array)

    def stream(self) -> Stream:
        """See `DeviceOps`."""
        self._presence.check()
        native = self._torch.cuda.Stream(device=self._index)  # torch's own never wait for the default stream
        stream = Stream(native.cuda_stream)
        self._streams.add(stream.handle, native)
        return stream

    def event(self) -> Event:
        """See `DeviceOps`."""
        self._presence.check()
        return Event(self._events.number(self._torch.cuda.Event(enable_timing=False, blocking=True)))

    def copy_in(self, to: Buffer, array: AnyArray, stream: Stream, offset: int = 0) -> None:
        """See `DeviceOps`."""
        source = self._torch.from_numpy(self._pinned.bytes_of(array))
        self._copy(self._part(to, offset, source.numel()), source, stream)

    def copy_out(self, array: AnyArray, source: Buffer, stream: Stream, offset: int = 0) -> None:
        """See `DeviceOps`."""
        to = self._torch.from_numpy(self._pinned.bytes_of(array))
        self._copy(to, self._part(source, offset, to.numel()), stream)

    def copy_across(self, to: Buffer, source: Buffer, nbytes: int, stream: Stream, start: int = 0, at: int = 0) -> None:
        """See `DeviceOps`."""
        check_apart(to, at, source, start, nbytes)
        self._copy(self._part(to, at, nbytes), self._part(source, start, nbytes), stream)

    def record(self, event: Event, stream: Stream) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        self._events.of(event.number).record(self._streams.of(stream.handle))

    def wait(self, stream: Stream, event: Event) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        self._streams.of(stream.handle).wait_event(self._events.of(event.number))

    def synchronize(self, event: Event) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        with _translated(self._torch, "work on the GPU failed"):
            self._events.of(event.number).synchronize()

    def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
        """What replays the work that `work` puts into `stream`, recorded as one CUDA graph.

        `work` must have run once before, to its end, and must use the same addresses for ever.
        """
        self._presence.check()
        native = self._streams.of(stream.handle)
        graph = self._torch.cuda.CUDAGraph()
        # thread_local: another engine may be built on the same GPU meanwhile
        captured = self._torch.cuda.graph(graph, stream=native, capture_error_mode="thread_local")
        with _translated(self._torch, "the work cannot be captured as a CUDA graph"), captured:
            work()

        def replay() -> None:
            with self._torch.cuda.stream(native):
                graph.replay()

        return replay

    def _part(self, buffer: Buffer, offset: int, nbytes: int) -> Any:
        check_range(buffer, offset, nbytes)
        return self._memory.of(buffer.address)[offset : offset + nbytes]

    def _copy(self, to: Any, source: Any, stream: Stream) -> None:
        self._presence.check()
        with self._torch.cuda.stream(self._streams.of(stream.handle)):
            to.copy_(source, non_blocking=True)


def _imported() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"torch cannot be loaded ({error}); install it with: pip install 'livecassi[torch]'"
        ) from error
    return torch


@contextmanager
def _translated(torch: ModuleType, what: str) -> Iterator[None]:
    """torch's errors in our words."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error):
            raise DeviceMemoryError(f"{what} ({error}); choose a smaller region of the sensor") from error
        raise EngineError(f"{what}: {error}; start the engine again, or choose one that runs on the CPU") from error
