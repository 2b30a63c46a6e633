"""The figures of the scoreboard: what each engine scored on each scene, and the weights that it did it with."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from livecassi.app.weight_places import WeightsFile
from livecassi.calibration import System
from livecassi.engines import EngineInfo

MEAN = "mean"
YARDSTICK = "plain GAP-TV"  # as the literature writes it; in the rows, but no engine


@dataclass(frozen=True, slots=True)
class SceneFigures:
    """The scores of a scene, PSNR in dB and SAM in degrees; of a moving one the means over its frames, and ST-RRED.

    `seconds` is the time of a cube that stands alone, or of one frame of a moving scene once the engine is warm; None
    where it was not taken. In the definition *plain* of `livecassi.engines.metrics`.
    """

    scene: str
    moving: bool
    noisy: bool
    psnr_db: float
    ssim: float
    sam_deg: float
    st_rred: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class UsedWeights:
    """The weights of an engine and what their card says: how far they were trained, on what, with which scores.

    `imported` where they were not trained by livecassi. `tensors_sha256` tells them from others of the same name.
    """

    name: str
    state: str
    scores: tuple[tuple[str, float], ...]
    training_data: str
    imported: bool
    tensors_sha256: str


@dataclass(frozen=True, slots=True)
class Row:
    """What one engine, or the yardstick, scored on one bench. `weights` None: it has none."""

    engine: str
    system: System
    bands: int
    runtime: str
    options: tuple[tuple[str, str], ...]
    weights: UsedWeights | None
    scenes: tuple[SceneFigures, ...]

    def of(self, *, moving: bool, noisy: bool) -> tuple[SceneFigures, ...]:
        """The scenes of one kind, in the order in which they were scored."""
        return tuple(one for one in self.scenes if (one.moving, one.noisy) == (moving, noisy))

    def mean(self, *, moving: bool, noisy: bool) -> SceneFigures | None:
        """The means over the scenes of one kind, None where none was scored."""
        scenes = self.of(moving=moving, noisy=noisy)
        if not scenes:
            return None
        return SceneFigures(
            MEAN,
            moving,
            noisy,
            fmean(one.psnr_db for one in scenes),
            fmean(one.ssim for one in scenes),
            fmean(one.sam_deg for one in scenes),
            _mean(one.st_rred for one in scenes),
            _mean(one.seconds for one in scenes),
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An engine that could not be scored on the bench of a system, and why."""

    engine: str
    system: System
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found.

    `source` says where scenes and masks came from, `drawn` what of them was drawn in code instead of being the
    protocol's. `load_before` and `load_after`: how many programs wanted a core of the `cores`.
    """

    source: str
    drawn: str
    scenes: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    cores: int
    load_before: float | None
    load_after: float | None

    @property
    def systems(self) -> tuple[System, ...]:
        """The systems of the rows, in their order."""
        return tuple(dict.fromkeys(row.system for row in self.rows))

    def rows_of(self, system: System) -> tuple[Row, ...]:
        """The rows of one system."""
        return tuple(row for row in self.rows if row.system is system)


def used_weights(info: EngineInfo, system: System, files: Sequence[WeightsFile]) -> UsedWeights | None:
    """The weights that an engine was built with, as one of the `files` has them; None for an engine without any."""
    named = dict(info.options).get("weights")
    if named is None:
        return None
    for file in files:
        if file.card.system is system and named.startswith(file.path.name):
            card = file.card
            known = card.model_card
            scores = () if known is None else tuple(known.validation.items())
            trained_on = "" if known is None else known.training_data
            imported = card.source is not None
            return UsedWeights(file.path.name, str(card.state), scores, trained_on, imported, card.tensors_sha256)
    return UsedWeights(named, "without a card", (), "", True, "")


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return fmean(known) if known else None
