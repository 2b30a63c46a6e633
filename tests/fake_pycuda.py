"""As much of pycuda.driver as `PycudaOps` may use, in plain memory; anything else, and any misuse, is an error."""

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np


class Error(Exception):
    pass


class MemoryError(Error):  # noqa: A001
    pass


class event_flags:  # noqa: N801
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING = 0, 1, 2


class FakeDriver:
    """The module pycuda.driver: a primary context with a stack per thread, as the driver keeps it."""

    Error, MemoryError, event_flags = Error, MemoryError, event_flags

    def __init__(self, memory_bytes: int) -> None:
        self.free_bytes = memory_bytes
        self.initialised = False
        self.present, self.broken = True, False
        self.retained = 0
        self.stacks: dict[int, list[FakeContext]] = {}
        self.memory: dict[int, Any] = {}
        self.streams = 0
        self.primary: Callable[[], FakeContext | None] = lambda: None
        driver = self

        class Device:
            def __init__(self, index: int) -> None:
                assert driver.initialised, "cuInit comes first"
                self._index = index

            def name(self) -> str:
                return f"Fake GPU {self._index}"

            def retain_primary_context(self) -> "FakeContext":
                driver.retained += 1
                driver.primary = weakref.ref(context := FakeContext(driver))
                return context

        class Context:
            @staticmethod
            def pop() -> None:
                driver.stacks[threading.get_ident()].pop()

            @staticmethod
            def synchronize() -> None:
                driver.check()
                driver.fail_if_broken()

        self.Device, self.Context = Device, Context

    def init(self) -> None:
        if not self.present:
            raise Error("cuInit failed: no CUDA-capable device is detected")
        self.initialised = True

    def check(self) -> None:
        assert self.stacks.get(threading.get_ident()), "no context is current in this thread"

    def fail_if_broken(self) -> None:
        if self.broken:
            raise Error("cuEventSynchronize failed: an illegal memory access was encountered")

    def mem_alloc(self, nbytes: int) -> "FakeAllocation":
        self.check()
        if nbytes > self.free_bytes:
            raise MemoryError("cuMemAlloc failed: out of memory")
        self.free_bytes -= nbytes
        return FakeAllocation(self, nbytes)

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        self.check()
        if np.prod(shape) * np.dtype(dtype).itemsize > self.free_bytes:
            raise MemoryError("cuMemHostAlloc failed: out of memory")
        return np.asarray(FakePinned(self.primary(), np.zeros(shape, dtype)))

    def Stream(self, flags: int) -> "FakeStream":  # noqa: N802
        self.check()
        assert flags == 1, "a stream that waits for the default stream"
        self.streams += 1
        return FakeStream(self, 0x1000 + self.streams)

    def Event(self, flags: int) -> "FakeEvent":  # noqa: N802
        self.check()
        assert flags == event_flags.BLOCKING_SYNC | event_flags.DISABLE_TIMING
        return FakeEvent(self)

    def memcpy_htod_async(self, to: int, source: Any, stream: "FakeStream") -> None:
        self._view(to, source.nbytes, stream)[:] = source

    def memcpy_dtoh_async(self, to: Any, source: int, stream: "FakeStream") -> None:
        to[:] = self._view(source, to.nbytes, stream)

    def memcpy_dtod_async(self, to: int, source: int, size: int, stream: "FakeStream") -> None:
        self._view(to, size, stream)[:] = self._view(source, size, stream)

    def _view(self, address: int, size: int, stream: "FakeStream") -> Any:
        self.check()
        assert isinstance(stream, FakeStream), "the default stream waits for everything"
        for start, memory in self.memory.items():
            if start <= address and address + size <= start + memory.nbytes:
                return memory[address - start : address - start + size]
        raise AssertionError("an address outside all allocations")


class FakeContext:
    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver

    def push(self) -> None:
        assert self._driver.retained, "a context that was given back"
        self._driver.stacks.setdefault(threading.get_ident(), []).append(self)

    def __del__(self) -> None:
        self._driver.retained -= 1


class FakePinned:
    """What a pinned array shows; it keeps the context."""

    def __init__(self, context: FakeContext | None, memory: Any) -> None:
        assert context is not None
        self._held = context, memory
        self.__array_interface__ = memory.__array_interface__


class FakeAllocation:
    def __init__(self, driver: FakeDriver, nbytes: int) -> None:
        self._driver = driver
        self._memory = np.full(nbytes, 0xCD, np.uint8)
        driver.memory[int(self)] = self._memory

    def __int__(self) -> int:
        return int(self._memory.ctypes.data)

    def free(self) -> None:
        self._driver.check()
        del self._driver.memory[int(self)]
        self._driver.free_bytes += self._memory.nbytes


class FakeStream:
    def __init__(self, driver: FakeDriver, handle: int) -> None:
        self._driver = driver
        self.handle = handle

    def wait_for_event(self, event: "FakeEvent") -> None:
        self._driver.check()
        assert isinstance(event, FakeEvent)


class FakeEvent:
    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver

    def record(self, stream: FakeStream) -> "FakeEvent":
        self._driver.check()
        assert isinstance(stream, FakeStream)
        return self

    def synchronize(self) -> "FakeEvent":
        self._driver.check()
        self._driver.fail_if_broken()
        return self
