"""`DeviceOps` by pycuda: TensorRT then runs without torch.

The device's primary context is used, which torch and TensorRT use too. pycuda.autoinit would make a context of its own
beside it, in which their memory and streams mean nothing.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Self

from numpy.typing import DTypeLike

from livecassi.engines.errors import DeviceMemoryError, DriverError, EngineError, RuntimeUnavailableError
from livecassi.engines.runtimes.contract import AnyArray
from livecassi.engines.runtimes.device.holdings import Holdings, PinnedArrays, check_apart, check_range
from livecassi.engines.runtimes.device.ops import Buffer, Event, Stream
from livecassi.engines.runtimes.device.presence import Presence

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING, which pycuda does not name: waits for no work of the default stream


class PycudaOps:
    """See `DeviceOps`. `driver` is given by tests only."""

    def __init__(self, device: int = 0, driver: ModuleType | None = None) -> None:
        self._driver: Any = _imported() if driver is None else driver
        self._index = device
        self._context: Any = None  # the primary context, once it is retained
        self._presence = Presence()
        self._streams = Holdings[Any]("stream")
        self._events = Holdings[Any]("event")
        self._memory = Holdings[Any]("device memory")
        self._pinned = PinnedArrays()

    @property
    def describes(self) -> str:
        """See `DeviceOps`."""
        self._driver.init()
        return f"pycuda on {self._driver.Device(self._index).name()}"

    def __enter__(self) -> Self:
        with self._translated("the device cannot be used", DriverError):
            if self._context is None:
                if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
                    torch.cuda.init()  # before pycuda: both then have the same context
                self._driver.init()
                self._context = self._driver.Device(self._index).retain_primary_context()
            self._context.push()
        self._presence.enter()
        return self

    def __exit__(self, *exception: object) -> None:
        self._presence.leave()
        self._driver.Context.pop()

    def close(self) -> None:
        """See `DeviceOps`."""
        self._presence.check_nobody_else()
        if self._context is None:
            return
        try:
            with self, self._translated("work on the GPU failed"):
                try:
                    self._driver.Context.synchronize()
                finally:  # while the context is current
                    for memory in self._memory.clear():
                        memory.free()
                    self._pinned.clear()
                    self._events.clear()
                    self._streams.clear()
        finally:
            self._context = None  # pycuda detaches once the last pinned array is gone, too: somebody may still read it

    def alloc(self, nbytes: int) -> Buffer:
        """See `DeviceOps`."""
        self._presence.check()
        with self._translated(f"{nbytes / 2**20:.1f} MiB of GPU memory are not free"):
            memory = self._driver.mem_alloc(nbytes)
        buffer = Buffer(int(memory), nbytes)
        self._memory.add(buffer.address, memory)
        return buffer

    def free(self, buffer: Buffer) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        memory = self._memory.of(buffer.address)
        with self._translated("work on the GPU failed"):
            self._driver.Context.synchronize()
        self._memory.drop(buffer.address)
        memory.free()

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """See `DeviceOps`."""
        self._presence.check()
        with self._translated(f"an array of {shape} cannot be pinned"):
            array: AnyArray = self._driver.pagelocked_empty(shape, dtype)
        return self._pinned.add(array)

    def stream(self) -> Stream:
        """See `DeviceOps`."""
        self._presence.check()
        native = self._driver.Stream(NON_BLOCKING)
        stream = Stream(native.handle)
        self._streams.add(stream.handle, native)
        return stream

    def event(self) -> Event:
        """See `DeviceOps`."""
        self._presence.check()
        flags = self._driver.event_flags
        return Event(self._events.number(self._driver.Event(flags.DISABLE_TIMING | flags.BLOCKING_SYNC)))

    def copy_in(self, to: Buffer, array: AnyArray, stream: Stream, offset: int = 0) -> None:
        """See `DeviceOps`."""
        source = self._pinned.bytes_of(array)
        address = self._place(to, offset, source.nbytes)
        with self._translated("a copy to the GPU failed"):
            self._driver.memcpy_htod_async(address, source, self._streams.of(stream.handle))

    def copy_out(self, array: AnyArray, source: Buffer, stream: Stream, offset: int = 0) -> None:
        """See `DeviceOps`."""
        to = self._pinned.bytes_of(array)
        address = self._place(source, offset, to.nbytes)
        with self._translated("a copy from the GPU failed"):
            self._driver.memcpy_dtoh_async(to, address, self._streams.of(stream.handle))

    def copy_across(self, to: Buffer, source: Buffer, nbytes: int, stream: Stream, start: int = 0, at: int = 0) -> None:
        """See `DeviceOps`."""
        check_apart(to, at, source, start, nbytes)
        places = self._place(to, at, nbytes), self._place(source, start, nbytes)
        with self._translated("a copy on the GPU failed"):
            self._driver.memcpy_dtod_async(*places, nbytes, self._streams.of(stream.handle))

    def record(self, event: Event, stream: Stream) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        self._events.of(event.number).record(self._streams.of(stream.handle))

    def wait(self, stream: Stream, event: Event) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        self._streams.of(stream.handle).wait_for_event(self._events.of(event.number))

    def synchronize(self, event: Event) -> None:
        """See `DeviceOps`."""
        self._presence.check()
        with self._translated("work on the GPU failed"):
            self._events.of(event.number).synchronize()

    def _place(self, buffer: Buffer, offset: int, nbytes: int) -> int:
        self._presence.check()
        check_range(buffer, offset, nbytes)
        self._memory.of(buffer.address)
        return buffer.address + offset

    @contextmanager
    def _translated(self, what: str, otherwise: type[EngineError] = EngineError) -> Iterator[None]:
        """pycuda's errors in our words."""
        try:
            yield
        except self._driver.MemoryError as error:
            raise DeviceMemoryError(f"{what} ({error}); choose a smaller region of the sensor") from error
        except self._driver.Error as error:
            raise otherwise(f"{what}: {error}; start the engine again, or choose one that runs on the CPU") from error


def _imported() -> ModuleType:
    try:
        return import_module("pycuda.driver")
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"pycuda cannot be loaded ({error}); it needs the NVIDIA driver and is built on installing: "
            "pip install pycuda"
        ) from error
