"""A robust fit of a constant and a few slow changes over the field, through what tiles measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from livecassi.calibration.fitting.robust import robust_sigma

_SPARE_TILES = 3  # a term is fitted where so many more tiles than terms are there
_LEAST_SPREAD = 0.15  # of a term over the tiles, else it is not told from the constant

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FieldFit:
    """`constant + Σ terms · changes`, their standard errors (0 of terms that were not fitted), and residuals.

    NaN where nothing was measured.
    """

    constant: float
    terms: tuple[float, ...]
    sigma: float
    term_sigmas: tuple[float, ...]
    residuals: Floats


def fit_field(measured: Floats, changes: Sequence[Floats]) -> FieldFit:
    """Robust least squares (soft L1) over the tiles that are not NaN; terms that these cannot tell are 0."""
    there = np.isfinite(measured)
    values = measured[there]
    columns = [change[there] for change in changes]
    fitted: list[int] = []
    for k, column in enumerate(columns):
        if len(values) >= 2 + len(fitted) + _SPARE_TILES and column.std() > _LEAST_SPREAD:
            fitted.append(k)
    design = np.column_stack([np.ones(len(values)), *(columns[k] for k in fitted)])
    first = np.linalg.lstsq(design, values, rcond=None)[0]
    first[0] += np.median(values - design @ first)
    spread = max(robust_sigma(values - design @ first), 1e-3)

    def left(parameters: Floats) -> Floats:
        return np.asarray((design @ parameters - values) / spread)

    solved = least_squares(left, first, loss="soft_l1", f_scale=2.0)
    residuals = np.full(measured.shape, np.nan)
    residuals[there] = values - design @ solved.x
    scatter = max(robust_sigma(residuals[there]), 1e-3)
    covariance = np.linalg.pinv(design.T @ design) * scatter**2
    terms = np.zeros(len(changes))
    terms[fitted] = solved.x[1:]
    errors = np.sqrt(np.diag(covariance))
    term_errors = np.zeros(len(changes))
    term_errors[fitted] = errors[1:]
    return FieldFit(
        float(solved.x[0]), tuple(map(float, terms)), float(errors[0]), tuple(map(float, term_errors)), residuals
    )
