"""A first dispersion curve right after each capture, before there is all that a fit needs. No Qt here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import numpy as np

from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture, CaptureKind, Line
from livecassi.calibration.checks import Check
from livecassi.calibration.fitting.curve import CurveFit, fit_curve
from livecassi.calibration.fitting.curve_checks import SIGMA_PX
from livecassi.calibration.fitting.shifts import LineShift, measure_shift

Pair = tuple[str, str]
SEARCH_PX = 6  # around where a line is expected: less than half the period of a mask that repeats itself


@dataclass(frozen=True, slots=True)
class LineFigures:
    """Where one line landed against the shortest of them, in px; `left_out_px` None where too few lines are left."""

    capture_id: str
    line: Line
    shift_px: float
    sigma_px: float
    residual_px: float | None = None
    left_out_px: float | None = None
    left_out_sigma_px: float | None = None

    @property
    def left_out_counted_px(self) -> float | None:
        """What of the distance counts: where it is hardly known, only what goes beyond two of its errors."""
        distance, sigma = self.left_out_px, self.left_out_sigma_px
        if distance is None or sigma is None or sigma <= SIGMA_PX:
            return distance
        return max(0.0, abs(distance) - 2 * sigma)


@dataclass(frozen=True, slots=True)
class QuickCurve:
    """What the lines tell so far. `problems` says of a capture why its shift cannot be measured."""

    lines: tuple[LineFigures, ...] = ()
    fit: CurveFit | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[Pair, LineShift] = field(default_factory=dict)

    @property
    def checks(self) -> tuple[Check, ...]:
        """What is judged of the curve."""
        return self.fit.checks if self.fit is not None else ()

    def of(self, capture_id: str) -> LineFigures | None:
        """The figures of a capture."""
        return next((line for line in self.lines if line.capture_id == capture_id), None)


def quick_curve(
    captures: Sequence[Capture],
    system: System,
    known: Mapping[Pair, LineShift] | None = None,
    cancelled: Event | None = None,
) -> QuickCurve:
    """Shifts of all lines against the first one captured, and the curve through them from two lines on.

    `known`: the `measured` of an earlier call, so that only new lines take time.
    """
    lines = [c for c in captures if c.kind is CaptureKind.LINE and c.line is not None]
    darks = [c for c in captures if c.kind is CaptureKind.DARK]
    if not lines:
        return QuickCurve()
    reference = lines[0]
    measured: dict[Pair, LineShift] = {}
    problems: dict[str, str] = {}
    shown = _above_dark(reference, darks)
    for capture in lines[1:]:
        if cancelled is not None and cancelled.is_set():
            break
        pair = (reference.id, capture.id)
        try:
            found = (known or {}).get(pair) or measure_shift(
                _above_dark(capture, darks), shown, expected=_expected(capture, reference, system), search_px=SEARCH_PX
            )
        except CalibrationInvalidError as error:
            problems[capture.id] = str(error)
        else:
            measured[pair] = found
    return _with_fit(reference, lines, system, measured, problems)


def _with_fit(
    reference: Capture,
    lines: Sequence[Capture],
    system: System,
    measured: Mapping[Pair, LineShift],
    problems: dict[str, str],
) -> QuickCurve:
    direction = system.mask_direction
    found = [(c, measured[reference.id, c.id]) for c in lines if (reference.id, c.id) in measured]
    usual = float(np.median([shift.sigma_px for _, shift in found])) if found else 0.0
    rows = [(reference, 0.0, usual), *((c, direction * shift.dx, shift.sigma_px) for c, shift in found)]
    told = [capture.line or Line(0.0) for capture, _, _ in rows]
    shifts = np.array([shift for _, shift, _ in rows])
    shifts -= shifts[int(np.argmin([line.wavelength_nm for line in told]))]
    fit: CurveFit | None = None
    try:
        fit = fit_curve(told, shifts, [sigma for _, _, sigma in rows])
    except CalibrationInvalidError as error:
        if len(lines) > 1:
            problems.setdefault(lines[-1].id, str(error))
    return QuickCurve(
        tuple(
            LineFigures(
                capture.id,
                line,
                float(shift),
                sigma,
                float(fit.residuals_px[k]) if fit is not None else None,
                fit.left_out_px[k] if fit is not None else None,
                fit.left_out_sigma_px[k] if fit is not None else None,
            )
            for k, ((capture, _, sigma), line, shift) in enumerate(zip(rows, told, shifts, strict=True))
        ),
        fit,
        problems,
        measured,
    )


def _expected(capture: Capture, reference: Capture, system: System) -> tuple[float, float] | None:
    """Where a line should show the mask, for masks that repeat themselves; None where nobody said."""
    told = [c.line.expected_px if c.line is not None else None for c in (capture, reference)]
    if told[0] is None or told[1] is None:
        return None
    return system.mask_direction * (told[0] - told[1]), 0.0


def _above_dark(capture: Capture, darks: Sequence[Capture]) -> Array32:
    same = [dark for dark in darks if dark.shape == capture.shape]
    if not same:
        return capture.mean
    nearest = min(same, key=lambda dark: abs(np.log((dark.exposure_us + 1) / (capture.exposure_us + 1))))
    return np.asarray(capture.mean - nearest.mean, np.float32)
