"""As much of torch.cuda as `TorchOps` may use, in plain memory; anything else, and any misuse, is an error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class FakeTensor:
    def __init__(self, torch: "FakeTorch", array: Any, where: str) -> None:
        self._torch = torch
        self.array, self.where = array, where

    def data_ptr(self) -> int:
        return int(self.array.ctypes.data)

    def numel(self) -> int:
        return int(self.array.size)

    def numpy(self) -> Any:
        assert self.where == "pinned", "only host tensors are arrays"
        return self.array

    def __getitem__(self, part: slice) -> "FakeTensor":
        return FakeTensor(self._torch, self.array[part], self.where)

    def copy_(self, source: "FakeTensor", non_blocking: bool) -> None:
        self._torch.cuda.check()
        assert non_blocking, "a blocking copy would stop the program"
        assert self._torch.stream is not None, "a copy in the default stream waits for everything"
        np.copyto(self.array, source.array)


class FakeStream:
    def __init__(self, cuda: "FakeCuda", number: int) -> None:
        self._cuda = cuda
        self.cuda_stream = number

    def wait_event(self, event: "FakeEvent") -> None:
        self._cuda.check()
        self._cuda.calls.append(("wait", self.cuda_stream))
        assert isinstance(event, FakeEvent)


class FakeEvent:
    def __init__(self, cuda: "FakeCuda") -> None:
        self._cuda = cuda

    def record(self, stream: FakeStream) -> None:
        self._cuda.check()
        self._cuda.calls.append(("record", stream.cuda_stream))

    def synchronize(self) -> None:
        self._cuda.check()
        self._cuda.fail_if_broken()


class FakeGraph:
    def __init__(self) -> None:
        self.captured = False
        self.replays = 0

    def replay(self) -> None:
        assert self.captured, "a graph is replayed that was never captured"
        self.replays += 1


class FakeCuda:
    """`torch.cuda`. Every call but the first ones needs the device to be current in the calling thread."""

    def __init__(self, torch: "FakeTorch") -> None:
        self._torch = torch
        self._current: dict[int, list[int]] = {}
        self._initialised = False
        self.present, self.broken = True, False
        self.calls: list[tuple[str, int]] = []
        self.streams = 0
        self.graphs: list[FakeGraph] = []

    def check(self) -> None:
        assert self._current.get(threading.get_ident()), "the device is not current in this thread"

    def fail_if_broken(self) -> None:
        if self.broken:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def is_available(self) -> bool:
        return self.present

    def init(self) -> None:
        self._initialised = True

    def get_device_name(self, index: int) -> str:
        return f"Fake GPU {index}"

    @contextmanager
    def device(self, index: int) -> Iterator[None]:
        assert self._initialised, "torch.cuda is not initialised"
        stack = self._current.setdefault(threading.get_ident(), [])
        stack.append(index)
        try:
            yield
        finally:
            assert stack.pop() == index

    def Stream(self, device: int) -> FakeStream:  # noqa: N802
        self.check()
        self.streams += 1
        return FakeStream(self, 100 + self.streams)

    def Event(self, enable_timing: bool, blocking: bool) -> FakeEvent:  # noqa: N802
        self.check()
        assert not enable_timing
        assert blocking
        return FakeEvent(self)

    def CUDAGraph(self) -> FakeGraph:  # noqa: N802
        self.check()
        self.graphs.append(FakeGraph())
        return self.graphs[-1]

    @contextmanager
    def graph(self, graph: FakeGraph, stream: FakeStream, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        yield
        graph.captured = True

    @contextmanager
    def stream(self, stream: FakeStream) -> Iterator[None]:
        self.check()
        self._torch.stream = stream
        try:
            yield
        finally:
            self._torch.stream = None

    def synchronize(self, index: int) -> None:
        self.check()
        self.fail_if_broken()

    def empty_cache(self) -> None:
        self.check()


class OutOfMemoryError(RuntimeError):
    pass


class FakeTorch:
    """The module torch."""

    uint8 = "torch.uint8"
    OutOfMemoryError = OutOfMemoryError

    def __init__(self, memory_bytes: int) -> None:
        self.cuda = FakeCuda(self)
        self.stream: FakeStream | None = None
        self._free = memory_bytes

    def empty(self, size: int, *, dtype: str, device: str | None = None, pin_memory: bool = False) -> FakeTensor:
        assert dtype == self.uint8
        assert (device is None) == pin_memory
        if size > self._free:
            raise OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes")
        self._free -= size
        return FakeTensor(self, np.full(size, 0xCD, np.uint8), "pinned" if pin_memory else str(device))

    def from_numpy(self, array: Any) -> FakeTensor:
        return FakeTensor(self, array, "pinned")
