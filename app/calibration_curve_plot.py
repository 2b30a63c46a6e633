"""The dispersion curve of a calibration as pictures: shift over wavelength, and the lines against the curve."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecassi.app.calibration_look import AMBER, BLUE, INK, QUIET, RED, open_axes
from livecassi.calibration import Calibration
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.record import CalibrationRecord, CurveEntry, LineEntry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEYOND_NM = 15.0  # how far beyond lines and bands the curve is drawn


def draw_curve(axes: "Axes", calibration: Calibration) -> None:
    """Shift over wavelength: the curve, its 2-sigma band, the lines, the bands; dashed where it is extrapolated."""
    record = calibration.header.record
    if record is not None and record.curve is not None:
        curve = record.curve
        nm = _drawn_range(calibration, curve)
        shift, sigma = _shift(curve, nm), _sigma(curve, nm)
        inside = (nm >= curve.range_nm[0]) & (nm <= curve.range_nm[1])
        axes.fill_between(nm, shift - 2 * sigma, shift + 2 * sigma, color=BLUE, alpha=0.15, lw=0, label="±2 σ")
        axes.plot(nm, shift, color=BLUE, lw=0.9, ls=(0, (4, 3)), label="extrapolated")
        axes.plot(np.where(inside, nm, np.nan), shift, color=BLUE, lw=1.4, label="curve")
        fitted, left = _sorted_lines(record)
        axes.plot(*_places(fitted), "o", ms=5, mfc="white", mec=RED, mew=1.3, label="line")
        if left:
            axes.plot(*_places(left), "s", ms=5, mfc="white", mec=AMBER, mew=1.3, label="line, not in the fit")
    axes.plot(calibration.wavelengths_nm, calibration.dispersion_px, ".", ms=3, color=INK, label="band")
    axes.set_title("Dispersion")
    axes.set_ylabel("shift, px")
    axes.legend(loc="upper left", fontsize=7.5)
    open_axes(axes)


def draw_curve_residuals(axes: "Axes", calibration: Calibration) -> None:
    """The lines against the curve in px, and the 1- and 2-sigma band of the curve itself."""
    record = calibration.header.record
    assert record is not None
    assert record.curve is not None
    curve = record.curve
    nm = _drawn_range(calibration, curve)
    sigma = _sigma(curve, nm)
    axes.fill_between(nm, -2 * sigma, 2 * sigma, color=BLUE, alpha=0.15, lw=0, label="±2 σ")
    axes.fill_between(nm, -sigma, sigma, color=BLUE, alpha=0.25, lw=0, label="±1 σ")
    axes.axhline(0, color=BLUE, lw=0.8)
    for lines, colour in zip(_sorted_lines(record), (RED, AMBER), strict=True):
        if lines:
            axes.errorbar(
                [line.wavelength_nm for line in lines],
                [line.residual_px for line in lines],
                [line.sigma_px for line in lines],
                fmt="o",
                ms=4.5,
                mfc="white",
                mec=colour,
                ecolor=colour,
                elinewidth=0.9,
                mew=1.2,
                capsize=2,
            )
    for edge in curve.range_nm:
        axes.axvline(edge, color=QUIET, lw=0.6, ls=(0, (1, 2)))
    reach = max(0.06, *(1.3 * (abs(line.residual_px) + line.sigma_px) for line in record.lines), 0.0)
    axes.set_ylim(-reach, reach)
    axes.set_title(f"Lines against the curve, {curve.rms_px:.3f} px rms")
    axes.set_ylabel("line − curve, px")
    axes.set_xlabel(f"wavelength, nm ({curve.medium})")
    axes.legend(loc="upper right", fontsize=7.5, ncols=2)
    open_axes(axes)


def _drawn_range(calibration: Calibration, curve: CurveEntry) -> NDArray[np.float64]:
    low = min(curve.range_nm[0], float(calibration.wavelengths_nm[0])) - BEYOND_NM
    high = max(curve.range_nm[1], float(calibration.wavelengths_nm[-1])) + BEYOND_NM
    return np.linspace(low, high, 400)


def _powers(curve: CurveEntry, nm: NDArray[np.float64]) -> NDArray[np.float64]:
    powers: NDArray[np.float64] = (1000 / nm[:, None]) ** (2.0 * np.arange(len(curve.coefficients)))
    return powers


def _shift(curve: CurveEntry, nm: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_powers(curve, nm) @ np.array(curve.coefficients))


def _sigma(curve: CurveEntry, nm: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = _powers(curve, nm)
    variance = np.einsum("ij,jk,ik->i", powers, np.array(curve.covariance), powers)
    return np.asarray(np.sqrt(np.maximum(variance, 0)))


def _sorted_lines(record: CalibrationRecord) -> tuple[list[LineEntry], list[LineEntry]]:
    """Those of the fit, and those that were kept out of it for the verification."""
    kept_out = {entry.wavelength_nm for entry in record.captures if entry.kind == CaptureKind.VERIFY}
    fitted = [line for line in record.lines if line.wavelength_nm not in kept_out]
    return fitted, [line for line in record.lines if line.wavelength_nm in kept_out]


def _places(lines: list[LineEntry]) -> tuple[list[float], list[float]]:
    return [line.wavelength_nm for line in lines], [line.shift_px for line in lines]
