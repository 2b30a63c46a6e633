"""Preparing in a process of its own: what it says arrives, it can be given up, and its crashes are named errors."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livecassi.calibration import CalibrationInvalidError, SubSteps, System
from livecassi.engines.errors import (
    DeviceMemoryError,
    EngineError,
    NetworkFileError,
    PreparationCancelledError,
    PreparationError,
)
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes import subprocess_preparation
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.child_lines import Failed
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.jobs import JOB, BuildPlan, CompileForOpenVino
from livecassi.engines.runtimes.openvino_cpu import BLOB, OpenVinoCpu
from livecassi.engines.runtimes.preparation import Unwatched, Watched
from livecassi.engines.runtimes.subprocess_preparation import export_in_child, prepare_in_child, run_in_child
from livecassi.engines.runtimes.tensorrt.plan import BuildOptions

CHILD = (str(Path(__file__).parents[2] / "preparing_child.py"),)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
WAIT_SECONDS = 60.0


def run(task: str, progress: Unwatched | Watched | None = None, written: Path | None = None) -> None:
    run_in_child(task, "the test", progress or Unwatched(), written, CHILD)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Processes connect to it, and a connection ends with its process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_SECONDS)
        yield server


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def accepted(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(WAIT_SECONDS)
    return connection


# ---- what it says --------------------------------------------------------------------------------------------------


def test_what_it_says_arrives_and_chatter_goes_to_the_log(tmp_path: Path) -> None:
    said: list[tuple[str, float | None]] = []
    run("say", Watched(lambda doing, share: said.append((doing, share))), tmp_path / "log")
    assert said[:2] == [("the test", None), ("half way", 0.5)]
    if sys.platform != "win32":
        assert int(said[2][0].split()[1]) >= 10
    assert (tmp_path / "log").read_text() == "chatter of a library\n"


def test_refusals_come_back_as_they_were_raised() -> None:
    with pytest.raises(CalibrationInvalidError, match=r"^this calibration is broken$"):
        run("refuse")


def test_what_nobody_foresaw_is_told_and_its_trace_logged(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match="ValueError: nobody thought of this"):
        run("surprise", written=tmp_path / "log")
    assert "Traceback" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("livecassi.engines.errors", "Absent"), ("livecassi.drivers", "Frame")]
)
def test_what_is_no_error_of_livecassi_becomes_one(module: str, name: str) -> None:
    error = Failed(module=module, name=name, message="said").error()
    assert (type(error), str(error)) == (PreparationError, "said")


def test_a_full_memory_is_a_named_error() -> None:
    with pytest.raises(DeviceMemoryError, match="memory of this machine"):
        run("memory")


@POSIX
def test_a_full_disk_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match="no space left for /somewhere/blob"):
        run("disk /somewhere/blob")
    with pytest.raises(PreparationError, match="no space left"):
        run(f"limit {tmp_path / 'blob'}")


# ---- how it dies ---------------------------------------------------------------------------------------------------


@POSIX
def test_a_crash_is_told_with_the_last_words_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(PreparationError, match=r"the test crashed \(SIGSEGV\)") as crashed:
        run("die SIGSEGV", written=log)
    assert str(log) in str(crashed.value)
    assert "the last words" in log.read_text()
    assert "Segmentation fault" in log.read_text()
    with pytest.raises(PreparationError, match=r"crashed \(SIGTERM\) after saying: the last words"):
        run("die SIGTERM")


@POSIX
def test_a_process_that_the_system_ends_ran_out_of_memory() -> None:
    with pytest.raises(DeviceMemoryError, match=r"ended by the system \(SIGKILL\), most likely because memory ran out"):
        run("die SIGKILL")


def test_temporary_files_of_a_process_that_dies_are_removed() -> None:
    said: list[str] = []
    with pytest.raises(PreparationError, match="without a result"):
        run("litter", Watched(lambda doing, _: said.append(doing)))
    left = Path(said[-1])
    assert left.is_absolute()
    assert not left.exists()


def test_an_end_without_a_result_is_a_failure() -> None:
    for code in (0, 3):
        with pytest.raises(PreparationError, match=rf"ended without a result \(code {code}\)"):
            run(f"exit {code}")


def test_last_words_that_arrive_after_the_end_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the thread that reads may be slower than the process is to end."""
    words = 'import sys; sys.stdin.readline(); print(\'{"kind": "done"}\', flush=True)'
    read = subprocess_preparation._Child._read

    def late(self: subprocess_preparation._Child) -> None:
        self.process.wait()
        threading.Event().wait(3 * subprocess_preparation._LOOK_SECONDS)
        read(self)

    monkeypatch.setattr(subprocess_preparation._Child, "_read", late)
    run_in_child("task", "preparing", Unwatched(), program=("-c", words))


