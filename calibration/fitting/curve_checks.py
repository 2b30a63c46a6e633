"""What can be wrong with a dispersion curve, in an operator's words."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.calibration.capture import Line
from livecassi.calibration.checks import Check
from livecassi.calibration.dispersion_curve import Curve
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.curve_solving import LinesFitted, different_lines, line_rows, solve

LEFT_OUT_PX = 0.2
LEFT_OUT_FAILS_PX = 0.5
SIGMA_PX = 0.1
SIGMA_FAILS_PX = 0.25
BLUE_GAP_NM = 8.0
RED_GAP_NM = 30.0
DISPERSED_PX = 1.0  # a bench that disperses less has none


def judge_curve(fitted: LinesFitted) -> tuple[Check, ...]:
    """Enough lines, in the right order, steepest in the blue, and each where the others put it."""
    checks = [_enough(fitted), _order(fitted), _least_slope(fitted.curve)]
    if fitted.curve.terms >= 3:
        checks.append(_steepness(fitted.curve))
    if len(fitted.lines) > fitted.curve.terms:
        checks.append(_left_out(fitted))
    return tuple(checks)


def judge_band(curve: Curve, wavelengths_nm: ArrayLike) -> tuple[Check, ...]:
    """Whether the curve is known well enough at the bands, and whether lines lie about them."""
    bands = np.sort(np.asarray(wavelengths_nm, np.float64).ravel())
    sigmas = curve.sigma_px(bands)
    worst = int(np.argmax(sigmas))
    blue = f"the band begins at {bands[0]:.0f} nm, the first line is {curve.range_nm[0]:g} nm"
    red = f"the band ends at {bands[-1]:.0f} nm, the last line is {curve.range_nm[1]:g} nm"
    return (
        Check(
            name="uncertainty of the dispersion curve",
            value=float(sigmas[worst]),
            unit="px",
            limit=SIGMA_PX,
            fail_limit=SIGMA_FAILS_PX,
            advice=f"it is highest at {bands[worst]:.0f} nm; capture another line near that wavelength",
        ),
        Check(
            name="band below the first line",
            value=max(0.0, curve.range_nm[0] - float(bands[0])),
            unit="nm",
            limit=BLUE_GAP_NM,
            fail_limit=100.0,
            advice=f"missing blue line: {blue}, so the curve is extrapolated with an uncertainty of "
            f"{sigmas[0]:.2f} px there; capture a line near {bands[0]:.0f} nm",
        ),
        Check(
            name="band above the last line",
            value=max(0.0, float(bands[-1]) - curve.range_nm[1]),
            unit="nm",
            limit=RED_GAP_NM,
            fail_limit=200.0,
            advice=f"{red}, so the curve is extrapolated with an uncertainty of {sigmas[-1]:.2f} px there; "
            f"capture a line near {bands[-1]:.0f} nm",
        ),
    )


def _enough(fitted: LinesFitted) -> Check:
    different, terms = different_lines(fitted.lines), fitted.curve.terms
    advice = f"{terms} terms go through {different} lines exactly, no line is left to check the curve; capture another"
    if terms < 3:
        advice = (
            "a curve of two terms may be off by more than 1 px between its lines; capture at least 3, better 7 lines"
        )
    return Check(
        name="lines beyond what the curve of 3 terms needs",
        value=float(different - 3 if terms < 3 else different - terms),
        unit="",
        limit=1,
        fail_limit=-1,
        higher_is_better=True,
        advice=advice,
    )


def _order(fitted: LinesFitted) -> Check:
    """Shifts must grow with the wavelength."""
    order = np.argsort([line.wavelength_nm for line in fitted.lines])
    shifts = fitted.shifts_px[order]
    slack = 3 * np.hypot(fitted.sigmas_px[order][1:], fitted.sigmas_px[order][:-1])
    falling = np.flatnonzero(np.diff(shifts) < -slack)
    advice = ""
    if len(falling) and shifts[-1] < shifts[0]:
        advice = (
            "shifts fall with the wavelength: lines are swapped or the dispersion runs the other way; "
            "flip the camera's columns or exchange the names of the lines"
        )
    elif len(falling):
        first, second = (fitted.lines[order[falling[0] + k]] for k in (0, 1))
        advice = (
            f"the lines given as {first.title} and {second.title} stand in the wrong order "
            f"({shifts[falling[0]]:.1f} and {shifts[falling[0] + 1]:.1f} px): were they swapped?"
        )
    return Check(
        name="neighbouring lines whose shift falls with the wavelength",
        value=len(falling),
        unit="",
        limit=0,
        fail_limit=0,
        advice=advice,
    )


def _least_slope(curve: Curve) -> Check:
    """Along the curve's own direction: whether it turns between its lines."""
    wavelengths = np.arange(curve.range_nm[0], curve.range_nm[1] + 0.5, 0.5)
    direction = np.sign(float(np.diff(curve.shift_px(curve.range_nm))[0])) or 1.0
    slopes = direction * curve.slope_px_per_nm(wavelengths)
    spread = float(np.ptp(curve.shift_px(wavelengths)))
    worst = int(np.argmin(slopes))
    return Check(
        name="least slope of the dispersion curve",
        value=float(slopes[worst]),
        unit="px/nm",
        limit=0,
        fail_limit=0,
        higher_is_better=True,
        advice=f"all lines lie within {spread:.1f} px of each other: is the disperser in?"
        if spread < DISPERSED_PX
        else f"the curve turns near {wavelengths[worst]:.0f} nm, expected one that only rises: a line was entered "
        "wrongly or matched at a wrong place",
    )


