"""Checkpoints: all that a run needs to go on at a step as if it had never stopped.

A file is a line of its own, the SHA-256 of what follows, and an archive of torch with tensors and plain values alone,
which is read without running code. It appears under its name only when it is whole on disk. The newest two are kept,
and the one with the best score. Random numbers need no state: those of a step follow from the seed and the step.
"""

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from torch import Tensor

from livecassi.engines.errors import TrainingError
from livecassi.engines.training.recipe import Recipe

MAGIC = b"livecassi checkpoint 1\n"
SUFFIX = ".checkpoint"
BEST = f"best{SUFFIX}"
KEPT = 2
_READ_FAULTS = (OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError, AttributeError)


class CheckpointError(TrainingError):
    """A checkpoint cannot be used or written: choose another folder, or go on from the one before."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run after `step` steps and `seconds` of training.

    `average` is empty where the recipe keeps none. `scores` are those of the last validation, after `validated` steps,
    `best_scores` the best ones. `loss_sum` and `loss_count` are those since the last line of the log; `scenes` says in
    words what was trained on, `card` in JSON what the weights are (`WeightsCard`), but for steps, hours and scores.
    """

    recipe: str
    step: int
    seconds: float
    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, object]
    validated: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    best_scores: dict[str, float] = field(default_factory=dict)
    loss_sum: float = 0.0
    loss_count: int = 0
    scenes: str = ""
    card: str = ""

    @property
    def weights(self) -> dict[str, Tensor]:
        """What is validated and shipped: the average where there is one."""
        return self.average or self.network


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file, on the CPU. Raises `CheckpointError`: not there, damaged, or of another livecassi."""
    try:
        content = path.read_bytes()
        body = content[len(MAGIC) + 65 :]
        if not content.startswith(MAGIC):
            raise ValueError("it does not begin as a checkpoint of this livecassi")
        if hashlib.sha256(body).hexdigest().encode() != content[len(MAGIC) : len(MAGIC) + 64]:
            raise ValueError("its content is not what was written")
        values = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        return Checkpoint(**{each.name: values[each.name] for each in fields(Checkpoint)})
    except _READ_FAULTS as error:
        raise CheckpointError(
            f"the checkpoint {path} cannot be read ({error}); go on from another, or begin in a new folder"
        ) from error


class CheckpointFolder:
    """The checkpoints of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def best(self) -> Path:
        """The file of the checkpoint with the best score, which may not be there."""
        return self.folder / BEST

    def newest(self, recipe: Recipe) -> tuple[Checkpoint, str] | None:
        """The newest checkpoint that can be read, and what was wrong with newer ones; None where there are none.

        Raises `CheckpointError` where none can be read, or where it belongs to another recipe.
        """
        faults: list[str] = []
        for path in self._files():
            try:
                checkpoint = read_checkpoint(path)
            except CheckpointError as error:
                faults.append(str(error))
                continue
            _check_recipe(path, checkpoint, recipe)
            note = f"{faults[0]}; going on from the one before, {path.name}" if faults else ""
            return checkpoint, note
        if faults:
            raise CheckpointError(f"no checkpoint in {self.folder} can be read: {faults[0]}")
        return None

    def checked(self, path: Path, recipe: Recipe) -> Checkpoint:
        """One checkpoint of this recipe. Raises `CheckpointError` as `read_checkpoint`, or for another recipe."""
        checkpoint = read_checkpoint(path)
        _check_recipe(path, checkpoint, recipe)
        return checkpoint

    def save(self, checkpoint: Checkpoint, *, best: bool = False) -> Path:
        """Write a checkpoint, then remove older ones but one. Raises `CheckpointError`, all being as before."""
        body = io.BytesIO()
        torch.save({each.name: getattr(checkpoint, each.name) for each in fields(Checkpoint)}, body)
        content = body.getbuffer()
        path = self.best if best else self.folder / f"step-{checkpoint.step:09d}{SUFFIX}"
        partial = path.with_name(f".{path.name}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint of step {checkpoint.step} cannot be written to {path} ({error.strerror or error}); "
                "those before it are untouched: make room, or choose another folder by --out, then start again"
            ) from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        for old in list(self._files())[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def _files(self) -> Iterator[Path]:
        """Checkpoints by step, newest first."""
        found = [path for path in self.folder.glob(f"step-*{SUFFIX}") if re.fullmatch(r"step-\d+", path.stem)]
        yield from sorted(found, key=lambda path: int(path.stem.removeprefix("step-")), reverse=True)


def _check_recipe(path: Path, checkpoint: Checkpoint, recipe: Recipe) -> None:
    if differences := recipe.differences(checkpoint.recipe):
        raise CheckpointError(
            f"the checkpoint {path} belongs to another recipe than '{recipe.name}': {'; '.join(differences[:5])}; "
            "choose another folder by --out, or bring the recipe back to what it was"
        )
