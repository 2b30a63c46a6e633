"""Spread that outliers hardly change."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGMAS_PER_MEDIAN = 1.4826  # of a normal distribution: standard deviation over the median of the distances from 0


def robust_sigma(deviations: NDArray[np.floating[Any]]) -> float:
    """The standard deviation about 0, told from the median of the distances."""
    return SIGMAS_PER_MEDIAN * float(np.median(np.abs(deviations)))
