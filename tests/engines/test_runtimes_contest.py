"""Candidates side by side: which there are, that they take turns, and what is told of memory."""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from livecassi.calibration import System
from livecassi.engines.errors import EngineError, EngineUnavailableError
from livecassi.engines.exporting.registry import export_specs
from livecassi.engines.networks.contest.candidates import Candidate, Way, candidates
from livecassi.engines.networks.contest.steady import allocations, flatness
from livecassi.engines.networks.contest.tasks import NETWORKS, draw_task, save_untrained
from livecassi.engines.networks.contest.turns import Clocks, in_turns
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.weights import TrainingState, read_card


def offer(runtime: RuntimeName, place: Place, *, available: bool = True) -> Offer:
    return Offer(runtime, place, available, "ready" if available else "not installed", "1.0" if available else "")


ON_CPU = (RuntimeName.OPENVINO, RuntimeName.ONNXRUNTIME, RuntimeName.TORCH)
OFFERED = (
    *(offer(runtime, Place.CPU) for runtime in ON_CPU),
    offer(RuntimeName.TORCH, Place.CUDA),
    offer(RuntimeName.ONNXRUNTIME, Place.CUDA, available=False),
    offer(RuntimeName.TENSORRT, Place.CUDA),
    offer(RuntimeName.TENSORRT_RTX, Place.CUDA, available=False),
)


# ---- candidates ------------------------------------------------------------------------------------------------------


def titles(found: list[Candidate]) -> list[str]:
    return [candidate.title for candidate in found]


def test_a_processor_runs_every_runtime_in_the_precisions_it_has() -> None:
    assert titles(candidates("pg-svrt", Place.CPU, OFFERED)) == [
        "torch eager fp32",
        "authors' way fp32",
        "OpenVINO fp32",
        "OpenVINO bf16",
        "ONNX Runtime fp32",
        "torch eager bf16",
    ]


def test_a_gpu_runs_torch_with_and_without_a_graph_and_tensorrt() -> None:
    found = candidates("pg-svrt", Place.CUDA, OFFERED, precisions=(Precision.FP32, Precision.FP16))
    assert titles(found) == [
        "torch eager fp32",
        "authors' way fp32",
        "torch graph fp32",
        "torch eager fp16",
        "torch graph fp16",
        "TensorRT fp32",
        "TensorRT fp16",
    ]
    assert [candidate for candidate in found if candidate.baseline] == found[:1]


def test_baselines_are_there_whatever_is_chosen() -> None:
    chosen = candidates("live", Place.CPU, OFFERED, [RuntimeName.OPENVINO], [Precision.BF16])
    assert titles(chosen) == ["torch eager fp32", "OpenVINO bf16"]
    without_torch = [one for one in OFFERED if one.runtime is not RuntimeName.TORCH]
    assert titles(candidates("live", Place.CPU, without_torch, [RuntimeName.ONNXRUNTIME])) == ["ONNX Runtime fp32"]


def test_a_runtime_that_was_named_and_is_not_there_says_why() -> None:
    named = [RuntimeName.TENSORRT_RTX, RuntimeName.ONNXRUNTIME]
    found = candidates("live", Place.CUDA, OFFERED, named, [Precision.FP16])
    assert [(one.title, one.refused) for one in found] == [
        ("torch eager fp32", ""),
        ("TensorRT-RTX fp16", "not installed"),  # ONNX Runtime runs on the processor, and is tried there
    ]


# ---- turns -----------------------------------------------------------------------------------------------------------