def _steepness(curve: Curve) -> Check:
    blue, red = np.abs(curve.slope_px_per_nm(curve.range_nm))
    return Check(
        name="slope at the first line over that at the last",
        value=float(blue / max(red, 1e-9)),
        unit="",
        limit=1.0,
        fail_limit=0.8,
        higher_is_better=True,
        advice=f"the curve has {blue:.3f} px/nm at {curve.range_nm[0]:g} nm and {red:.3f} at {curve.range_nm[1]:g} nm, "
        "but a prism disperses blue light most: lines are swapped or the dispersion runs the other way; exchange the "
        "names of the lines or flip the camera's columns",
    )


def _left_out(fitted: LinesFitted) -> Check:
    """The line farthest from the curve of the others; where these hardly reach it, beyond twice their error."""
    distances = np.array([abs(d) if d is not None else 0.0 for d in fitted.left_out_px])
    errors = np.array([e if e is not None else np.inf for e in fitted.left_out_sigma_px])
    counted = np.where(errors <= SIGMA_PX, distances, np.maximum(0, distances - 2 * errors))
    suspect, certain = _suspect(fitted, int(np.argmax(counted)))
    return Check(
        name="farthest line from the curve of the others",
        value=float(counted.max()),
        unit="px",
        limit=LEFT_OUT_PX,
        fail_limit=LEFT_OUT_FAILS_PX,
        advice=_words(fitted, suspect, certain=certain),
    )


def _suspect(fitted: LinesFitted, otherwise: int) -> tuple[int, bool]:
    """The line without which all others agree best, and whether they agree far better than without any other."""
    count = len(fitted.lines)
    terms = min(fitted.curve.terms, count - 2)  # one line more than terms must be left to disagree
    if terms < 2:
        return otherwise, False
    misfits = np.array([_misfit(_without(fitted, k), terms) for k in range(count)])
    best, second = np.argsort(misfits)[:2]
    return int(best), bool(misfits[best] < 0.4 * misfits[second])


def _without(fitted: LinesFitted, k: int) -> LinesFitted:
    others: NDArray[np.int64] = np.delete(np.arange(len(fitted.lines)), k)
    return replace(
        fitted,
        lines=tuple(fitted.lines[i] for i in others),
        shifts_px=fitted.shifts_px[others],
        sigmas_px=fitted.sigmas_px[others],
    )


def _misfit(fitted: LinesFitted, terms: int) -> float:
    curve = solve(fitted.lines, fitted.shifts_px, fitted.sigmas_px, terms)
    left = fitted.shifts_px - line_rows(fitted.lines, terms) @ np.array(curve.coefficients)
    return float(np.sqrt(np.mean(left**2))) + 0.01


def _words(fitted: LinesFitted, k: int, *, certain: bool) -> str:
    line: Line = fitted.lines[k]
    rest = _without(fitted, k)
    curve = solve(rest.lines, rest.shifts_px, rest.sigmas_px, min(fitted.curve.terms, different_lines(rest.lines)))
    try:
        others = f"{float(curve.wavelength_nm(fitted.shifts_px[k])):.1f} nm"
    except CalibrationInvalidError:
        others = "no wavelength"
    told = f"the line given as {line.title} lies where the others put {others}: was it entered wrongly?"
    return told if certain else f"{told} Or one of the others was: measure each line with the spectrometer"
