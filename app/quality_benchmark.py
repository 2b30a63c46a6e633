"""The scoreboard: every engine that runs here on the same validation scenes, masks and noise, still and moving.

An engine is built with its usual options and told to forget what it saw before every measurement that stands alone, so
that `livecassi reconstruct` gives the same cube. The frames of a moving scene are given to it in their order.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livecassi.app.engine_choice import why_not
from livecassi.app.quality_figures import YARDSTICK, LeftOut, Report, Row, SceneFigures, used_weights
from livecassi.app.scoring_material import Material
from livecassi.app.timed_runs import TimedStill, best_of_two, load_average, timed_sequence, timed_still
from livecassi.app.weight_places import WeightsFile
from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.drivers import LivecassiError
from livecassi.engines import Engine, EngineSpec, build_engine
from livecassi.engines.gap_tv.plain import plain_gap_tv
from livecassi.engines.metrics import Scores, score, score_video
from livecassi.engines.protocol import add_noise, moving_path, protocol_calibration
from livecassi.engines.runtimes.processor import usable_cores
from livecassi.engines.st_rred import st_rred

log = logging.getLogger(__name__)

Array32 = NDArray[np.float32]
Progress = Callable[[int], object]

YARDSTICK_ITERATIONS = 80


class Shown(Protocol):
    """A scene as the protocol shows it to a bench, see `livecassi.engines.protocol.Scene`."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def bands(self, wavelengths_nm: NDArray[np.floating], shift_px: tuple[float, float] = (0.0, 0.0)) -> Array32:
        """The truth `(C, H, W)`, seen from (rows, columns) beside the centre."""
        ...


@dataclass(frozen=True, slots=True)
class Contest:
    """What is scored on what: engines by name, a bench per system, scenes, and the files of weights that are here.

    `iterations` are those of the yardstick, 0 for none of it; `moving` whether moving scenes count too. `source` and
    `drawn` as in `Material`.
    """

    specs: Mapping[str, EngineSpec]
    benches: Sequence[Calibration]
    scenes: Sequence[Shown]
    weights: Sequence[WeightsFile] = ()
    iterations: int = YARDSTICK_ITERATIONS
    moving: bool = True
    source: str = ""
    drawn: str = ""

    @property
    def steps(self) -> int:
        """How many scenes are scored, counted anew for every engine and bench."""
        return len(self.benches) * (len(self.specs) + (self.iterations > 0)) * len(self.scenes)


def protocol_contest(
    material: Material,
    specs: Mapping[str, EngineSpec],
    systems: Iterable[System],
    weights: Sequence[WeightsFile],
    *,
    iterations: int = YARDSTICK_ITERATIONS,
    moving: bool = True,
) -> Contest:
    """The contest by the scoring protocol, with the scenes of `material` loaded. Raises `ProtocolError`."""
    benches = [protocol_calibration(system, material.masks[system]) for system in systems]
    scenes = [load() for load in material.scenes.values()]
    return Contest(specs, benches, scenes, weights, iterations, moving, material.source, material.drawn)


def run_contest(contest: Contest, progress: Progress = lambda _: None) -> Report:
    """Score everything that can be scored; `progress` is told how many of `contest.steps` are done.

    What an engine lacks, or refuses on the way, is a reason to leave it out and no error.
    """
    load_before = load_average()
    found: list[Row | LeftOut] = []
    for calibration in contest.benches:
        attempts: list[Callable[[Progress], Row | LeftOut]] = []
        if contest.iterations:
            attempts.append(partial(_yardstick, contest, calibration))
        attempts += [partial(_engine, contest, spec, calibration) for spec in contest.specs.values()]
        for attempt in attempts:
            before = len(found) * len(contest.scenes)
            found.append(attempt(partial(_advance, progress, before)))
            progress(before + len(contest.scenes))
    return Report(
        contest.source,
        contest.drawn,
        tuple(scene.name for scene in contest.scenes),
        tuple(one for one in found if isinstance(one, Row)),
        tuple(one for one in found if isinstance(one, LeftOut)),
        usable_cores(),
        load_before,
        load_average(),
    )


