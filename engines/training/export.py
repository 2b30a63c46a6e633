"""Weights out of a checkpoint: a file that engines can use, with a card that says how far to trust it."""

from pathlib import Path

from livecassi.engines.errors import WeightsError
from livecassi.engines.training.checkpoints import Checkpoint
from livecassi.engines.training.recipe import Recipe
from livecassi.engines.weights import ModelCard, TrainingState, WeightsCard, read_card, save_weights

SECONDS_PER_HOUR = 3600


def export_weights(path: Path, checkpoint: Checkpoint, recipe: Recipe) -> WeightsCard:
    """Write the weights that are validated: the moving average where the recipe keeps one. Gives the card.

    They count as trained where all steps of the recipe were done. Scores are on the card only where they are those of
    these very weights. Steps and hours include those of the weights that the run began with; where that file cannot be
    read any more, the card says that they are left out. Raises `WeightsError` where the file cannot be written.
    """
    card = WeightsCard.model_validate_json(checkpoint.card)
    model = card.model_card or ModelCard()
    before, remark = _begun_with(recipe.run.start)
    data = "; ".join(part for part in (model.training_data, checkpoint.scenes, remark) if part)
    finished = checkpoint.step >= recipe.run.steps
    state = TrainingState.UNTRAINED if checkpoint.step == 0 else TrainingState.PARTLY_TRAINED
    described = model.model_copy(
        update={
            "training_data": data,
            "steps": checkpoint.step + (before.steps or 0),
            "hours": checkpoint.seconds / SECONDS_PER_HOUR + (before.hours or 0.0),
            "validation": checkpoint.scores if checkpoint.validated == checkpoint.step else {},
        }
    )
    return save_weights(
        path,
        card.model_copy(update={"state": TrainingState.TRAINED if finished else state, "model_card": described}),
        checkpoint.weights,
    )


def _begun_with(start: Path | None) -> tuple[ModelCard, str]:
    """The model card of the weights that the run began with, and what of it is not known any more, or ""."""
    if start is None:
        return ModelCard(), ""
    try:
        return read_card(start).model_card or ModelCard(), ""
    except WeightsError:
        return ModelCard(), f"begun with {start.name}, whose steps and hours are not counted: it could not be read"
