"""The two kinds of optics: from the scene's coefficient images, or an even target, to the light on the sensor."""

from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from livecassi.calibration.bench.dispersion import SubBands
from livecassi.calibration.bench.field import FieldShift, sampled
from livecassi.calibration.bench.mask import MARGIN_PX, OVERSAMPLING, CodedAperture, box
from livecassi.calibration.calibration import Array32

_ROWS_AT_ONCE = 16  # keeps the working set in the processor's cache
_TILE = 64  # columns


class Optics(Protocol):
    """Codes and disperses: coefficients `(K, H, W)` to light `(H, W')`."""

    def image(self, coefficients: Array32) -> Array32:
        """The light on the sensor before its point spread."""
        ...


class DualDisperserOptics:
    """y[i, j] = Σ_k a_k[i, j] · Q_k[i, j] with the static Q_k[i, j] = Σ_q w_q b_k(λ_q) M[i, j + s_q].

    Since the scene is gathered again, the spectral sum over all Q sub-bands is done once, at construction.
    """

    def __init__(
        self,
        aperture: CodedAperture,
        bands: SubBands,
        weights: NDArray[np.float64],
        width: int,
        field: FieldShift | None = None,
    ) -> None:
        """`weights (K, Q)`: electrons per second of each basis spectrum in each sub-band."""
        offsets = OVERSAMPLING * (bands.shifts_px + MARGIN_PX)
        kernel = _splat(offsets, weights)  # (K, T) on the fine column grid
        used = np.flatnonzero(kernel.any(axis=0))
        first, last = int(used[0]), int(used[-1])
        turned = np.ascontiguousarray(kernel[:, first : last + 1].T)
        height = aperture.fine.shape[0]
        self.coded = np.empty((len(weights), height, width), np.float32)
        for top in range(0, height, _ROWS_AT_ONCE):
            rows = aperture.fine[top : top + _ROWS_AT_ONCE, first:]
            windows = sliding_window_view(rows, len(turned), axis=1)
            if field is None:
                windows = windows[:, ::OVERSAMPLING][:, :width]
            coded = np.moveaxis(np.ascontiguousarray(windows) @ turned, -1, 0)
            if field is not None:
                at = np.arange(width) + field.columns(width)[top : top + len(rows)]
                coded = np.stack([sampled(row, OVERSAMPLING * at) for row in coded])
            self.coded[:, top : top + len(rows)] = coded

    def image(self, coefficients: Array32) -> Array32:
        """Light `(H, W)`."""
        light: Array32 = coefficients[0] * self.coded[0]
        for image, coded in zip(coefficients[1:], self.coded[1:], strict=True):
            light += image * coded
        return light


class SingleDisperserOptics:
    """y[i, n] = Σ_k Σ_t h_k[t] · (M a_k)[i, n - t] with h_k[t] = Σ_q w_q b_k(λ_q) hat(t - s_q).

    The hat shares a sub-band between two columns in proportion, as square pixels do. Light that falls outside
    the `sensor_width` columns is lost. Computed tile by tile of columns, as a product with a banded matrix.
    """

    def __init__(
        self,
        aperture: CodedAperture,
        bands: SubBands,
        weights: NDArray[np.float64],
        sensor_width: int,
        field: FieldShift | None = None,
    ) -> None:
        """`weights (K, Q)`: electrons per second of each basis spectrum in each sub-band."""
        self._field = field
        self.mask = aperture.seen()
        self.sensor_width = sensor_width
        kernel = _splat(bands.shifts_px + MARGIN_PX, weights)
        size, self._taps = kernel.shape
        self._spread = np.zeros((size, _TILE, _TILE + self._taps), np.float32)  # input column to output column
        for column in range(_TILE):
            self._spread[:, column, column : column + self._taps] = kernel

    def image(self, coefficients: Array32) -> Array32:
        """Light `(H, W')`."""
        size, height, width = coefficients.shape
        wide = np.zeros((height, max(width + self._taps + _TILE, MARGIN_PX + self.sensor_width)), np.float32)
        for left in range(0, width, _TILE):
            count = min(_TILE, width - left)
            tile = slice(left, left + count)
            coded = np.empty((height, size, count), np.float32)
            np.multiply(coefficients[:, :, tile], self.mask[:, tile], out=coded.swapaxes(0, 1))
            spread = self._spread[:, :count].reshape(size * count, -1)
            wide[:, left : left + _TILE + self._taps] += coded.reshape(height, -1) @ spread
        light: Array32 = np.ascontiguousarray(wide[:, MARGIN_PX : MARGIN_PX + self.sensor_width])
        return light if self._field is None else self._field.displaced(light, 1)


def dispersed_still(
    aperture: CodedAperture,
    target: Array32,
    bands: SubBands,
    weights: NDArray[np.float64],
    sensor_width: int,
    field: FieldShift | None,
) -> Array32:
    """What a single disperser makes of a grey target that stands still: light `(H, W')`.

    `target (H, 4W)`: reflectances on the fine columns of the field stop; `weights (Q,)`: electrons per second. Light is
    coded and moved on the fine grid, so that a line keeps the sharpness of the aperture wherever it lands.
    """
    coded = np.zeros(aperture.cells.shape, np.float64)
    inside = slice(OVERSAMPLING * MARGIN_PX, OVERSAMPLING * MARGIN_PX + target.shape[1])
    coded[:, inside] = aperture.cells[:, inside] * target
    kernel = _splat(OVERSAMPLING * (bands.shifts_px + MARGIN_PX), weights[None])
    wide = fftconvolve(box(coded.astype(np.float32)).astype(np.float64), kernel.astype(np.float64), axes=1)
    first = 2 * OVERSAMPLING * MARGIN_PX
    wide = np.pad(wide, ((0, 0), (0, max(0, first + OVERSAMPLING * sensor_width - wide.shape[1]))))
    if field is None:
        return np.ascontiguousarray(wide[:, first : first + OVERSAMPLING * sensor_width : OVERSAMPLING], np.float32)
    at = np.arange(sensor_width) - field.columns()
    return sampled(wide.astype(np.float32), first + OVERSAMPLING * at)


def _splat(positions: NDArray[np.float64], weights: NDArray[np.float64]) -> Array32:
    """Weights `(K, Q)` at fractional positions, shared between the two neighbouring whole ones: `(K, T)`."""
    low = np.floor(positions).astype(int)
    part = positions - low
    size = int(low.max()) + 2
    return np.stack(
        [np.bincount(low, w * (1 - part), size) + np.bincount(low + 1, w * part, size) for w in weights]
    ).astype(np.float32)
