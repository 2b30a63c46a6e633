"""What benchmarks of PG-SVRT are made of: trials, timing, memory and differences."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from livecassi.calibration import System
from livecassi.engines import EngineError
from livecassi.engines.networks.drawn import save_drawn_weights
from livecassi.engines.networks.pg_svrt.difference import difference
from livecassi.engines.networks.pg_svrt.peak_memory import PeakMemory, peak_in_fresh_process, with_peak_on_cuda
from livecassi.engines.networks.pg_svrt.timing import on_threads, time_in_turn, time_once
from livecassi.engines.networks.pg_svrt.trial import Trial, draw_trial, load_for_trials
from livecassi.engines.networks.runner import Placing
from livecassi.engines.precision import Precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    with on_threads(1):
        yield


@pytest.fixture(params=[System.DD_CASSI, System.SD_CASSI])
def trial(request: pytest.FixtureRequest, tmp_path: Path) -> Trial:
    weights = tmp_path / "random.safetensors"
    save_drawn_weights("pg-svrt", weights, request.param)
    return draw_trial(load_for_trials(weights, request.param), weights, 17, 40)


class Gpu:
    """A device that writes down what happens to it; its clock ticks once a pass, its memory peaks at 7."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.ticks = 0
        gpu = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                gpu.log.append("record")
                self.at = gpu.ticks

            def elapsed_time(self, end: "Event") -> float:
                return float(end.at - self.at)

        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: self.log.append(f"wait for {device}"))
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: self.log.append("forget"))
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7)

    def work(self) -> str:
        self.log.append("work")
        self.ticks += 250  # ms
        return "done"


def test_all_ways_of_computing_a_trial_agree(trial: Trial) -> None:
    window = trial.window
    assert window.mean() > 1  # thirty bands of a scene of full scale 1, half of them behind the mask
    expected = trial.literal(CPU)(window)
    assert expected.shape == (3, 30, 17, 40)
    found = difference(trial.runner(Placing("cpu")).run(window), expected)
    assert found.psnr_db is None or found.psnr_db > 80
    with trial.engine(3, Placing("cpu")) as engine:
        cubes = [engine.reconstruct(measurement) for measurement in trial.stream(3)]
        assert [cube is None for cube in cubes] == [True, True, False]


def test_a_trial_is_the_same_every_time_and_its_frames_differ(trial: Trial) -> None:
    again = draw_trial(trial.network, trial.weights, 17, 40)
    assert torch.equal(again.window, trial.window)
    first, second, third = trial.window[0]
    assert (first - second).abs().mean() > 0.01
    assert (second - third).abs().mean() > 0.01


def test_differences_are_counted() -> None:
    expected = torch.tensor([3.0, -4.0, 0.0, 0.0])
    found = difference(expected + torch.tensor([0.0, 0.2, 5e-5, 0.0]), expected)
    assert found.rms == pytest.approx(0.1, rel=1e-4)
    assert found.largest == pytest.approx(0.2)
    assert found.psnr_db == pytest.approx(20 * math.log10(4 / 0.1), abs=1e-3)
    assert (found.outliers, found.values) == (1, 4)
    assert difference(expected, expected).psnr_db is None
    with pytest.raises(ValueError, match=r"found \(2, 2\), expected \(4,\)"):
        difference(torch.zeros(2, 2), expected)


def test_ways_take_turns() -> None:
    turns: list[str] = []
    ours, theirs = time_in_turn([lambda: turns.append("ours"), lambda: turns.append("theirs")], 3, CPU)
    assert turns == ["ours", "theirs"] * 3
    for timing in (ours, theirs):
        assert 0 <= timing.best_s <= timing.median_s


def test_a_gpu_is_timed_by_its_own_clock_after_it_has_come_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    seconds, _ = time_once(gpu.work, CUDA)
    assert seconds == 0.25
    assert gpu.log == ["wait for cuda", "record", "work", "record", "wait for cuda"]


def test_the_peak_on_a_gpu_is_that_of_the_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(monkeypatch)
    assert with_peak_on_cuda(gpu.work, CUDA) == ("done", PeakMemory(3, 7))
    assert gpu.log == ["wait for cuda", "forget", "work", "wait for cuda"]
    assert with_peak_on_cuda(gpu.work, CPU) == ("done", None)


def test_a_process_that_cannot_measure_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        EngineError, match=r"memory of a pass over 17 x 40 px ended with code 1 \(.*nothing\.safetensors"
    ):
        peak_in_fresh_process(System.DD_CASSI, 17, 40, tmp_path / "nothing.safetensors", Precision.FP32, 1)
