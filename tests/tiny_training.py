"""A tiny network that learns in milliseconds, for tests of the trainer; also a program that trains it.

`python tiny_training.py FOLDER KILLED_AT [SECTION.KEY=VALUE...]` trains in a process of its own, which kills itself
after step KILLED_AT (0: never). With RANK and WORLD_SIZE in the environment it is one of several.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from livecassi.calibration import System
from livecassi.engines.training.processes import Processes, joined
from livecassi.engines.training.progress import Progress, Told
from livecassi.engines.training.recipe import Recipe, parse_recipe
from livecassi.engines.training.stopping import Stopping
from livecassi.engines.training.task import Batch, Draw
from livecassi.engines.training.trainer import Trainer
from livecassi.engines.weights import TrainingState, WeightsCard

RECIPE = """
[run]
network = "tiny"
system = "sd-cassi"
steps = 12
batch = 2
learning_rate = 0.01
device = "cpu"
workers = 0
log_every = 1
validate_every = 5
checkpoint_every = 4
ema = 0.9
gradient_clip = 1.0
"""
CPU = Processes(torch.device("cpu"))


def tiny_recipe(*changes: str) -> Recipe:
    return parse_recipe(RECIPE, "tiny", "tiny.toml", changes)


@dataclass(frozen=True)
class TinyTask:
    """Two convolutions learn to blur; `spoil` changes batches, `watch` sees every loss and the size of its batch."""

    spoil: Callable[[Draw, Batch], Batch] = lambda _, batch: batch
    watch: Callable[[int, Tensor], Tensor] = lambda _, loss: loss
    dropout: float = 0.1
    name: str = "tiny"
    system: System = System.SD_CASSI

    def build(self) -> nn.Module:
        layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Dropout(self.dropout), nn.Conv2d(8, 3, 3, padding=1))
        return nn.Sequential(*layers)

    def batch(self, draw: Draw) -> Batch:
        pictures = [np.random.default_rng([draw.seed, number]).random((3, 12, 20)) for number in draw.numbers]
        return self.spoil(draw, {"picture": torch.from_numpy(np.stack(pictures)).float()})

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        picture = batch["picture"]
        wanted = nn.functional.avg_pool2d(picture, 3, 1, 1)
        return self.watch(len(picture), (network(picture) - wanted).square().mean().float())

    def validate(self, network: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            error = float(self.loss(network, self.batch(Draw(99, 0, 4))))
        return {"psnr_db": -10 * float(np.log10(error)), "error": error}

    def card(self) -> WeightsCard:
        return WeightsCard(
            network=self.name,
            system=self.system,
            bands=3,
            step_px=2,
            created=datetime(2026, 2, 3, tzinfo=UTC),
            state=TrainingState.UNTRAINED,
        )


def main() -> None:
    folder, killed_at, *changes = sys.argv[1:]

    def watch(progress: Progress) -> None:
        if progress.step == int(killed_at):
            os.kill(os.getpid(), signal.SIGKILL)

    recipe = tiny_recipe(*changes)
    with joined("cpu") as processes:
        task = TinyTask(dropout=0.1 if processes.count == 1 else 0.0)
        Trainer(task, recipe, Path(folder), processes, Told(watch)).train(Stopping())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
