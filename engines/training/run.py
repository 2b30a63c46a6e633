"""A run of a recipe from its beginning, or from where it stopped: scenes, task, trainer and weights, put together."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from livecassi.calibration import Calibration
from livecassi.engines.errors import TrainingError
from livecassi.engines.training.checkpoints import CheckpointFolder
from livecassi.engines.training.export import export_weights
from livecassi.engines.training.processes import joined
from livecassi.engines.training.progress import Outcome, Told
from livecassi.engines.training.recipe import Recipe
from livecassi.engines.training.scene_sources import scene_source
from livecassi.engines.training.stopping import Stopping
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.tasks import make_task
from livecassi.engines.training.trainer import Trainer
from livecassi.engines.weights import WeightsCard


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: after `step` steps; the weights and their card where they were written."""

    outcome: Outcome
    step: int
    weights: Path | None = None
    card: WeightsCard | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: a recipe in a `folder`, for `limit_s` seconds counted from `started`, None without a limit.

    `calibration` is the bench that the network is adapted to, None for that of the recipe. `started` is of
    `time.monotonic`, so that the start-up counts.
    """

    recipe: Recipe
    folder: Path
    materials: SpectralMaterials
    calibration: Calibration | None = None
    limit_s: float | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def weights(self) -> Path:
        """Where the weights are written."""
        return self.folder / f"{self.recipe.name}.safetensors"


def run_training(order: Order, told: Told) -> Ended | None:
    """Train until the recipe is done, the time is up or somebody asks to stop; at the end the weights are written.

    Of several processes the first tells how it ended, the others None.
    Raises `LivecassiError` of many kinds, each in words for the person who trains.
    """
    recipe = order.recipe
    with joined(recipe.run.device) as processes:
        source = scene_source(recipe, order.materials, processes.device)
        if source.remark and processes.first:
            told.remark(source.remark)
        task = make_task(recipe, source.clips, order.materials, order.calibration)
        _make_folder(order.folder)
        trainer = Trainer(task, recipe, order.folder, processes, told, source.words)
        outcome = trainer.train(Stopping(order.limit_s, order.started))
        if not processes.first:
            return None
        if outcome is Outcome.FINISHED:
            return replace(export_run(order), outcome=outcome)
        return Ended(outcome, trainer.step)


def export_run(order: Order, *, best: bool = False) -> Ended:
    """Write the weights of the newest checkpoint, or of the best one, without training.

    Raises `TrainingError` where there is none.
    """
    folder = CheckpointFolder(order.folder)
    if best and not folder.best.is_file():
        raise TrainingError(
            f"{order.folder} holds no best checkpoint, since no validation was made; export the last one, or train on "
            "with [run] validate_every above 0"
        )
    if best:
        checkpoint = folder.checked(folder.best, order.recipe)
    elif found := folder.newest(order.recipe):
        checkpoint = found[0]
    else:
        raise TrainingError(
            f"{order.folder} holds no checkpoint to write weights of; train first, or name the folder of a run by --out"
        )
    card = export_weights(order.weights, checkpoint, order.recipe)
    return Ended(Outcome.STOPPED, checkpoint.step, order.weights, card)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"the folder {folder} cannot be made ({error.strerror or error}); choose another by --out"
        ) from error
