"""The benchmark of `gap-tv`: quality and speed under the scoring protocol, next to a plain implementation."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from livecassi.app.engine_list import engine_specs
from livecassi.app.scoring_material import Material
from livecassi.app.timed_runs import best_of_two, timed_sequence, timed_still
from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.engines import Engine, build_engine
from livecassi.engines.gap_tv.plain import plain_gap_tv
from livecassi.engines.metrics import score
from livecassi.engines.protocol import Scene, add_noise, moving_path, protocol_calibration

log = logging.getLogger(__name__)

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StillScore:
    """One cold cube of one scene. `method` is gap-tv or plain."""

    method: str
    system: str
    noisy: bool
    scene: str
    psnr_db: float
    ssim: float
    sam_deg: float
    seconds: float


@dataclass(frozen=True, slots=True)
class MovingScore:
    """The frames after the first of a moving scene, each warm-started from the one before."""

    system: str
    noisy: bool
    scene: str
    psnr_db: float
    cold_psnr_db: float
    cubes_per_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found. `data` says where scenes and masks came from."""

    data: str
    start_seconds: float
    runtime: str
    stills: list[StillScore] = field(default_factory=list)
    moving: list[MovingScore] = field(default_factory=list)


def run_benchmark(material: Material, iterations: int, with_plain: bool) -> Report:
    """Every scene through both systems, still and moving, with and without noise."""
    calibrations = {system: protocol_calibration(system, mask) for system, mask in material.masks.items()}
    begun = perf_counter()
    with _engine(calibrations[System.DD_CASSI]) as first:
        runtime = first.info.runtime
    report = Report(material.source, perf_counter() - begun, runtime)
    for name, load in material.scenes.items():
        scene = load()
        for calibration in calibrations.values():
            log.info("%s under %s", name, calibration.system)
            report.stills.extend(_stills(scene, calibration, iterations, with_plain))
            report.moving.extend(_moving(scene, calibration, noisy) for noisy in (False, True))
    return report


def _engine(calibration: Calibration, **options: str) -> Engine:
    return build_engine(engine_specs(), "gap-tv", calibration, options)


def _stills(scene: Scene, calibration: Calibration, iterations: int, with_plain: bool) -> Iterator[StillScore]:
    truth = scene.bands(calibration.wavelengths_nm)
    clean = sensing_model(calibration).forward(truth)
    with _engine(calibration, iterations=str(iterations), live="off") as engine:
        for noisy, values in ((False, clean), (True, add_noise(clean))):
            run = best_of_two(engine, Measurement(values, calibration.id))
            yield _still("gap-tv", calibration, noisy, scene.name, run.values, truth, run.seconds)
    if with_plain:
        begun = perf_counter()
        cube = plain_gap_tv(calibration, clean, iterations)
        yield _still("plain", calibration, False, scene.name, cube, truth, perf_counter() - begun)


def _still(
    method: str, calibration: Calibration, noisy: bool, scene: str, cube: Array32, truth: Array32, seconds: float
) -> StillScore:
    found = score(cube, truth)
    return StillScore(method, str(calibration.system), noisy, scene, found.psnr_db, found.ssim, found.sam_deg, seconds)


def _moving(scene: Scene, calibration: Calibration, noisy: bool) -> MovingScore:
    model = sensing_model(calibration)
    truths = [scene.bands(calibration.wavelengths_nm, shift) for shift in moving_path()]
    frames = [
        Measurement(add_noise(values, index) if noisy else values, calibration.id, index)
        for index, values in enumerate(map(model.forward, truths))
    ]
    with _engine(calibration) as live, _engine(calibration, live="off") as alone:
        warm = timed_sequence(live, frames)
        cold = [score(timed_still(alone, frames[at]).values, truths[at]).psnr_db for at in range(3, len(frames), 3)]
    followed = [score(cube, truth).psnr_db for cube, truth in zip(warm.cubes[1:], truths[1:], strict=True)]
    return MovingScore(
        str(calibration.system),
        noisy,
        scene.name,
        float(np.mean(followed)),
        float(np.mean(cold)),
        1.0 / warm.seconds_per_frame,
    )