class Runners:
    """Works that take their time on a clock that only they move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []
        self.clocks = Clocks(wall=lambda: self.now, cpu=lambda: 2 * self.now)

    def work(self, name: str, *seconds: float) -> Callable[[], None]:
        """One that takes these seconds, one after the other, and the last of them from then on."""
        left = list(seconds)

        def run() -> None:
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_all_take_turns_after_one_pass_that_does_not_count() -> None:
    runners = Runners()
    works = {name: runners.work(name, 50.0, seconds) for name, seconds in (("a", 1.0), ("b", 4.0))}
    turns = in_turns(works, 3, runners.clocks)
    assert "".join(runners.log) == "ab" * 4
    assert {name: laps.median_s for name, laps in turns.laps.items()} == {"a": 1.0, "b": 4.0}
    assert turns.laps["b"].cpu_s == 8.0
    assert turns.laps["a"].passes == 3


def test_quick_ones_have_several_passes_in_a_turn() -> None:
    runners = Runners()
    works = {"quick": runners.work("q", 0.25), "slow": runners.work("s", 8.0), "instant": runners.work("i", 0.0)}
    turns = in_turns(works, 2, runners.clocks, turn_s=1.0)
    assert "".join(runners.log) == "qsi" + ("qqqq" + "s" + 25 * "i") * 2
    assert {name: laps.passes for name, laps in turns.laps.items()} == {"quick": 8, "slow": 2, "instant": 50}


def test_median_extremes_and_spread_are_those_of_the_passes() -> None:
    runners = Runners()
    laps = in_turns({"a": runners.work("a", 9, 4, 1, 2, 16, 3)}, 5, runners.clocks).laps["a"]
    assert (laps.passes, laps.median_s, laps.best_s, laps.worst_s, laps.spread_s) == (5, 3, 1, 16, 1)


def test_one_that_fails_is_left_out_and_the_others_go_on() -> None:
    runners = Runners()
    steady, passes = runners.work("s", 2.0), iter(range(2))

    def tires() -> None:
        if next(passes, None) is None:
            raise EngineError("tired")

    turns = in_turns({"tires": tires, "steady": steady}, 3, Clocks(lambda: runners.now, lambda: 0.0), turn_s=0)
    assert list(turns.laps) == ["steady"]
    assert turns.laps["steady"].passes == 3
    assert {name: str(error) for name, error in turns.stopped.items()} == {"tires": "tired"}


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_what_is_held_and_what_passes_are_told_apart() -> None:
    held: list[bytearray] = []

    def run() -> None:
        bytearray(400_000)
        held.append(bytearray(10_000))

    counted: Iterator[int] = iter((1000, 9000))
    found = allocations(run, 8, lambda: next(counted))
    assert found.held == pytest.approx(10_000, rel=0.1)
    assert 400_000 < found.passing < 500_000
    assert found.device == 1000


def test_a_pass_without_a_trace_holds_nothing() -> None:
    room = np.zeros((40, 56), np.float32)
    found = allocations(lambda: np.add(room, 1, out=room), 100)
    assert found.held < 50
    assert found.device is None


def test_a_resident_set_that_grows_is_seen() -> None:
    held: list[mmap.mmap] = []

    def run() -> None:  # pages of its own: what was freed before is not used again
        held.append(mmap.mmap(-1, 1 << 20))
        held[-1].write(b"\1" * (1 << 20))

    found = flatness(run, 60)
    for pages in held:
        pages.close()
    if found is None:
        pytest.skip("this system does not tell the resident set of a process")
    assert found.passes == 60 == len(held) - 1
    assert found.middle - found.start > 25 << 20
    assert found.end - found.middle > 25 << 20


# ---- tasks -----------------------------------------------------------------------------------------------------------


def test_every_network_that_is_exported_has_a_task() -> None:
    assert {*NETWORKS, *still_family()} == set(export_specs())
    with pytest.raises(EngineUnavailableError, match="nothing is drawn for network 'wishful'"):
        draw_task("wishful", Path("w.safetensors"), System.DD_CASSI, (24, 40))


@pytest.mark.parametrize(
    ("network", "shape"), [("live", (1, 21, 24, 40)), ("pg-svrt", (1, 3, 24, 98))], ids=["live", "pg-svrt"]
)
def test_random_weights_serve_for_a_task(network: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="random weights are drawn with torch")
    from livecassi.engines.networks.contest.in_torch import in_torch, work_of

    weights = tmp_path / "random.safetensors"
    save_untrained(network, weights, System.SD_CASSI)
    assert read_card(weights).state is TrainingState.UNTRAINED
    task, again = (draw_task(network, weights, System.SD_CASSI, (24, 40)) for _ in range(2))
    ((name, values),) = task.inputs.items()
    assert values.shape == shape
    assert np.array_equal(values, again.inputs[name])
    per_pixel = work_of(task, Precision.FP32).macs / (24 * 40)
    assert 1e4 < per_pixel < 1e7
    result = in_torch(task, Candidate(network, RuntimeName.TORCH, Place.CPU, Precision.FP32, Way.EAGER)).result()
    assert result.shape[-2:] == (24, 40)
    assert np.ptp(result) > 0
