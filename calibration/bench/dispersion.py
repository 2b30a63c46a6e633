"""Where each wavelength lands, and the dense sub-bands on which the bench computes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SUB_BANDS_PER_PX = 5.0
_CAUCHY_4 = 0.05  # µm²: the fourth-order share that a compound prism balances against the second


def _cauchy(wavelengths_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    inverse_square = (1000.0 / wavelengths_nm) ** 2  # 1/µm²
    return -inverse_square + _CAUCHY_4 * inverse_square**2


@dataclass(frozen=True, slots=True)
class DispersionCurve:
    """`s(λ)` in columns of a compound prism: Cauchy terms in λ⁻² and λ⁻⁴, rising, steepest in the blue.

    Zero at `start_nm` and `span_px` at `end_nm`.
    """

    start_nm: float
    end_nm: float
    span_px: float

    def shift_px(self, wavelengths_nm: ArrayLike) -> NDArray[np.float64]:
        """s(λ), negative below `start_nm`."""
        wanted = np.asarray(wavelengths_nm, np.float64)
        ends = _cauchy(np.array([self.start_nm, self.end_nm]))
        shifts: NDArray[np.float64] = self.span_px * (_cauchy(wanted) - ends[0]) / (ends[1] - ends[0])
        return shifts

    def wavelength_nm(self, shift_px: ArrayLike) -> NDArray[np.float64]:
        """The wavelength that lands at a shift, to better than 0.001 nm, inside the curve's span."""
        grid = np.linspace(self.start_nm, self.end_nm, 20_001)
        return np.interp(np.asarray(shift_px, np.float64), self.shift_px(grid), grid)


@dataclass(frozen=True, slots=True)
class SubBands:
    """Q dense samples of the spectrum: `wavelengths_nm`, `widths_nm`, `shifts_px` and the `band` each lies in."""

    wavelengths_nm: NDArray[np.float64]
    widths_nm: NDArray[np.float64]
    shifts_px: NDArray[np.float64]
    band: NDArray[np.int64]

    def band_means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Means over each band's sub-bands: `(K, Q)` to `(K, C)`."""
        return self.band_sums(values * self.widths_nm) / self.band_sums(self.widths_nm[None])

    def band_sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over each band's sub-bands: `(K, Q)` to `(K, C)`."""
        return np.stack([np.bincount(self.band, row) for row in values])


def sub_bands(curve: DispersionCurve, centres_nm: NDArray[np.float64]) -> SubBands:
    """Samples that fill the bands between the midpoints of neighbouring centres, at least 5 per column of shift."""
    middles = (centres_nm[1:] + centres_nm[:-1]) / 2
    first, last = 2 * centres_nm[0] - middles[0], 2 * centres_nm[-1] - middles[-1]
    edges = np.concatenate([[first], middles, [last]])
    counts = np.ceil(SUB_BANDS_PER_PX * np.diff(curve.shift_px(edges))).astype(int)
    band = np.repeat(np.arange(len(centres_nm)), counts)
    widths = (np.diff(edges) / counts)[band]
    within = np.concatenate([np.arange(count) + 0.5 for count in counts])
    wavelengths = edges[band] + within * widths
    return SubBands(wavelengths, widths, curve.shift_px(wavelengths), band)
