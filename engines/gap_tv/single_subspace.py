"""The exact data step of a single disperser: a banded system per row, factored once for each ridge."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration
from livecassi.calibration.sensing import shift_taps
from livecassi.engines.gap_tv import single_kernels as kernels
from livecassi.engines.gap_tv.plan import LEAST_STABLE_RIDGE
from livecassi.engines.gap_tv.row_pool import RowPool

Array32 = NDArray[np.float32]


class SingleDisperserSubspace:
    """SD-CASSI and PMVIS on coefficients."""

    def __init__(self, calibration: Calibration, basis: Array32, pool: RowPool) -> None:
        self.basis = basis
        self._pool = pool
        self._mask = np.array(calibration.mask, np.float32, order="C")
        self._height, _ = self._mask.shape
        detector = calibration.measurement_shape[1]
        self._residual = np.zeros((self._height, detector), np.float32)
        self._columns, self._weights = _taps(calibration, basis, detector)
        self._plan(detector)

    def _plan(self, detector: int) -> None:
        """Which detector columns share scene pixels, and through which products of taps."""
        reached, rows = np.unique(self._columns, return_inverse=True)
        stride = max(int(np.gcd.reduce(np.diff(reached))), 1) if len(reached) > 1 else 1
        kernel_columns = np.arange(reached[0], reached[-1] + 1, stride)
        taps = np.zeros((len(kernel_columns), self.basis.shape[1]))
        np.add.at(taps, ((reached - reached[0]) // stride)[rows], self._weights.astype(np.float64))
        products = taps @ taps.T
        self._kernel_columns = kernel_columns
        self._kernel = np.zeros(products.shape, np.float32)
        for q in range(len(products)):
            self._kernel[q, : len(products) - q] = products[q, q:]

        segment = np.arange(detector) % stride
        order = np.argsort(segment, kind="stable")
        self._place = np.empty(detector, np.int64)
        self._place[order] = np.arange(detector)
        self._segment_end = np.searchsorted(segment[order], segment[order], side="right").astype(np.int64)
        self._blocks = -(-self._height // kernels.LANES)
        self._factors = np.zeros((self._blocks, detector, len(kernel_columns), kernels.LANES), np.float32)
        self._power = self._mask**2

    def set_ridge(self, ridge: float) -> None:
        """See `SubspaceModel.set_ridge`."""
        self._pool.run(self._gram, self._blocks)
        amount = np.float32(max(ridge * float(self._factors[:, :, 0].sum()) / self._residual.size, LEAST_STABLE_RIDGE))
        self._pool.run(partial(kernels.factor_blocks, self._factors, self._segment_end, amount), self._blocks)

    def _gram(self, first: int, last: int) -> None:
        kernels.gram_blocks(
            self._power,
            self._place,
            self._segment_end,
            self._kernel_columns,
            self._kernel,
            self._factors,
            first,
            last,
        )

    def residual(self, z: Array32, measured: Array32) -> Array32:
        """See `SubspaceModel.residual`."""
        self._pool.run(partial(self._disperse, z, measured), self._height)
        return self._residual

    def data_step(self, z: Array32, measured: Array32, moved: Array32) -> None:
        """See `SubspaceModel.data_step`."""

        def step(first_block: int, last_block: int) -> None:
            first, last = first_block * kernels.LANES, min(last_block * kernels.LANES, self._height)
            self._disperse(z, measured, first, last)
            kernels.solve_blocks(self._factors, self._place, self._segment_end, self._residual, first_block, last_block)
            kernels.gather_rows(z, self._mask, self._columns, self._weights, self._residual, moved, first, last)

        self._pool.run(step, self._blocks)

    def _disperse(self, z: Array32, measured: Array32, first: int, last: int) -> None:
        kernels.disperse_rows(z, self._mask, self._columns, self._weights, measured, self._residual, first, last)


def _taps(calibration: Calibration, basis: Array32, detector: int) -> tuple[NDArray[np.int64], Array32]:
    """Columns `(T,)` and weights `(T, r)` of all taps of all bands that reach the detector."""
    taps = shift_taps(calibration.dispersion_px, calibration.header.sub_steps)
    weights = taps.weights[:, :, None] * (basis * calibration.response[:, None])[:, None, :]
    columns = taps.columns.reshape(-1)
    flat = weights.reshape(-1, basis.shape[1])
    kept = (taps.weights.reshape(-1) > 0) & (columns < detector)
    merged, rows = np.unique(columns[kept], return_inverse=True)
    total = np.zeros((len(merged), basis.shape[1]))
    np.add.at(total, rows, flat[kept])
    return merged, np.ascontiguousarray(total, np.float32)