def _advance(progress: Progress, before: int, scenes: int) -> None:
    progress(before + scenes)


def _engine(contest: Contest, spec: EngineSpec, calibration: Calibration, advance: Progress) -> Row | LeftOut:
    try:
        reason = why_not(spec, calibration)
        return LeftOut(spec.name, calibration.system, reason) if reason else _row(contest, spec, calibration, advance)
    except LivecassiError as error:
        return LeftOut(spec.name, calibration.system, str(error))


def _row(contest: Contest, spec: EngineSpec, calibration: Calibration, advance: Progress) -> Row:
    found: list[SceneFigures] = []
    with build_engine(contest.specs, spec.name, calibration) as engine:
        for done, scene in enumerate(contest.scenes, 1):
            log.info("%s on %s: %s", spec.name, calibration.system, scene.name)
            found.extend(_stills(partial(_cube, engine, calibration), scene, calibration))
            if contest.moving:
                found.extend(_moving(engine, scene, calibration))
            advance(done)
        info = engine.info
    weights = used_weights(info, calibration.system, contest.weights)
    return Row(spec.name, calibration.system, calibration.bands, info.runtime, info.options, weights, tuple(found))


def _yardstick(contest: Contest, calibration: Calibration, advance: Progress) -> Row:
    found: list[SceneFigures] = []
    make = partial(_plain_cube, calibration, contest.iterations)
    for done, scene in enumerate(contest.scenes, 1):
        found.extend(_stills(make, scene, calibration))
        advance(done)
    options = (("iterations", str(contest.iterations)),)
    return Row(YARDSTICK, calibration.system, calibration.bands, "numpy", options, None, tuple(found))


def _cube(engine: Engine, calibration: Calibration, values: Array32, timed: bool) -> TimedStill:
    return (best_of_two if timed else timed_still)(engine, Measurement(values, calibration.id))


def _plain_cube(calibration: Calibration, iterations: int, values: Array32, timed: bool) -> TimedStill:
    def once() -> TimedStill:
        begun = perf_counter()
        return TimedStill(plain_gap_tv(calibration, values, iterations), perf_counter() - begun)

    return min((once() for _ in range(2 if timed else 1)), key=lambda run: run.seconds)


def _stills(
    make: Callable[[Array32, bool], TimedStill], scene: Shown, calibration: Calibration
) -> Iterator[SceneFigures]:
    """Noise-free, where the time is taken as the better of two, then with noise."""
    truth = scene.bands(calibration.wavelengths_nm)
    clean = sensing_model(calibration).forward(truth)
    for noisy, values in ((False, clean), (True, add_noise(clean))):
        run = make(values, not noisy)
        found = score(run.values, truth)
        yield _figures(scene, found, moving=False, noisy=noisy, seconds=None if noisy else run.seconds)


def _moving(engine: Engine, scene: Shown, calibration: Calibration) -> Iterator[SceneFigures]:
    """The scene as the moving path shows it, noise-free, then with noise of its own in every frame."""
    model = sensing_model(calibration)
    truths = [scene.bands(calibration.wavelengths_nm, shift) for shift in moving_path()]
    clean = [model.forward(truth) for truth in truths]
    for noisy in (False, True):
        run = timed_sequence(
            engine,
            (
                Measurement(add_noise(values, index) if noisy else values, calibration.id, index)
                for index, values in enumerate(clean)
            ),
        )
        found = score_video(run.cubes, truths)
        motion = st_rred(run.cubes, truths).product
        yield _figures(scene, found, moving=True, noisy=noisy, seconds=run.seconds_per_frame, motion=motion)


def _figures(
    scene: Shown, found: Scores, *, moving: bool, noisy: bool, seconds: float | None, motion: float | None = None
) -> SceneFigures:
    return SceneFigures(scene.name, moving, noisy, found.psnr_db, found.ssim, found.sam_deg, motion, seconds)
