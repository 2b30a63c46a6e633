"""The dispersion curve of a calibration as pictures: shift over wavelength, and the lines against the curve."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecassi.app.calibration_look import BLUE, INK, QUIET, RED, open_axes
from livecassi.calibration import Calibration
from livecassi.calibration.dispersion_curve import Curve, recorded_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEYOND_NM = 15.0  # how far beyond lines and bands the curve is drawn


def draw_curve(axes: "Axes", calibration: Calibration) -> None:
    """Shift over wavelength: the curve, its 2-sigma band, the lines, the bands; dashed where it is extrapolated."""
    record, curve = calibration.header.record, recorded_curve(calibration)
    if record is not None and curve is not None:
        nm = _drawn_range(calibration, curve)
        shift, sigma = curve.shift_px(nm), curve.sigma_px(nm)
        inside = (nm >= curve.range_nm[0]) & (nm <= curve.range_nm[1])
        axes.fill_between(nm, shift - 2 * sigma, shift + 2 * sigma, color=BLUE, alpha=0.15, lw=0, label="±2 σ")
        axes.plot(nm, shift, color=BLUE, lw=0.9, ls=(0, (4, 3)), label="extrapolated")
        axes.plot(np.where(inside, nm, np.nan), shift, color=BLUE, lw=1.4, label="curve")
        lines = [line.wavelength_nm for line in record.lines], [line.shift_px for line in record.lines]
        axes.plot(*lines, "o", ms=5, mfc="white", mec=RED, mew=1.3, label="line")
    axes.plot(calibration.wavelengths_nm, calibration.dispersion_px, ".", ms=3, color=INK, label="band")
    axes.set_title("Dispersion")
    axes.set_ylabel("shift, px")
    axes.legend(loc="upper left", fontsize=7.5)
    open_axes(axes)


def draw_curve_residuals(axes: "Axes", calibration: Calibration) -> None:
    """The lines against the curve in px, and the 1- and 2-sigma band of the curve itself."""
    record, curve = calibration.header.record, recorded_curve(calibration)
    assert record is not None
    assert record.curve is not None
    assert curve is not None
    nm = _drawn_range(calibration, curve)
    sigma = curve.sigma_px(nm)
    axes.fill_between(nm, -2 * sigma, 2 * sigma, color=BLUE, alpha=0.15, lw=0, label="±2 σ")
    axes.fill_between(nm, -sigma, sigma, color=BLUE, alpha=0.25, lw=0, label="±1 σ")
    axes.axhline(0, color=BLUE, lw=0.8)
    if record.lines:
        axes.errorbar(
            [line.wavelength_nm for line in record.lines],
            [line.residual_px for line in record.lines],
            [line.sigma_px for line in record.lines],
            fmt="o",
            ms=4.5,
            mfc="white",
            mec=RED,
            ecolor=RED,
            elinewidth=0.9,
            mew=1.2,
            capsize=2,
        )
    for edge in curve.range_nm:
        axes.axvline(edge, color=QUIET, lw=0.6, ls=(0, (1, 2)))
    reach = max(0.06, *(1.3 * (abs(line.residual_px) + line.sigma_px) for line in record.lines), 0.0)
    axes.set_ylim(-reach, reach)
    axes.set_title(f"Lines against the curve, {record.curve.rms_px:.3f} px rms")
    axes.set_ylabel("line − curve, px")
    axes.set_xlabel(f"wavelength, nm ({record.curve.medium})")
    axes.legend(loc="upper right", fontsize=7.5, ncols=2)
    open_axes(axes)


def _drawn_range(calibration: Calibration, curve: Curve) -> NDArray[np.float64]:
    low = min(curve.range_nm[0], float(calibration.wavelengths_nm[0])) - BEYOND_NM
    high = max(curve.range_nm[1], float(calibration.wavelengths_nm[-1])) + BEYOND_NM
    return np.linspace(low, high, 400)
