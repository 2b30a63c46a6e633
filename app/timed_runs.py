"""An engine at work with the clock running: the cube of a measurement that stands alone, the cubes of a sequence."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from livecassi.app.reconstruction import cubes_in_order
from livecassi.calibration import Measurement
from livecassi.engines import Cube, Engine, EngineError, EngineInfo

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TimedStill:
    """The cube `(C, H, W)` of one measurement, and how long it took."""

    values: Array32
    seconds: float


@dataclass(frozen=True, slots=True)
class TimedSequence:
    """The cube of every frame of a sequence, and how long one took once the engine was warm."""

    cubes: list[Array32]
    seconds_per_frame: float


def timed_still(engine: Engine, measurement: Measurement) -> TimedStill:
    """Reconstruct a measurement that stands alone, as `livecassi reconstruct` does: nothing before it counts.

    Raises `EngineError` as the engine, and where it gives no cube.
    """
    engine.reset()
    begun = perf_counter()
    (cube,) = cubes_in_order(engine, (measurement,))
    return TimedStill(cube.values, perf_counter() - begun)


def best_of_two(engine: Engine, measurement: Measurement) -> TimedStill:
    """The faster of two stills, which are the same cube: other programs make a run slower, never faster."""
    return min((timed_still(engine, measurement) for _ in range(2)), key=lambda run: run.seconds)


def timed_sequence(engine: Engine, measurements: Iterable[Measurement]) -> TimedSequence:
    """Reconstruct frames that belong together, from a cold start; what comes late is waited for.

    Making the next measurement is not timed. Raises `EngineError` as the engine, and where it gives more or fewer cubes
    than it got measurements, or in another order.
    """
    engine.reset()
    due: list[Cube | None] = []
    wanted: list[int] = []
    seconds: list[float] = []
    for measurement in measurements:
        wanted.append(measurement.frame_index)
        begun = perf_counter()
        due.append(engine.reconstruct(measurement))
        seconds.append(perf_counter() - begun)
    cubes = [cube for cube in due if cube is not None] + engine.flush()
    if [cube.frame_index for cube in cubes] != wanted:
        raise EngineError(
            f"engine '{engine.info.name}' gave {len(cubes)} cubes for a clip of {len(wanted)} measurements, expected "
            "one each in their order; please report this defect"
        )
    return TimedSequence([cube.values for cube in cubes], _warm(seconds, engine.info))


def load_average() -> float | None:
    """How many programs wanted a core, averaged over the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _warm(seconds: Sequence[float], info: EngineInfo) -> float:
    """The median over passes of `info.hop` frames after the first pass, per frame; over all frames where none is."""
    rest = seconds[info.latency + 1 :]
    passes = [sum(rest[at : at + info.hop]) for at in range(0, len(rest) - info.hop + 1, info.hop)]
    return median(passes) / info.hop if passes else sum(seconds) / max(len(seconds), 1)
