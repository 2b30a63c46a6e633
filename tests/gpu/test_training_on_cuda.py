"""Training on a GPU: the loop in both precisions, memory that runs out, and PG-SVRT as on a CPU."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import TinyTask, tiny_recipe
from torch import Tensor

from livecassi.app.training_materials import spectral_materials
from livecassi.engines.errors import TrainingError
from livecassi.engines.networks.pg_svrt.training import pg_svrt_task
from livecassi.engines.training.learner import Learner
from livecassi.engines.training.processes import Processes
from livecassi.engines.training.progress import Outcome
from livecassi.engines.training.recipe import parse_recipe
from livecassi.engines.training.scene_sources import scene_source
from livecassi.engines.training.stopping import Stopping
from livecassi.engines.training.task import Draw
from livecassi.engines.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

CUDA = torch.device("cuda")
PG_SVRT = """
[run]
network = "pg-svrt"
system = "dd-cassi"
steps = 3
batch = 2
learning_rate = 1e-3
[network]
crop = [64, 96]
validation_crop = [64, 96]
"""


def trained(folder: Path, *changes: str, task: TinyTask | None = None) -> list[float]:
    folder.mkdir(exist_ok=True)
    recipe = tiny_recipe("run.device=cuda", *changes)
    assert Trainer(task or TinyTask(), recipe, folder, Processes(CUDA)).train(Stopping()) is Outcome.FINISHED
    with (folder / "log.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_learns_and_goes_on_where_it_stopped(tmp_path: Path, precision: str) -> None:
    changes = f"run.precision={precision}", "run.workers=1", "run.schedule=constant", "run.channels_last=true"
    whole = trained(tmp_path / "whole", *changes)
    assert len(whole) == 12
    assert whole[-1] < 0.5 * whole[0]
    trained(tmp_path / "parts", *changes, "run.steps=7")
    assert trained(tmp_path / "parts", *changes) == pytest.approx(whole, rel=1e-2)


def test_too_little_memory_names_the_batch_that_fits(tmp_path: Path) -> None:
    free = torch.cuda.mem_get_info(CUDA)[0]

    def large(samples: int, loss: Tensor) -> Tensor:
        return loss + 0 * torch.empty(samples * free // 6, dtype=torch.uint8, device=CUDA)[0]

    with pytest.raises(TrainingError, match=r"does not hold a batch of 16 .*a batch of 4 fits"):
        trained(tmp_path, "run.batch=16", "run.validate_every=0", task=TinyTask(watch=large))


@pytest.mark.parametrize("samples_on", ["loader", "device"])
def test_pg_svrt_has_the_loss_of_a_cpu_and_it_falls(samples_on: str) -> None:
    recipe = parse_recipe(PG_SVRT, "small", "small.toml", [f"run.samples_on={samples_on}"])
    materials = spectral_materials()
    task = pg_svrt_task(recipe, scene_source(recipe, materials, CUDA).clips, materials)
    batch = task.batch(Draw(0, 0, 2))
    assert batch["truth"].device.type == ("cuda" if samples_on == "device" else "cpu")
    losses = {}
    for device in ("cpu", "cuda"):
        learner = Learner(task, recipe.run, Processes(torch.device(device)))
        there = {name: tensor.to(device) for name, tensor in batch.items()}
        losses[device] = [float(learner.advance(there, step)) for step in range(3 if device == "cuda" else 1)]
    assert losses["cuda"][0] == pytest.approx(losses["cpu"][0], rel=1e-2)
    assert losses["cuda"][-1] < losses["cuda"][0]


def test_recomputing_blocks_takes_less_memory_for_the_same_gradient() -> None:
    materials, peaks, gradients = spectral_materials(), {}, {}
    for recompute in ("false", "true"):
        recipe = parse_recipe(PG_SVRT, "small", "small.toml", [f"network.recompute={recompute}"])
        task = pg_svrt_task(recipe, scene_source(recipe, materials, CUDA).clips, materials)
        torch.manual_seed(0)
        network = task.build().to(CUDA)
        batch = {name: tensor.to(CUDA) for name, tensor in task.batch(Draw(0, 0, 2)).items()}
        torch.cuda.reset_peak_memory_stats()
        torch.autograd.backward(task.loss(network, batch))
        peaks[recompute] = torch.cuda.max_memory_allocated()
        gradients[recompute] = np.concatenate(
            [one.grad.flatten().cpu().numpy() for one in network.parameters() if one.grad is not None]
        )
        del network, batch
    assert peaks["true"] < 0.5 * peaks["false"]
    assert np.corrcoef(gradients["true"], gradients["false"])[0, 1] > 0.999
