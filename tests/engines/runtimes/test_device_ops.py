"""Memory, streams and events: one contract for plain memory, torch and pycuda; the libraries are strict fakes here."""

import builtins
import sys
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from device_contract import DeviceOpsContract
from fake_pycuda import FakeDriver
from fake_torch_cuda import FakeTorch
from host_ops import HostOps

from livecassi.engines import EngineError
from livecassi.engines.errors import DeviceMemoryError, DriverError, RuntimeUnavailableError
from livecassi.engines.runtimes.device.ops import DeviceOps
from livecassi.engines.runtimes.device.pycuda_ops import PycudaOps
from livecassi.engines.runtimes.device.torch_ops import TorchOps

MEMORY = 1 << 16


def torch_ops(torch: FakeTorch) -> TorchOps:
    return TorchOps(torch=cast(Any, torch))


def pycuda_ops(driver: FakeDriver) -> PycudaOps:
    return PycudaOps(driver=cast(Any, driver))


class TestHostOps(DeviceOpsContract):
    @pytest.fixture(params=["oldest stream first", "newest stream first", "any stream"])
    def ops(self, request: pytest.FixtureRequest) -> DeviceOps:
        orders: dict[str, Any] = {
            "oldest stream first": min,
            "newest stream first": max,
            "any stream": Random(5).choice,
        }
        return HostOps(orders[request.param])


class TestTorchOps(DeviceOpsContract):
    @pytest.fixture
    def ops(self) -> DeviceOps:
        return torch_ops(FakeTorch(MEMORY))


class TestPycudaOps(DeviceOpsContract):
    @pytest.fixture
    def ops(self) -> DeviceOps:
        return pycuda_ops(FakeDriver(MEMORY))


# ---- plain memory ----------------------------------------------------------------------------------------------------


def test_a_copy_that_was_not_waited_for_is_not_done() -> None:
    ops = HostOps()
    with ops:
        sent, got = ops.pinned((9,), np.uint8), ops.pinned((9,), np.uint8)
        buffer, stream, done = ops.alloc(9), ops.stream(), ops.event()
        sent[:] = 1
        ops.copy_in(buffer, sent, stream)
        sent[:] = 2  # too early
        ops.copy_out(got, buffer, stream)
        ops.record(done, stream)
        assert not got.any()
        ops.synchronize(done)
        assert (got == 2).all()
    ops.close()


def test_without_an_event_between_them_two_streams_go_in_any_order() -> None:
    def download_of(choose: Any) -> Any:
        ops = HostOps(choose)
        with ops:
            sent, got = ops.pinned((9,), np.uint8), ops.pinned((9,), np.uint8)
            buffer, upload, download, done = ops.alloc(9), ops.stream(), ops.stream(), ops.event()
            sent[:] = 1
            ops.copy_in(buffer, sent, upload)
            ops.copy_out(got, buffer, download)
            ops.record(done, download)
            ops.synchronize(done)
        return got.copy()

    assert (download_of(min) == 1).all()
    assert (download_of(max) == 0xCD).all()


def test_a_wait_is_for_what_the_event_marked_when_it_was_asked_for() -> None:
    ops = HostOps(max)
    with ops:
        first, second, event = ops.stream(), ops.stream(), ops.event()
        done: list[str] = []
        ops.run(first, lambda: done.append("first"))
        ops.record(event, first)
        ops.wait(second, event)
        ops.run(second, lambda: done.append("second"))
        ops.run(first, lambda: done.append("later"))
        ops.record(event, first)  # newer: the wait above is not for this
        ops.synchronize(event)
    assert done == ["first", "second", "later"]


# ---- torch -----------------------------------------------------------------------------------------------------------


def test_torch_out_of_memory_is_named_and_the_rest_goes_on() -> None:
    ops = torch_ops(FakeTorch(1000))
    with ops:
        ops.alloc(900)
        with pytest.raises(DeviceMemoryError, match=r"0.0 MiB of GPU memory are not free .*out of memory"):
            ops.alloc(200)
        with pytest.raises(DeviceMemoryError, match="cannot be pinned"):
            ops.pinned((200,), np.uint8)
        ops.alloc(50)
    ops.close()


