"""Still networks on a GPU: the cubes of a CPU, in every precision, with and without a graph; and what they learn."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from livecassi.app.training_materials import spectral_materials
from livecassi.calibration import System, sensing_model
from livecassi.engines.networks import find_network, load_network
from livecassi.engines.networks.drawn import drawn_bench, drawn_scene, save_drawn_weights
from livecassi.engines.networks.network import BenchNetwork
from livecassi.engines.networks.pg_svrt.difference import difference
from livecassi.engines.networks.runner import Placing, Runner
from livecassi.engines.precision import Precision
from livecassi.engines.training.learner import Learner
from livecassi.engines.training.processes import Processes
from livecassi.engines.training.recipe import parse_recipe
from livecassi.engines.training.scene_sources import scene_source
from livecassi.engines.training.task import Draw
from livecassi.engines.training.tasks import make_task

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

DEVICE = "cuda"
SIZE = (72, 100)
NETWORKS = ("hsra-s", "hsra-dum-3", "mst-s", "hsra-s+sdp")
EXACT_DB, HALF_DB = 80.0, 40.0
RECIPE = """
[run]
network = "{network}"
system = "sd-cassi"
steps = 3
batch = 2
learning_rate = 1e-3
[network]
crop = [64, 64]
validation_crop = [64, 64]
"""

Run = Callable[[Placing], Runner]


@pytest.fixture(scope="module", params=NETWORKS)
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Tensor]:
    """What places a network with random weights that act, and a measurement `(1, 1, H, W')`."""
    name, system = request.param, System.SD_CASSI
    weights: Path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_drawn_weights(name, weights, system)
    bench = drawn_bench(find_network(name), system, *SIZE)
    (scene,) = drawn_scene(bench.bands, *SIZE, frames=1)

    def run(placing: Placing) -> Runner:
        network = cast(BenchNetwork, load_network(name, weights, system))
        return Runner(network, partial(network.for_bench, bench), placing)

    return run, torch.from_numpy(sensing_model(bench).forward(scene))[None, None]


def assert_close(found: Tensor, expected: Tensor, least_db: float) -> None:
    apart = difference(found.cpu(), expected.cpu())
    assert apart.psnr_db is None or apart.psnr_db >= least_db, apart


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_cubes_are_those_of_a_cpu(trial: tuple[Run, Tensor], graph: bool) -> None:
    run, measurement = trial
    expected = run(Placing("cpu")).run(measurement)
    assert_close(run(Placing(DEVICE, graph=graph)).run(measurement), expected, EXACT_DB)


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.FP16])
def test_half_precision_stays_near_fp32(trial: tuple[Run, Tensor], precision: Precision) -> None:
    run, measurement = trial
    expected = run(Placing(DEVICE)).run(measurement)
    assert_close(run(Placing(DEVICE, precision)).run(measurement), expected, HALF_DB)


def test_a_graph_replays_what_runs_without_it(trial: tuple[Run, Tensor]) -> None:
    run, measurement = trial
    eager, graph = run(Placing(DEVICE, graph=False)), run(Placing(DEVICE))
    for scaled in (measurement, measurement.flip(-2), 0.5 * measurement):
        assert_close(graph.run(scaled), eager.run(scaled), EXACT_DB)


@pytest.mark.parametrize("name", ["hsra-s", "hsra-dum-3", "mst-s"])
def test_a_network_has_the_loss_of_a_cpu_and_it_falls(name: str) -> None:
    recipe, materials = parse_recipe(RECIPE.format(network=name), "small", "small.toml"), spectral_materials()
    task = make_task(recipe, scene_source(recipe, materials, torch.device("cpu")).clips, materials)
    batch = task.batch(Draw(0, 0, 2))
    losses = {}
    for device in ("cpu", DEVICE):
        learner = Learner(task, recipe.run, Processes(torch.device(device)))
        there = {key: tensor.to(device) for key, tensor in batch.items()}
        losses[device] = [float(learner.advance(there, step)) for step in range(1 if device == "cpu" else 6)]
    assert losses[DEVICE][0] == pytest.approx(losses["cpu"][0], rel=1e-2)
    assert losses[DEVICE][-1] < losses[DEVICE][0]
