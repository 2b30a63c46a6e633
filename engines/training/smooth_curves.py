"""Random smooth curves over wavelength, for whatever varies slowly from band to band."""

import numpy as np
from numpy.typing import NDArray

KNOT_NM = 75.0  # between the places where a curve is drawn freely


def smooth_curve(random: np.random.Generator, wavelengths_nm: NDArray[np.floating]) -> NDArray[np.float64]:
    """A curve `(C,)` between -1 and 1, smooth over about 75 nm; where it lies is drawn too."""
    wanted = np.asarray(wavelengths_nm, np.float64)
    knots = int(np.ptp(wanted) / KNOT_NM) + 4
    places = wanted.min() + KNOT_NM * (np.arange(knots) - 1 - random.random())
    heights = random.uniform(-1, 1, knots)
    closeness = np.exp(-0.5 * ((wanted[:, None] - places) / (0.6 * KNOT_NM)) ** 2)
    curve: NDArray[np.float64] = closeness @ heights / closeness.sum(axis=1)
    return curve
