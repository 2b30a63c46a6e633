"""PG-SVRT on a GPU: the same cubes as elsewhere, in every precision, with and without a graph, in steady memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from weight_files import save_pg_svrt

from livecassi.calibration import System
from livecassi.engines import EngineError
from livecassi.engines.networks import load_network
from livecassi.engines.networks.pg_svrt import PGSVRT
from livecassi.engines.networks.pg_svrt.difference import difference
from livecassi.engines.networks.pg_svrt.trial import Trial, draw_trial, load_for_trials
from livecassi.engines.networks.runner import Placing, Runner, choose_device
from livecassi.engines.precision import Precision

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

DEVICE = "cuda"
SIZE = (96, 160)
BOTH = (System.DD_CASSI, System.SD_CASSI)
GRAPH = pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
EXACT_DB, HALF_DB = 80.0, 45.0


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[System, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {system: save_pg_svrt(folder / f"{system}.safetensors", system) for system in BOTH}


@pytest.fixture(scope="module")
def trials(weights: dict[System, Path]) -> dict[System, Trial]:
    return {system: draw_trial(load_for_trials(weights[system], system), weights[system], *SIZE) for system in BOTH}


def assert_close(found: Tensor, expected: Tensor, least_db: float) -> None:
    apart = difference(found.cpu(), expected.cpu())
    assert apart.psnr_db is None or apart.psnr_db >= least_db, apart


# ---- the same cubes --------------------------------------------------------------------------------------------------


@GRAPH
@pytest.mark.parametrize("case", ["case_a32x32", "case_b64x96"])
@pytest.mark.parametrize("system", BOTH)
def test_outputs_are_the_published_ones(shared: Path, system: System, case: str, graph: bool) -> None:
    folder = shared / "golden" / ("pgsvrt_sd" if system.single_disperser else "pgsvrt_dd")
    with np.load(folder / f"{case}.npz") as arrays:
        window, mask, expected = (
            torch.from_numpy(arrays[name].astype(np.float32)) for name in ("meas", "mask2d", "out")
        )
    network = load_network("pg-svrt", folder / "weights.safetensors", system)
    assert isinstance(network, PGSVRT)
    apart = difference(
        Runner(network, lambda device: network.prepare(mask.to(device)), Placing(DEVICE, graph=graph))
        .run(window[None])
        .cpu(),
        expected,
    )
    assert apart.rms <= 2e-6, apart
    assert apart.largest <= 1e-4, apart


@GRAPH
@pytest.mark.parametrize("system", BOTH)
def test_fp32_is_fp32(trials: dict[System, Trial], system: System, graph: bool) -> None:
    """With the TF32 of tensor cores, products would keep ten bits."""
    trial = trials[system]
    expected = trial.runner(Placing("cpu")).run(trial.window)
    assert_close(trial.runner(Placing(DEVICE, graph=graph)).run(trial.window), expected, EXACT_DB)
    assert_close(trial.literal(choose_device(DEVICE))(trial.window), expected, EXACT_DB)


@GRAPH
@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
def test_half_precision_stays_near_fp32(trials: dict[System, Trial], precision: Precision, graph: bool) -> None:
    trial = trials[System.DD_CASSI]
    expected = trial.runner(Placing(DEVICE)).run(trial.window)
    assert_close(trial.runner(Placing(DEVICE, precision, graph=graph)).run(trial.window), expected, HALF_DB)


@pytest.mark.parametrize("precision", Precision)
def test_a_graph_replays_what_runs_without_it(trials: dict[System, Trial], precision: Precision) -> None:
    trial = trials[System.SD_CASSI]
    eager = trial.runner(Placing(DEVICE, precision, graph=False))
    graph = trial.runner(Placing(DEVICE, precision))
    for window in (trial.window, trial.window.flip(1), 0.5 * trial.window):
        assert_close(graph.run(window), eager.run(window), EXACT_DB if precision is Precision.FP32 else HALF_DB)
    assert torch.equal(graph.run(trial.window).clone(), graph.run(trial.window))


def test_tiles_are_those_of_a_cpu(trials: dict[System, Trial]) -> None:
    trial = trials[System.SD_CASSI]
    expected = trial.runner(Placing("cpu", tile=128)).run(trial.window)
    assert_close(trial.runner(Placing(DEVICE, tile=128)).run(trial.window), expected, EXACT_DB)


# ---- memory and failures ---------------------------------------------------------------------------------------------


@GRAPH
@pytest.mark.parametrize("precision", Precision)
def test_after_the_first_passes_nothing_more_is_taken_from_the_device(
    trials: dict[System, Trial], precision: Precision, graph: bool
) -> None:
    runner, window = (
        trials[System.DD_CASSI].runner(Placing(DEVICE, precision, graph=graph)),
        trials[System.DD_CASSI].window,
    )

    def run() -> dict[str, int]:
        runner.run(window)
        torch.cuda.synchronize()
        stats = torch.cuda.memory_stats()
        return {name: stats[name] for name in ("num_device_alloc", "num_device_free", "allocated_bytes.all.current")}

    for _ in range(2):
        settled = run()
    assert [run() for _ in range(5)] == [settled] * 5


def test_numbers_beyond_fp16_are_refused_in_words_and_bf16_holds_them(tmp_path: Path) -> None:
    def louder(network: torch.nn.Module) -> None:
        network.get_parameter("dsr.conv_out.weight").mul_(1e7)

    weights = save_pg_svrt(tmp_path / "loud.safetensors", System.DD_CASSI, louder)
    trial = draw_trial(load_for_trials(weights, System.DD_CASSI), weights, *SIZE)
    with pytest.raises(EngineError, match=r"NaN or infinite values in fp16.*choose precision=bf16 or fp32"):
        trial.runner(Placing(DEVICE, Precision.FP16)).run(trial.window)
    assert trial.runner(Placing(DEVICE, Precision.BF16)).run(trial.window).abs().max() > 65504


def test_a_frame_that_memory_does_not_hold_is_refused_in_words_and_the_next_pass_works(
    trials: dict[System, Trial],
) -> None:
    trial = trials[System.DD_CASSI]
    runner = trial.runner(Placing(DEVICE))
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(choose_device(DEVICE)).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (32 << 20)) / total)
    try:
        with pytest.raises(EngineError, match=r"does not hold frames of 96 x 160 px .*device=cpu"):
            runner.run(trial.window)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert runner.run(trial.window).shape == (3, 30, *SIZE)


# ---- the engine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hop", [1, 2, 3])
@pytest.mark.parametrize("system", BOTH)
def test_the_engine_gives_the_cubes_of_a_cpu(trials: dict[System, Trial], system: System, hop: int) -> None:
    trial = trials[system]
    found, expected = (_cubes(trial, hop, Placing(device)) for device in (DEVICE, "cpu"))
    assert sorted(found) == sorted(expected) == list(range(6))
    for index, cube in found.items():
        assert_close(cube, expected[index], EXACT_DB)


def test_auto_is_the_gpu_and_says_which(trials: dict[System, Trial]) -> None:
    runner = trials[System.DD_CASSI].runner(Placing())
    assert runner.device.type == DEVICE
    assert torch.cuda.get_device_name() in runner.describes


def test_leaving_the_engine_gives_its_memory_back(weights: dict[System, Path]) -> None:
    system = System.DD_CASSI
    before = torch.cuda.memory_allocated()
    _use_up(lambda: draw_trial(load_for_trials(weights[system], system), weights[system], *SIZE))
    assert torch.cuda.memory_allocated() <= before + (1 << 20)


def _use_up(draw: Callable[[], Trial]) -> None:
    assert _cubes(draw(), 1, Placing(DEVICE))


def _cubes(trial: Trial, hop: int, placing: Placing) -> dict[int, Tensor]:
    """The cubes of six frames by their index, those that are still owed at the end too."""
    with trial.engine(hop, placing) as engine:
        cubes = [engine.reconstruct(measurement) for measurement in trial.stream(6)] + engine.flush()
    return {cube.frame_index: torch.from_numpy(cube.values.copy()) for cube in cubes if cube is not None}
