"""The NVIDIA driver is asked in a process of its own, and every way in which it may fail has a name."""

import subprocess
import sys
from typing import Any

import pytest

from livecassi.engines.errors import DriverError, RuntimeUnavailableError
from livecassi.engines.runtimes.nvidia_driver import (
    Driver,
    Gpu,
    NoDriverError,
    ask_driver,
    check_driver,
    probe_driver,
    read_answer,
)

ADA = Gpu(name="RTX 4090", memory_bytes=24 * 2**30, capability=(8, 9))


class FakeDriver:
    """Answers as the CUDA driver library does: results through pointers, 0 for success."""

    def __init__(self, init_code: int = 0) -> None:
        self.init_code = init_code

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.init_code

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = 12080
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = 10 + index
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:  # noqa: N802
        name.value = f"GPU {device.value}".encode()
        return 0

    def cuDeviceTotalMem_v2(self, memory: Any, device: Any) -> int:  # noqa: N802
        memory._obj.value = 24 * 2**30
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:  # noqa: N802
        value._obj.value = {75: device.value - 2, 76: 6}[attribute]
        return 0


def test_the_driver_is_asked_for_all_its_gpus() -> None:
    gpus = [Gpu(name=f"GPU {n}", memory_bytes=24 * 2**30, capability=(n - 2, 6)) for n in (10, 11)]
    assert ask_driver(FakeDriver()) == Driver(cuda=(12, 8), gpus=tuple(gpus))


def test_a_driver_that_fails_says_where() -> None:
    with pytest.raises(DriverError, match="cuInit failed with code 999"):
        ask_driver(FakeDriver(init_code=999))


def test_a_driver_without_a_gpu_is_no_failure() -> None:
    assert ask_driver(FakeDriver(init_code=100)) == Driver(cuda=(12, 8), gpus=())


def test_answers() -> None:
    driver = Driver(cuda=(12, 8), gpus=(ADA,))
    assert read_answer(f'noise of a driver\n{{"driver":{driver.model_dump_json()}}}\n') == driver
    with pytest.raises(NoDriverError, match="no NVIDIA driver"):
        read_answer("{}")
    with pytest.raises(NoDriverError, match="no NVIDIA GPU"):
        read_answer('{"driver":{"cuda":[12,8],"gpus":[]}}')
    with pytest.raises(DriverError, match="fails: cuInit failed with code 999"):
        read_answer('{"error":"cuInit failed with code 999"}')
    for nonsense in ("", "noise of a driver", '{"driver":{"cuda":[12]}}'):
        with pytest.raises(DriverError, match="unreadable"):
            read_answer(nonsense)


def test_the_process_answers_in_one_line() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "livecassi.engines.runtimes.nvidia_driver"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    try:
        assert read_answer(child.stdout).gpus
    except NoDriverError as error:
        assert "no NVIDIA" in str(error)  # noqa: PT017


def test_a_driver_that_hangs_is_given_up() -> None:
    with pytest.raises(DriverError, match=r"no answer within 0\.001 s"):
        probe_driver(0.001)


def test_a_driver_that_crashes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(arguments: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, -11, "", "")

    monkeypatch.setattr("subprocess.run", crash)
    with pytest.raises(DriverError, match=r"ended with code -11; reboot"):
        probe_driver()


def test_a_driver_may_be_too_old() -> None:
    driver = Driver(cuda=(12, 2), gpus=(ADA,))
    check_driver(driver, (12, 2), "TensorRT")
    with pytest.raises(RuntimeUnavailableError, match=r"serves CUDA 12\.2, TensorRT needs 13\.0; install a newer"):
        check_driver(driver, (13, 0), "TensorRT")
