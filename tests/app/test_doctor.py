"""The diagnosis never fails and says what to do."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livecassi.app.doctor import (
    Check,
    Status,
    check_compiled_code,
    check_disk,
    check_gpu,
    check_package,
    check_runtimes,
    diagnose,
)
from livecassi.engines.errors import DriverError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.nvidia_driver import Driver, Gpu, NoDriverError
from livecassi.engines.runtimes.offers import NEVER_ON_A_GPU, Offer, Place


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
    assert found["openvino on cpu"].status is Status.OK
    assert "tensorrt on cuda" in found
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


def answering(answer: Driver | DriverError) -> Callable[[], Driver]:
    def probe() -> Driver:
        if isinstance(answer, DriverError):
            raise answer
        return answer

    return probe


def test_gpus() -> None:
    ada = Gpu(name="RTX 4090", memory_bytes=24 * 2**30, capability=(8, 9))
    check = check_gpu(answering(Driver(cuda=(12, 8), gpus=(ada,))))
    assert (check.status, check.found) == (Status.OK, "RTX 4090 (24 GiB); driver for CUDA 12.8")
    check = check_gpu(answering(NoDriverError("no NVIDIA driver; install one")))
    assert (check.status, check.found) == (Status.MISSING, "no NVIDIA driver")
    check = check_gpu(answering(DriverError("the NVIDIA driver fails: code 999; reboot")))
    assert (check.status, check.found) == (Status.WARNING, "the NVIDIA driver fails: code 999")
    assert check.advice == "reboot; engines run on the processor until then"


def test_runtimes_have_a_line_each() -> None:
    offered = (
        Offer(RuntimeName.OPENVINO, Place.CPU, True, "ready", "2026.4", "pip install livecassi"),
        Offer(RuntimeName.TENSORRT, Place.CUDA, False, "not installed", "", "pip install 'livecassi[tensorrt]'"),
        Offer(RuntimeName.TENSORRT_RTX, Place.CUDA, True, f"on an RTX; {NEVER_ON_A_GPU}", "1.7", proven=False),
    )
    choice, ready, absent, unproven = check_runtimes(offered)
    assert (choice.topic, choice.found) == (
        "networks run on",
        "TensorRT-RTX on the GPU: the quickest there (on an RTX; never run on a GPU by the makers); TensorRT on the "
        "GPU cannot be used: not installed",
    )
    assert (ready.topic, ready.status, ready.found) == ("openvino on cpu", Status.OK, "2026.4: ready")
    assert (absent.status, absent.found) == (Status.MISSING, "not installed")
    assert "pip install 'livecassi[tensorrt]'" in absent.advice
    assert unproven.found == "1.7: on an RTX; never run on a GPU by the makers"
    (*_, no_driver) = check_runtimes([Offer(RuntimeName.TENSORRT, Place.CUDA, False, "no NVIDIA driver", "11.4")])
    assert no_driver.advice == "networks run on another"  # it is installed
    (nothing, _) = check_runtimes(offered[1:2])
    assert (nothing.status, nothing.found) == (Status.MISSING, "nothing")
    assert "none of the runtimes" in nothing.advice
