"""Passes of several candidates in turn, so that what slows the machine slows them all."""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

from livecassi.engines.errors import EngineError

Key = TypeVar("Key", bound=Hashable)

TURN_SECONDS = 0.25  # a turn has as many passes as fit, one at least
MOST_PASSES = 25  # in one turn


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds of one pass, by the clock and of all threads of the process together."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Laps:
    """Seconds of the passes of one candidate: median, extremes, and the median distance to the median."""

    passes: int
    median_s: float
    best_s: float
    worst_s: float
    spread_s: float
    cpu_s: float

    @classmethod
    def of(cls, passes: list[Pass]) -> "Laps":
        """The figures of one pass or more."""
        walls = [one.wall_s for one in passes]
        middle = median(walls)
        spread = median(abs(wall - middle) for wall in walls)
        return cls(len(walls), middle, min(walls), max(walls), spread, median(one.cpu_s for one in passes))


@dataclass(frozen=True, slots=True)
class Turns(Generic[Key]):
    """The laps of those that came through, and what stopped the others."""

    laps: dict[Key, Laps]
    stopped: dict[Key, EngineError]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds by the clock, and of CPU."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


def in_turns(
    works: Mapping[Key, Callable[[], object]], rounds: int, clocks: Clocks = Clocks(), turn_s: float = TURN_SECONDS
) -> Turns[Key]:
    """Every work once unseen, then all of them in turn, `rounds` times; one that raises `EngineError` is left out."""
    stopped: dict[Key, EngineError] = {}
    counts: dict[Key, int] = {}
    found: dict[Key, list[Pass]] = {key: [] for key in works}
    for turn in range(rounds + 1):
        for key, work in works.items():
            if key in stopped:
                continue
            try:
                timed = [_timed(work, clocks) for _ in range(counts.get(key, 1))]
            except EngineError as error:
                stopped[key] = error
                continue
            if turn == 0:
                counts[key] = max(1, min(MOST_PASSES, int(turn_s / max(timed[0].wall_s, 1e-6))))
            else:
                found[key] += timed
    return Turns({key: Laps.of(passes) for key, passes in found.items() if key not in stopped}, stopped)


def _timed(work: Callable[[], object], clocks: Clocks) -> Pass:
    cpu, wall = clocks.cpu(), clocks.wall()
    work()
    return Pass(clocks.wall() - wall, clocks.cpu() - cpu)