def test_torch_without_a_gpu_says_so() -> None:
    torch = FakeTorch(MEMORY)
    torch.cuda.present = False
    with pytest.raises(DriverError, match="torch finds no CUDA device here"), torch_ops(torch):
        pass


def test_torch_failures_on_the_device_are_told_when_waiting() -> None:
    torch = FakeTorch(MEMORY)
    ops = torch_ops(torch)
    with ops:
        event = ops.event()
        torch.cuda.broken = True
        with pytest.raises(EngineError, match=r"work on the GPU failed: .*illegal memory access"):
            ops.synchronize(event)
        torch.cuda.broken = False
    ops.close()


def test_work_is_captured_once_and_replayed() -> None:
    torch = FakeTorch(MEMORY)
    ops = torch_ops(torch)
    runs: list[int] = []
    with ops:
        replay = ops.capture(lambda: runs.append(1), ops.stream())
        for _ in range(3):
            replay()
    assert len(runs) == 1
    assert torch.cuda.graphs[0].replays == 3
    ops.close()


# ---- pycuda ----------------------------------------------------------------------------------------------------------


def test_pycuda_uses_the_primary_context_and_leaves_nothing_behind() -> None:
    driver = FakeDriver(MEMORY)
    ops = pycuda_ops(driver)
    with pytest.raises(EngineError, match="lie outside"), ops:
        ops.copy_out(ops.pinned((101,), np.uint8), ops.alloc(100), ops.stream())
    assert driver.retained == 1
    assert not any(driver.stacks.values()), "the context was not popped"
    ops.close()
    assert (driver.retained, driver.memory, driver.free_bytes) == (0, {}, MEMORY)


def test_pycuda_keeps_the_context_while_somebody_reads_a_result() -> None:
    driver = FakeDriver(MEMORY)
    ops = pycuda_ops(driver)
    with ops:
        result = ops.pinned((3, 5), np.float32)
        result[:] = 7
    ops.close()
    assert driver.retained == 1, "the memory of the array is gone"
    assert (result == 7).all()
    del result
    assert driver.retained == 0


def test_pycuda_touches_torch_first_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, order = FakeDriver(MEMORY), list[str]()
    monkeypatch.setattr(driver, "init", lambda: (order.append("pycuda"), setattr(driver, "initialised", True)))
    cuda = SimpleNamespace(is_available=lambda: True, init=lambda: order.append("torch"))
    monkeypatch.setitem(sys.modules, "torch", cast(Any, SimpleNamespace(cuda=cuda)))
    with pycuda_ops(driver):
        pass
    assert order == ["torch", "pycuda"]


def test_pycuda_errors_are_named() -> None:
    driver = FakeDriver(1000)
    ops = pycuda_ops(driver)
    with ops:
        with pytest.raises(DeviceMemoryError, match="GPU memory are not free"):
            ops.alloc(2000)
        event = ops.event()
        driver.broken = True
        with pytest.raises(EngineError, match=r"work on the GPU failed: .*illegal memory access"):
            ops.synchronize(event)
    with pytest.raises(EngineError, match="work on the GPU failed"):
        ops.close()
    assert driver.retained == 0, "a failed device is given back, too"
    driver.present = False
    with pytest.raises(DriverError, match="no CUDA-capable device"), pycuda_ops(driver):
        pass


def test_without_pycuda_its_name_and_how_to_install_it_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pycuda cannot be loaded .*pip install pycuda"):
        PycudaOps()


def test_without_torch_its_name_and_how_to_install_it_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name == "torch":
            raise ImportError("no torch here")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(RuntimeUnavailableError, match=r"torch cannot be loaded .*livecassi\[torch\]"):
        TorchOps()