def test_a_program_that_does_not_start_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=r"ended without a result .* after saying: .*No such file"):
        run_in_child("say", "the test", Unwatched(), None, (str(tmp_path / "absent.py"),))


def test_no_process_is_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(PreparationError, match="no process can be started"):
        run("say")


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=str(tmp_path)):
        run("say", written=tmp_path / "absent" / "log")


# ---- giving up -----------------------------------------------------------------------------------------------------


def test_it_can_be_given_up_while_it_says_nothing(listener: socket.socket) -> None:
    gone = threading.Event()
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            run(f"hang {port_of(listener)}", Watched(lambda doing, share: None, gone.is_set))
        except PreparationCancelledError as error:
            failures.append(error)

    thread = threading.Thread(target=prepare, name="livecassi-test-preparation")
    thread.start()
    with accepted(listener) as child:
        gone.set()
        assert child.recv(1) == b""
    thread.join(WAIT_SECONDS)
    assert "given up" in str(failures[0])


@POSIX
def test_one_that_does_not_listen_is_ended_with_all_that_it_started(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_preparation, "PATIENCE_SECONDS", 0.2)
    gone = threading.Event()
    given_up = threading.Event()

    def prepare() -> None:
        with pytest.raises(PreparationCancelledError):
            run(f"stubborn {port_of(listener)}", Watched(lambda doing, share: None, gone.is_set))
        given_up.set()

    thread = threading.Thread(target=prepare, name="livecassi-test-preparation")
    thread.start()
    with accepted(listener) as one, accepted(listener) as other:
        gone.set()
        assert one.recv(1) == other.recv(1) == b""
    thread.join(WAIT_SECONDS)
    assert given_up.is_set()


def test_saying_something_to_nobody_ends_it_too() -> None:
    said: list[str] = []

    def show(doing: str, share: float | None) -> None:
        said.append(doing)

    with pytest.raises(PreparationCancelledError):
        run("say", Watched(show, lambda: len(said) > 1))


START_AND_DIE = """
import os, sys
from pathlib import Path
from livecassi.engines.runtimes.preparation import Unwatched
from livecassi.engines.runtimes.subprocess_preparation import run_in_child
import threading

threading.Thread(
    target=run_in_child, args=("hang " + sys.argv[2], "the test", Unwatched(), None, (sys.argv[1],)), daemon=True
).start()
sys.stdin.read(1)
os._exit(0)
"""


def test_it_ends_with_the_process_that_started_it(listener: socket.socket) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", START_AND_DIE, CHILD[0], str(port_of(listener))], stdin=subprocess.PIPE
    )
    with starter, accepted(listener) as child:
        assert starter.stdin is not None
        starter.stdin.close()
        assert child.recv(1) == b""
    assert starter.returncode == 0


# ---- real jobs -----------------------------------------------------------------------------------------------------


