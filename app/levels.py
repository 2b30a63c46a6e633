"""Levels: which values become black and white on the screen."""

import math
import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.7
SAMPLES_PER_SIDE = 128  # a picture is thinned to about this many rows and columns before it is sorted
INTERVAL_S = 0.2
TIME_CONSTANT_S = 0.6


class Levels(NamedTuple):
    """The values shown as black and as white."""

    low: float
    high: float


def thinned(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """Every n-th row and column of `(..., H, W)`, without copying."""
    height, width = picture.shape[-2:]
    return picture[..., :: max(1, height // SAMPLES_PER_SIDE), :: max(1, width // SAMPLES_PER_SIDE)]


def robust_levels(picture: NDArray[np.generic]) -> Levels:
    """Percentiles of the finite values of a picture `(H, W)`; never an empty range."""
    sample = np.asarray(thinned(picture), np.float32)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return Levels(0.0, 1.0)
    low, high = (float(v) for v in np.percentile(sample, (LOW_PERCENTILE, HIGH_PERCENTILE)))
    return Levels(low, high if high > low else low + max(abs(low), 1.0) * 1e-3)


class AutoLevels:
    """Levels that follow a video calmly: measured five times a second, approached with a time constant.

    Another `key` (another view, band or source) jumps to its own levels at once. Used from one thread.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._key: Hashable = None
        self._measured_ns = 0
        self._levels: Levels | None = None

    def follow(self, key: Hashable, measure: Callable[[], Levels]) -> Levels:
        """The levels now; `measure` is called only where it is time to look again."""
        now = self._clock_ns()
        if self._levels is None or key != self._key:
            self._levels = measure()
        else:
            passed_s = (now - self._measured_ns) / 1e9
            if passed_s < INTERVAL_S:
                return self._levels
            share = 1.0 - math.exp(-passed_s / TIME_CONSTANT_S)
            wanted = measure()
            self._levels = Levels(
                self._levels.low + share * (wanted.low - self._levels.low),
                self._levels.high + share * (wanted.high - self._levels.high),
            )
        self._key, self._measured_ns = key, now
        return self._levels
