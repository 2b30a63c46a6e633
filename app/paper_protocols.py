"""The evaluations of two papers from end to end: published scenes, simulated measurements, an engine, its scores.

Which scenes, benches and masks: `livecassi.engines.datasets.dynaspec` and `.kaist`. Measurements are free of noise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livecassi.app.timed_runs import timed_sequence
from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.calibration.calibration import Array32
from livecassi.engines import Engine, EngineInfo, EngineSpec, build_engine
from livecassi.engines.datasets import kaist
from livecassi.engines.datasets.dynaspec import CLIP_FRAMES, SceneClass, dynaspec_calibration, open_benchmark
from livecassi.engines.errors import MetricsError
from livecassi.engines.metrics import Flavour, score_video
from livecassi.engines.registry import find_spec

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine of the list is evaluated, with options as text."""

    specs: Mapping[str, EngineSpec]
    name: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """Scores, or means of scores: PSNR in dB (infinite where a band is perfect), SSIM, SAM in degrees."""

    psnr_db: float
    ssim: float
    sam_deg: float


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """The mean over the frames of a clip, in the definitions of the DynaSpec code."""

    scene: str
    scene_class: SceneClass
    first_frame: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class DynaSpecReport:
    """What an evaluation by the DynaSpec protocol found. `missing` says how the data fall short of the published."""

    engine: EngineInfo
    system: System
    clips: tuple[ClipFigures, ...]
    missing: tuple[str, ...]

    def class_mean(self, scene_class: SceneClass) -> Figures | None:
        """Mean over the clips of a class, None without one."""
        return _mean(clip.figures for clip in self.clips if clip.scene_class is scene_class)

    @property
    def headline(self) -> Figures | None:
        """Mean of the two class means, the figure of the paper; None where a class is missing."""
        means = [mean for scene_class in SceneClass if (mean := self.class_mean(scene_class)) is not None]
        return _mean(means) if len(means) == len(SceneClass) else None

    @property
    def clip_mean(self) -> Figures | None:
        """Plain mean over all clips."""
        return _mean(clip.figures for clip in self.clips)


@dataclass(frozen=True, slots=True)
class SceneFigures:
    """The scores of one scene in both definitions that the field uses."""

    scene: str
    figures: Mapping[Flavour, Figures]


@dataclass(frozen=True, slots=True)
class KaistReport:
    """What an evaluation by the protocol of the MST toolbox found."""

    engine: EngineInfo
    scenes: tuple[SceneFigures, ...]
    missing: tuple[str, ...]

    def mean(self, flavour: Flavour) -> Figures | None:
        """Mean over the scenes."""
        return _mean(scene.figures[flavour] for scene in self.scenes)


KAIST_FLAVOURS = (Flavour.MST, Flavour.DYNASPEC)


def evaluate_dynaspec(
    data: Path, system: System, mask: Path | None, choice: EngineChoice, progress: Progress = lambda _: None
) -> DynaSpecReport:
    """Every clip of the DynaSpec benchmark in `data` through the engine; `progress` is told the clips done.

    Unless chosen otherwise, an engine with the option `hop` passes over a clip at once (hop 3), and one with the option
    `brightness` is given the measurements as they are: the truths have full scale 1, as those of the training.
    Raises `DatasetError`, `EngineError` and what a mask that cannot serve raises.
    """
    benchmark = open_benchmark(data)
    calibration = dynaspec_calibration(system, mask)
    offered = find_spec(choice.specs, choice.name).options
    usual = {"hop": str(CLIP_FRAMES), "brightness": "1"}
    options = {name: value for name, value in usual.items() if name in offered} | dict(choice.options)
    clips = []
    with build_engine(choice.specs, choice.name, calibration, options) as engine:
        for clip in benchmark.clips():
            cubes = reconstruct_clip(engine, calibration, clip.truths)
            figures = _scored(cubes, clip.truths, Flavour.DYNASPEC, f"scene '{clip.scene}' from {clip.first_frame}")
            clips.append(ClipFigures(clip.scene, clip.scene_class, clip.first_frame, figures))
            progress(len(clips))
        return DynaSpecReport(engine.info, system, tuple(clips), benchmark.missing)


def evaluate_kaist(
    data: Path, mask: Path | None, choice: EngineChoice, progress: Progress = lambda _: None
) -> KaistReport:
    """Every KAIST truth in `data` through the engine; `mask` is looked for in the archive where none is given.

    Raises as `evaluate_dynaspec`.
    """
    truths = kaist.open_truths(data)
    calibration = kaist.kaist_calibration(mask or kaist.find_mask(data))
    missing = () if len(truths) == kaist.SCENES else (f"found {len(truths)} scenes, published means are over ten",)
    scenes = []
    with build_engine(choice.specs, choice.name, calibration, choice.options) as engine:
        for scene in truths:
            truth = [scene.frame(0).values]
            cube = reconstruct_clip(engine, calibration, truth)
            figures = {one: _scored(cube, truth, one, f"scene '{scene.name}'") for one in KAIST_FLAVOURS}
            scenes.append(SceneFigures(scene.name, figures))
            progress(len(scenes))
        return KaistReport(engine.info, tuple(scenes), missing)


def reconstruct_clip(engine: Engine, calibration: Calibration, truths: Sequence[Array32]) -> list[Array32]:
    """The cube of every frame of a clip that stands alone, from its noise-free measurements.

    Raises `EngineError` for an engine that gives more or fewer cubes than it got measurements.
    """
    model = sensing_model(calibration)
    measurements = (Measurement(model.forward(truth), calibration.id, index) for index, truth in enumerate(truths))
    return timed_sequence(engine, measurements).cubes


def _scored(cubes: Sequence[Array32], truths: Sequence[Array32], flavour: Flavour, where: str) -> Figures:
    try:
        scores = score_video(cubes, truths, flavour)
    except MetricsError as error:
        raise MetricsError(f"{where}: {error}") from error
    return Figures(scores.psnr_db, scores.ssim, scores.sam_deg)


def _mean(figures: Iterable[Figures]) -> Figures | None:
    rows = [(one.psnr_db, one.ssim, one.sam_deg) for one in figures]
    return Figures(*np.mean(rows, axis=0).tolist()) if rows else None