def test_jobs_travel_as_json() -> None:
    options = BuildOptions(RuntimeName.TENSORRT_RTX, Precision.FP16, capability=(8, 9))
    for job in (
        BuildPlan(network=Path("a.onnx"), options=options, plan=Path("a.plan")),
        CompileForOpenVino(network=Path("a.onnx"), precision=Precision.BF16, threads=None, blob=Path("b")),
    ):
        assert JOB.validate_json(job.model_dump_json()) == job
        assert json.loads(job.model_dump_json())["kind"] in ("plan", "openvino")


def test_a_network_is_compiled_in_a_process_while_others_go_on(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the network of this test is made with the package onnx")
    from small_onnx import convolution_network

    onnx = tmp_path / "net.onnx"
    onnx.write_bytes(convolution_network())
    cache = ArtefactCache(tmp_path / "networks")
    runtime = OpenVinoCpu(onnx, threads=1, blobs=cache)
    frames, over = 0, threading.Event()

    def live() -> None:
        nonlocal frames
        while not over.wait(0.005):
            frames += 1

    view = threading.Thread(target=live, name="livecassi-test-view")
    view.start()

    def build(folder: Path) -> None:
        job = CompileForOpenVino(network=onnx, precision=Precision.FP32, threads=1, blob=folder / BLOB)
        prepare_in_child(job, Unwatched(), cache.log_of(runtime.fields))

    try:
        cache.make(runtime.fields, build)
    finally:
        over.set()
        view.join()
    assert frames > 20
    assert runtime.prepared()
    assert not cache.log_of(runtime.fields).exists()  # it went into the entry
    runtime.activate()
    runtime.deactivate()


def test_a_real_job_that_fails_is_told(tmp_path: Path) -> None:
    job = CompileForOpenVino(
        network=tmp_path / "absent.onnx", precision=Precision.FP32, threads=1, blob=tmp_path / "blob"
    )
    with pytest.raises(NetworkFileError, match=r"absent\.onnx cannot be read"):
        prepare_in_child(job, Unwatched())
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_exported_in_a_process(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="networks are exported with the package onnx")
    from fakes import random_bench
    from weight_files import save_live

    from livecassi.engines.exporting.card import read_network_card
    from livecassi.engines.exporting.registry import ExportRequest

    shifts = np.linspace(0, 12, 7).tolist()
    bench = random_bench(System.DD_CASSI, SubSteps.POINT, shifts, height=24, width=40, seed=3)
    weights = save_live(tmp_path / "live.safetensors", System.DD_CASSI, np.linspace(450, 650, 7))
    said: list[str] = []
    out = tmp_path / "live.onnx"
    request = ExportRequest("live", weights, System.DD_CASSI, 24, 40, Precision.FP32, bench)
    export_in_child(request, out, Watched(lambda doing, share: said.append(doing)))
    assert read_network_card(out).calibration_id == bench.id
    assert said[0] == "exporting live"
    assert OpenVinoCpu(out, threads=1).inputs[0].shape[2:] == (24, 40)
    wrong = ExportRequest("live", weights, System.SD_CASSI, 24, 40, Precision.FP32, None)
    with pytest.raises(EngineError, match="dd-cassi"):
        export_in_child(wrong, tmp_path / "wrong.onnx", Unwatched())
    assert not (tmp_path / "wrong.onnx").exists()


def test_a_plan_is_built_in_a_process(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the network of this test is made with the package onnx")
    pytest.importorskip("tensorrt_rtx", reason="plans are built with TensorRT-RTX, which needs no GPU for it")
    from small_onnx import convolution_network

    onnx, plan = tmp_path / "net.onnx", tmp_path / "net.plan"
    onnx.write_bytes(convolution_network())
    said: list[str] = []
    options = BuildOptions(RuntimeName.TENSORRT_RTX, Precision.FP32)
    prepare_in_child(
        BuildPlan(network=onnx, options=options, plan=plan), Watched(lambda doing, share: said.append(doing))
    )
    assert plan.read_bytes()[:4] == b"vtrt"
    assert said[0] == "building for tensorrt-rtx"
    assert len(said) > 1
