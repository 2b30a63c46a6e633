"""The diagnosis never fails and says what to do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from livecassi.app.doctor import (
    Check,
    Status,
    check_compiled_code,
    check_disk,
    check_package,
    diagnose,
    read_gpu_answer,
)
from livecassi.app.gpu_probe import Driver, Gpu, GpuError, ask_driver


def by_topic(checks: list[Check]) -> dict[str, Check]:
    return {check.topic: check for check in checks}


def test_a_bare_machine_is_diagnosed(tmp_path: Path) -> None:
    found = by_topic(diagnose(tmp_path / "not" / "yet", environment={"GENICAM_GENTL64_PATH": str(tmp_path)}))
    assert found["livecassi"].found[0].isdigit()
    assert found["numpy"].status is Status.OK
    assert found["recordings"].status in (Status.OK, Status.WARNING)
    assert str(tmp_path) in found["recordings"].found
    assert found["cameras"].status is Status.MISSING
    assert str(tmp_path) in found["cameras"].found
    assert "GPU" in found
    assert {"torch", "onnxruntime", "tensorrt", "seabreeze"} <= found.keys()
    assert all(check.advice for check in found.values() if check.status is not Status.OK)
    if sys.platform == "linux":
        assert found["display"].status is Status.MISSING
        assert "neither DISPLAY nor WAYLAND_DISPLAY" in found["display"].found


def test_is_ready_for_json() -> None:
    check = Check(topic="GPU", status=Status.MISSING, found="no NVIDIA driver", advice="none")
    assert json.loads(json.dumps(check.model_dump(mode="json"))) == {
        "topic": "GPU",
        "status": "missing",
        "found": "no NVIDIA driver",
        "advice": "none",
    }


def test_a_broken_producer_and_broken_qt_are_warnings(tmp_path: Path) -> None:
    (tmp_path / "broken.cti").write_bytes(b"not a library")
    environment = {"GENICAM_GENTL64_PATH": str(tmp_path), "QT_QPA_PLATFORM": "no-such-platform"}
    found = by_topic(diagnose(tmp_path, environment))
    assert found["broken.cti"].status is Status.WARNING
    assert str(tmp_path) in found["broken.cti"].advice
    assert found["display"].status is Status.WARNING
    assert "apt-get install" in found["display"].advice


def test_what_hangs_is_given_up(tmp_path: Path) -> None:
    found = by_topic(diagnose(tmp_path, {}, child_seconds=0.001))
    assert "no answer within 0.001 s" in found["display"].found
    assert "no answer within 0.001 s" in found["GPU"].found


def test_an_absent_package_comes_with_advice() -> None:
    check = check_package("no-such-package-of-livecassi", "pip install it", Status.MISSING)
    assert (check.status, check.found, check.advice) == (Status.MISSING, "not installed", "pip install it")


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="only Python 3.11 is harmed")
def test_the_harmful_qt_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livecassi.app.doctor.metadata.version", lambda name: "6.12.0")
    check = check_package("PySide6-Essentials", "")
    assert check.status is Status.WARNING
    assert "<6.12" in check.advice


def test_a_full_disk_is_a_warning(tmp_path: Path) -> None:
    check = check_disk(tmp_path, low_gib=1e9)
    assert check.status is Status.WARNING
    assert "free some space" in check.advice


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert check_disk(blocked).status is Status.WARNING
    check = check_compiled_code([blocked], {})
    assert check.status is Status.WARNING
    assert "NUMBA_CACHE_DIR" in check.advice
    assert check_compiled_code([blocked], {"NUMBA_CACHE_DIR": str(tmp_path)}).status is Status.OK
    assert check_compiled_code([blocked, tmp_path], {}).found == f"kept in {tmp_path}"


def test_gpu_answers() -> None:
    gpus = [{"name": "RTX 4090", "memory_gib": 24.0}]
    assert (
        read_gpu_answer(json.dumps({"cuda": "12.8", "gpus": gpus})).found == "RTX 4090 (24 GiB); driver for CUDA 12.8"
    )
    assert read_gpu_answer("{}").found == "no NVIDIA driver"
    assert read_gpu_answer(json.dumps({"cuda": "12.8", "gpus": []})).status is Status.MISSING
    assert read_gpu_answer(json.dumps({"error": "cuInit failed with code 999"})).status is Status.WARNING
    assert read_gpu_answer("noise of a driver\n{}").found == "no NVIDIA driver"
    assert "unreadable" in read_gpu_answer("noise of a driver").found
    assert "ended with code -11" in read_gpu_answer("", "ended with code -11").found


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


def test_the_driver_is_asked_for_all_its_gpus() -> None:
    assert ask_driver(FakeDriver()) == Driver("12.8", (Gpu("GPU 10", 24.0), Gpu("GPU 11", 24.0)))


def test_a_driver_that_fails_says_where() -> None:
    with pytest.raises(GpuError, match="cuInit failed with code 999"):
        ask_driver(FakeDriver(init_code=999))


def test_the_probe_answers_in_one_line() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "livecassi.app.gpu_probe"], capture_output=True, text=True, timeout=60, check=True
    )
    assert read_gpu_answer(child.stdout).topic == "GPU"
