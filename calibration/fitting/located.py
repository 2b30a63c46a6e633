"""Where every line of a fit shows the mask, and the dispersion curve through them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import Line
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.curve import CurveFit, fit_curve
from livecassi.calibration.fitting.line_kernel import Kernel, line_kernel
from livecassi.calibration.fitting.shifts import LineShift, measure_shift

AGAIN_PX = 6  # search about the first result, once the smear of a line is known


@dataclass(frozen=True)
class Located:
    """The lines and where they lie: `shifts` as measured in the picture, `curve_fit` in the sense of dispersion_px.

    `across_px`: mean displacement of all lines across the dispersion, against the reference picture.
    `against_mask`: the reference is the picture without disperser; else it is one of the lines.
    """

    lines: tuple[Line, ...]
    shifts: tuple[LineShift, ...]
    curve_fit: CurveFit
    across_px: float
    against_mask: bool


def locate_lines(
    lines: Sequence[Line],
    pictures: Sequence[Array32],
    mask_picture: Array32 | None,
    system: System,
    terms: int | None,
    doubts_nm: Sequence[float],
) -> Located:
    """Measure every line against the mask without disperser, else against the line that the disperser smears least.

    Twice where lines have a width: the second time with the smear that the curve of the first time gives them.
    `doubts_nm`: standard error of each line's wavelength, by which it counts less.
    Raises `CalibrationInvalidError` that names the line which matches nowhere.
    """
    reference_line = None if mask_picture is not None else _least_smeared(lines)
    reference = pictures[reference_line] if reference_line is not None else mask_picture
    if reference is None:
        raise CalibrationInvalidError("there is no line to locate; capture at least two")
    expected = [_expected(line, lines, reference_line, system) for line in lines]
    kernels: list[Kernel | None] = [None] * len(lines)
    for _ in range(2 if mask_picture is not None and any(line.fwhm_nm for line in lines) else 1):
        shifts = [
            _measure(line, picture, reference, about, kernel)
            for line, picture, about, kernel in zip(lines, pictures, expected, kernels, strict=True)
        ]
        along = [system.mask_direction * shift.dx for shift in shifts]
        fit = _fitted(lines, along, [shift.sigma_px for shift in shifts], doubts_nm, terms)
        expected = [(shift.dx, shift.dy) for shift in shifts]
        kernels = [_smear(fit, line, system) for line in lines]
    across = float(np.median([shift.dy for shift in shifts]))
    return Located(tuple(lines), tuple(shifts), fit, across, mask_picture is not None)


def _fitted(
    lines: Sequence[Line],
    along: Sequence[float],
    sigmas: Sequence[float],
    doubts_nm: Sequence[float],
    terms: int | None,
) -> CurveFit:
    """The curve, with doubts of the wavelengths turned into doubts of the shifts by the curve's own slope."""
    first = fit_curve(lines, along, sigmas, terms=terms)
    if not any(doubts_nm):
        return first
    slopes = np.abs(first.curve.slope_px_per_nm([line.wavelength_nm for line in lines]))
    return fit_curve(lines, along, np.hypot(sigmas, slopes * np.array(doubts_nm)), terms=terms)


def _least_smeared(lines: Sequence[Line]) -> int:
    """A laser or the reddest line: dispersion falls with the wavelength."""
    smears = [line.fwhm_nm / line.wavelength_nm**3 for line in lines]
    return min(range(len(lines)), key=lambda k: (smears[k], -lines[k].wavelength_nm))


def _expected(
    line: Line, lines: Sequence[Line], reference_line: int | None, system: System
) -> tuple[float, float] | None:
    zero = 0.0 if reference_line is None else lines[reference_line].expected_px
    if line.expected_px is None or zero is None:
        return None
    return system.mask_direction * (line.expected_px - zero), 0.0


def _measure(
    line: Line, picture: Array32, reference: Array32, about: tuple[float, float] | None, kernel: Kernel | None
) -> LineShift:
    try:
        return measure_shift(picture, reference, expected=about, search_px=AGAIN_PX, kernel=kernel)
    except CalibrationInvalidError as error:
        raise CalibrationInvalidError(f"line {line.title}: {error}") from error


def _smear(fit: CurveFit, line: Line, system: System) -> Kernel | None:
    if not line.fwhm_nm:
        return None
    kernel = line_kernel(fit.curve, line)
    return kernel if system.mask_direction > 0 else kernel.mirrored()
