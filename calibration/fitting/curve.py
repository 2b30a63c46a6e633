"""Fitting the dispersion curve to lines: robust, with covariance, and once more without each line."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.calibration.capture import Line
from livecassi.calibration.checks import Check
from livecassi.calibration.dispersion_curve import Curve, Floats
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.curve_checks import judge_band, judge_curve
from livecassi.calibration.fitting.curve_solving import LinesFitted, different_lines, line_rows, solve

__all__ = ["Curve", "CurveFit", "fit_curve", "judge_band"]

DEFAULT_TERMS = 3  # two terms are off by more than a pixel, four follow the noise
_LEAST_SIGMA_PX = 0.01  # no line is known better than the interpolation of pictures


@dataclass(frozen=True)
class CurveFit:
    """A curve and how the lines lie about it.

    `residuals_px (N,)`: measured minus curve; `left_out_px`: measured minus the curve of the other lines, with
    `left_out_sigma_px` what such a difference may be by chance; None where too few lines are left. `checks`: all that
    can be judged from the lines alone.
    """

    curve: Curve
    residuals_px: Floats
    left_out_px: tuple[float | None, ...]
    left_out_sigma_px: tuple[float | None, ...]
    rms_px: float
    checks: tuple[Check, ...]


def fit_curve(
    lines: Sequence[Line], shifts_px: ArrayLike, sigmas_px: ArrayLike, *, terms: int | None = None
) -> CurveFit:
    """The curve through measured shifts (of each line's centre of mass) with their standard errors.

    `terms` None: three, two for two lines; never more than there are lines. A line's width counts: what a filter of
    10 nm shows is the mean over its profile, which does not land where its centre does. Raises
    `CalibrationInvalidError` for fewer than two different lines.
    """
    shifts, sigmas = np.asarray(shifts_px, np.float64), np.asarray(sigmas_px, np.float64)
    different = different_lines(lines)
    if different < 2 or len(shifts) != len(lines) or len(sigmas) != len(lines):
        raise CalibrationInvalidError(
            f"{different} different lines with {len(shifts)} shifts were given, expected at least 2 lines; capture "
            "more lines, spread over the band"
        )
    count = min(terms or DEFAULT_TERMS, different)
    sigmas = np.hypot(sigmas, _LEAST_SIGMA_PX)
    curve = solve(lines, shifts, sigmas, count)
    residuals = shifts - line_rows(lines, count) @ np.array(curve.coefficients)
    left_out, left_out_sigma = _leave_one_out(lines, shifts, sigmas, count)
    rms = float(np.sqrt(np.mean(residuals**2)))
    fitted = LinesFitted(tuple(lines), shifts, sigmas, curve, tuple(left_out), tuple(left_out_sigma))
    checks = judge_curve(fitted)
    return CurveFit(curve, residuals, tuple(left_out), tuple(left_out_sigma), rms, checks)


def _leave_one_out(
    lines: Sequence[Line], shifts: Floats, sigmas: Floats, terms: int
) -> tuple[list[float | None], list[float | None]]:
    differences: list[float | None] = []
    expected: list[float | None] = []
    for k in range(len(lines)):
        others: NDArray[np.int64] = np.delete(np.arange(len(lines)), k)
        rest = [lines[i] for i in others]
        if different_lines(rest) < terms:
            differences.append(None)
            expected.append(None)
            continue
        curve = solve(rest, shifts[others], sigmas[others], terms)
        row = line_rows([lines[k]], terms)[0]
        differences.append(float(shifts[k] - row @ np.array(curve.coefficients)))
        expected.append(float(np.sqrt(row @ np.array(curve.covariance) @ row + sigmas[k] ** 2)))
    return differences, expected
