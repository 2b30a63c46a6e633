"""`livecassi benchmark runtimes` on tiny scenes: every figure, rows of what fails, what is refused, nothing left."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run

from livecassi.app.runtimes_benchmark import Plan, run_benchmark
from livecassi.app.runtimes_contest import Contest, Terms
from livecassi.app.weight_places import FOLDER_VARIABLE, shipped_folder
from livecassi.calibration import System
from livecassi.engines.errors import DeviceMemoryError, EngineUnavailableError
from livecassi.engines.networks.contest.candidates import Candidate, Way
from livecassi.engines.networks.contest.fresh_process import Fresh
from livecassi.engines.networks.contest.tasks import Task, draw_task
from livecassi.engines.networks.contest.turns import Clocks
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.runtimes.preparation import Unwatched

pytest.importorskip("torch", reason="the baseline is torch")
pytest.importorskip("onnx", reason="networks are exported with onnx")

TORCH = Offer(RuntimeName.TORCH, Place.CPU, True, "ready", "2.13")
ONNXRUNTIME = Offer(RuntimeName.ONNXRUNTIME, Place.CPU, True, "ready", "1.31")
TENSORRT = Offer(RuntimeName.TENSORRT, Place.CUDA, True, "on a GPU that is not there", "11.4")
SIZE = (24, 40)
LIVE = ("benchmark", "runtimes", "--networks", "live", "--sizes", "24x40", "--threads", "1", "--rounds", "1")


def shipped(network: str, system: System) -> Path | None:
    return shipped_folder() / f"live-{system}.safetensors" if network == "live" else None


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No weights of the user's own, and a folder for temporary files, in which nothing may be left."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


# ---- all of it -------------------------------------------------------------------------------------------------------


def test_the_live_network_is_measured_on_every_runtime_of_the_processor(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    outcome = run(*LIVE, "--places", "cpu", "--flat", "12", "--json", file)
    assert outcome.code == 0, outcome.err
    for words in ("live-dd-cassi.safetensors, trained", "one pass", "until passes can begin", "Resident set", "GB/s"):
        assert words in outcome.out
    report = json.loads(file.read_text())
    machine = report["machine"]
    assert (report["system"], report["rounds"], machine["threads"]) == ("dd-cassi", 1, 1)
    assert machine["processor"]
    assert machine["versions"]["torch on cpu"]
    (limit,) = report["limits"]
    assert limit["copy_bytes_per_s"] > 0
    assert set(limit["macs_per_s"]) == {"fp32", "bf16"}
    rows = {row["title"]: row for row in report["rows"]}
    eager, ours = rows["torch eager fp32"], rows["ONNX Runtime fp32"]
    assert eager["ratios"] == {"to_eager": 1.0, "to_authors": None}
    assert eager["apart"] is None
    assert {"torch eager bf16", "OpenVINO fp32", "OpenVINO bf16"} < set(rows)
    for row in rows.values():
        if not row["trouble"]:
            check_complete(row)
    assert not any(rows[title]["trouble"] for title in ("torch eager fp32", "torch eager bf16", "ONNX Runtime fp32"))
    assert ours["apart"]["psnr_db"] > 80
    assert ours["ready"]["export_s"] > 0
    assert ours["ready"]["build_s"] > 0
    assert ours["steady"]["passing"] < 100_000  # one array of its features has 80,640 bytes
    (flat,) = report["flat"]
    assert (flat["network"], flat["passes"], flat["trouble"]) == ("live", 12, "")
    assert 0 < flat["start"] <= flat["end"]


def check_complete(row: dict[str, Any]) -> None:
    times = row["times"]
    assert row["describes"]
    assert 0 < times["best_ms"] <= times["median_ms"] <= times["worst_ms"]
    assert times["frames_per_s"] == {"1": pytest.approx(1e3 / times["median_ms"])}
    assert row["ratios"]["to_eager"] > 0
    assert min(row["ready"]["start_s"], row["ready"]["fresh_start_s"]) > 0
    assert 0 < row["memory"]["before"] < row["memory"]["peak"]
    assert row["shares"]["macs_per_s"] > 0
    assert row["shares"]["of_products"] > 0
    assert row["shares"]["of_copies"] is None
    assert row["steady"]["passing"] > 0


@pytest.mark.usefixtures("one_thread")
def test_pg_svrt_is_held_to_the_authors_way() -> None:
    plan = Plan(("pg-svrt",), sizes=((17, 24),), precisions=(Precision.FP32,), threads=1, terms=Terms(1, alone=None))
    report = run_benchmark(plan, shipped, (TORCH,), Unwatched())
    assert report.weights == {"pg-svrt": "random weights of a fixed seed"}
    eager, authors = report.rows
    assert (eager.title, authors.title) == ("torch eager fp32", "authors' way fp32")
    assert eager.times is not None
    assert authors.times is not None
    assert eager.times.frames_per_s["3"] == pytest.approx(3 * eager.times.frames_per_s["1"])
    assert eager.ratios.to_authors == pytest.approx(authors.times.median_ms / eager.times.median_ms)
    assert authors.ratios.to_authors == 1
    assert authors.apart is not None
    assert authors.apart.psnr_db is None or authors.apart.psnr_db > 80
    assert eager.shares is not None
    assert eager.shares.of_copies is not None


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_pg_svrt_is_exported_and_measured() -> None:
    plan = Plan(("pg-svrt",), sizes=((17, 24),), precisions=(Precision.FP32,), threads=1, terms=Terms(1))
    report = run_benchmark(plan, shipped, (TORCH, ONNXRUNTIME), Unwatched())
    ours = report.rows[-1]
    assert (ours.title, ours.trouble) == ("ONNX Runtime fp32", "")
    assert ours.apart is not None
    assert ours.apart.psnr_db is None or ours.apart.psnr_db > 80
    assert ours.ratios.to_authors is not None
    assert ours.ready.export_s is not None
    assert ours.ready.fresh_start_s is not None


def test_a_runtime_that_fails_has_a_row_and_the_others_go_on() -> None:
    plan = Plan(("live",), sizes=(SIZE,), precisions=(Precision.FP32,), threads=1, terms=Terms(1, alone=None))
    report = run_benchmark(plan, shipped, (TORCH, ONNXRUNTIME, TENSORRT), Unwatched())
    rows = {row.title: row for row in report.rows}
    assert list(rows) == ["torch eager fp32", "ONNX Runtime fp32", "TensorRT fp32"]
    failed = rows["TensorRT fp32"]
    assert failed.trouble
    assert failed.times is None
    assert not rows["ONNX Runtime fp32"].trouble


def test_a_runtime_that_is_not_there_says_so_when_it_is_named(run: Run) -> None:
    outcome = run(*LIVE, "--runtimes", "tensorrt-rtx", "--precisions", "fp16", "--places", "cuda", "--no-alone")
    assert outcome.code == 0, outcome.err
    said = " ".join(outcome.out.split())
    assert "TensorRT-RTX fp16 failed" in said
    assert "live, 24 x 40, TensorRT-RTX fp16 on cuda: " in said


# ---- a contest among fakes -------------------------------------------------------------------------------------------


class FakeContestant:
    """Takes its time on the clock of its workshop."""

    def __init__(self, workshop: "FakeWorkshop", name: str) -> None:
        self._workshop, self._name = workshop, name
        self.describes = f"{name} in a test"

    def run(self) -> None:
        self._workshop.now += self._workshop.seconds[self._name]

    def result(self) -> np.ndarray:
        return np.full((2, 3), 0.5, np.float32)

    def close(self) -> None:
        self._workshop.there.remove(self._name)


class FakeWorkshop:
    """Candidates by their titles, with the seconds of a pass; one without is refused."""

    def __init__(self, **seconds: float) -> None:
        self.now = 0.0
        self.seconds = {name.replace("_", " "): value for name, value in seconds.items()}
        self.there: list[str] = []  # those that are open
        self.together: list[tuple[str, ...]] = []

    def prepare(self, task: Task, candidate: Candidate, progress: object) -> None:
        if candidate.title not in self.seconds:
            raise DeviceMemoryError("too large for this machine")

    def made(self) -> dict[str, tuple[str, float]]:
        return {}

    def open(self, task: Task, candidate: Candidate) -> FakeContestant:
        self.there.append(candidate.title)
        self.together.append(tuple(self.there))
        return FakeContestant(self, candidate.title)

    def contest(self, *candidates: Candidate, alone: Callable[..., Fresh] | None = None, free: int = 0) -> Contest:
        terms = Terms(2, alone=alone, clocks=Clocks(lambda: self.now, lambda: 0.0), free=lambda: free)
        return Contest(candidates, SIZE, self, terms, Unwatched())  # type: ignore[arg-type]


def one(runtime: RuntimeName, way: Way = Way.EXPORTED, precision: Precision = Precision.FP32) -> Candidate:
    return Candidate("live", runtime, Place.CPU, precision, way)


EAGER, OPENVINO = one(RuntimeName.TORCH, Way.EAGER), one(RuntimeName.OPENVINO)
ROUNDED, OTHER = one(RuntimeName.OPENVINO, precision=Precision.BF16), one(RuntimeName.ONNXRUNTIME)


@pytest.fixture(scope="module")
def task() -> Task:
    weights = shipped("live", System.DD_CASSI)
    assert weights is not None
    return draw_task("live", weights, System.DD_CASSI, SIZE)


def test_those_that_fit_together_are_timed_beside_the_baseline(task: Task) -> None:
    workshop = FakeWorkshop(torch_eager_fp32=8.0, OpenVINO_fp32=2.0, OpenVINO_bf16=1.0, ONNX_Runtime_fp32=4.0)

    def alone(*_: object) -> Fresh:
        return Fresh(start_s=0.5, before=0, peak=1000, device=None)

    contest = workshop.contest(EAGER, OPENVINO, ROUNDED, OTHER, alone=alone, free=3800)  # of which 3040 may be taken
    contest.hold(task)
    assert max(workshop.together, key=len) == ("torch eager fp32", "OpenVINO fp32", "OpenVINO bf16")
    assert workshop.together[-1] == ("torch eager fp32", "ONNX Runtime fp32")
    assert workshop.there == []
    assert [row.ratios.to_eager for row in contest.found.all] == [1, 4, 8, 2]
    assert contest.found.quickest == (ROUNDED, 1.0)
    assert [row.ready.fresh_start_s for row in contest.found.all] == [0.5] * 4


def test_one_that_cannot_be_prepared_costs_the_others_nothing(task: Task) -> None:
    workshop = FakeWorkshop(torch_eager_fp32=8.0, ONNX_Runtime_fp32=4.0)
    contest = workshop.contest(EAGER, OPENVINO, OTHER)
    contest.hold(task)
    assert [row.trouble for row in contest.found.all] == ["", "too large for this machine", ""]
    assert [row.times is None for row in contest.found.all] == [False, True, False]


# ---- given up, refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["exporting", "starting", "in turn"])
def test_ctrl_c_leaves_nothing_behind(moment: str) -> None:
    class Interrupted(Unwatched):
        def say(self, doing: str, share: float | None = None) -> None:
            if moment in doing:
                raise KeyboardInterrupt

    plan = Plan(("live",), sizes=(SIZE,), precisions=(Precision.FP32,), threads=1)
    with pytest.raises(KeyboardInterrupt):  # the fixtures look for files and threads afterwards
        run_benchmark(plan, shipped, (ONNXRUNTIME,), Interrupted())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--networks", "wishful"), "there is no network 'wishful'"),
        (("--networks", " ,"), "expected at least one"),
        (("--runtimes", "abacus"), "there is no abacus; expected some of torch,openvino"),
        (("--precisions", "int8"), "there is no int8; expected some of fp32,bf16,fp16"),
        (("--places", "moon"), "there is no moon; expected some of cpu,cuda"),
        (("--system", "pmvis"), "expected dd-cassi or sd-cassi"),
        (("--hop", "0"), "expected some of 1,2,3"),
        (("--sizes", "big"), "'big' is no size"),
        (("--sizes", "9000"), "expected 1 to 4096 px a side"),
        (("--sizes", "20x40"), "in multiples of 8, found 20 x 40"),
        (("--rounds", "0"), "--rounds"),
        (("--json", "figures.txt"), "ending in .json"),
    ],
)
def test_options_that_cannot_be_are_refused_in_words(run: Run, options: tuple[str, ...], words: str) -> None:
    outcome = run("benchmark", "runtimes", *options)
    assert outcome.code == 2
    assert words in " ".join(outcome.err.replace("│", " ").split())
    assert "Traceback" not in outcome.err


def test_a_machine_without_any_of_it_is_told_what_to_do() -> None:
    with pytest.raises(EngineUnavailableError, match="choose others, see 'livecassi doctor'"):
        run_benchmark(Plan(("live",)), shipped, (), Unwatched())
