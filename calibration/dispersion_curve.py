"""The dispersion curve: where each wavelength lands, and how well that is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.calibration.calibration import Calibration
from livecassi.calibration.errors import CalibrationInvalidError

_WIDEST_NM = (300.0, 1200.0)
_GRID_NM = 0.05

Floats = NDArray[np.float64]


def powers(wavelengths_nm: ArrayLike, terms: int) -> Floats:
    """`(1000/λ)^(2t)` for t = 0..terms-1, in a last axis."""
    inverse_square = (1000.0 / np.asarray(wavelengths_nm, np.float64)) ** 2
    return np.asarray(inverse_square[..., None] ** np.arange(terms))


def power_slopes(wavelengths_nm: ArrayLike, terms: int) -> Floats:
    """Derivatives of `powers` by the wavelength, per nm."""
    wavelengths = np.asarray(wavelengths_nm, np.float64)[..., None]
    return np.asarray(powers(wavelengths[..., 0], terms) * (-2.0 * np.arange(terms)) / wavelengths)


@dataclass(frozen=True)
class Curve:
    """`s(λ) = Σ_t coefficients[t] (1000/λ)^(2t)`, λ in nm, s in columns (Cauchy's formula).

    `covariance (T, T)` of the coefficients; `range_nm`: first and last line that it was fitted to.
    """

    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    range_nm: tuple[float, float]

    @property
    def terms(self) -> int:
        """Number of coefficients."""
        return len(self.coefficients)

    def shift_px(self, wavelengths_nm: ArrayLike) -> Floats:
        """s(λ)."""
        return np.asarray(powers(wavelengths_nm, self.terms) @ np.array(self.coefficients))

    def slope_px_per_nm(self, wavelengths_nm: ArrayLike) -> Floats:
        """ds/dλ."""
        return np.asarray(power_slopes(wavelengths_nm, self.terms) @ np.array(self.coefficients))

    def sigma_px(self, wavelengths_nm: ArrayLike, relative_to_nm: float | None = None) -> Floats:
        """Standard error of s(λ), or of its difference to s(`relative_to_nm`)."""
        rows = powers(wavelengths_nm, self.terms)
        if relative_to_nm is not None:
            rows = rows - powers(relative_to_nm, self.terms)
        return np.asarray(np.sqrt(np.maximum(np.einsum("...i,ij,...j->...", rows, np.array(self.covariance), rows), 0)))

    def wavelength_nm(self, shift_px: ArrayLike) -> Floats:
        """The wavelength that lands at a shift, to 0.001 nm.

        Looked for within the lines and as far beyond as the curve keeps its direction. Raises
        `CalibrationInvalidError` where the curve turns between its lines, or never gets there.
        """
        wanted = np.asarray(shift_px, np.float64)
        grid = np.arange(*_WIDEST_NM, _GRID_NM)
        rising = self.slope_px_per_nm(grid) * np.sign(float(np.diff(self.shift_px(self.range_nm))[0])) > 0
        first, last = np.searchsorted(grid, self.range_nm)
        if not rising[first : last + 1].all():
            turn = grid[first : last + 1][~rising[first : last + 1]][0]
            raise CalibrationInvalidError(
                f"the dispersion curve turns at {turn:.0f} nm, between its lines, expected one that only rises: a line "
                "was entered wrongly or its picture matched at a wrong place; look at the lines' residuals"
            )
        below, above = np.flatnonzero(~rising[:first]), np.flatnonzero(~rising[last:])
        part = slice(int(below[-1]) + 1 if len(below) else 0, last + int(above[0]) if len(above) else len(grid))
        shifts, wavelengths = self.shift_px(grid[part]), grid[part]
        if shifts[0] > shifts[-1]:
            shifts, wavelengths = shifts[::-1], wavelengths[::-1]
        if wanted.min() < shifts[0] or wanted.max() > shifts[-1]:
            far = float(wanted.min() if wanted.min() < shifts[0] else wanted.max())
            raise CalibrationInvalidError(
                f"no wavelength lands at a shift of {far:.2f} px: the curve of the lines from {self.range_nm[0]:g} to "
                f"{self.range_nm[1]:g} nm reaches {shifts[0]:.1f} to {shifts[-1]:.1f} px; choose fewer or narrower "
                "bands, or capture lines that reach further"
            )
        return np.asarray(np.interp(wanted, shifts, wavelengths))


def recorded_curve(calibration: Calibration) -> Curve | None:
    """The curve that a calibration was measured with; None where it holds none."""
    record = calibration.header.record
    if record is None or record.curve is None:
        return None
    return Curve(record.curve.coefficients, record.curve.covariance, record.curve.range_nm)
