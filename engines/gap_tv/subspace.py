"""The sensing models on spectral coefficients, and their exact data step.

With `x = B z` (`B (C, r)` the basis, `z (r, H, W)` coefficients) the measurement is `y = A B z`. The data step moves
`z` to the nearest coefficients that explain `y`, up to a small ridge for noise:

    z + (A B)ᵀ ((A B)(A B)ᵀ + ρ I)⁻¹ (y - A B z)

For a dual disperser the matrix is diagonal. For a single disperser it couples the columns of one row that the
dispersion can reach from each other; it is banded, constant for a calibration, and factored once (Cholesky). A
plain GAP divides by a diagonal bound instead, `A(Aᵀ1)`, and needs many more iterations.
"""

from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration
from livecassi.calibration.sensing import shift_taps, shifted_mask
from livecassi.engines.gap_tv import kernels
from livecassi.engines.gap_tv.row_pool import RowPool

Array32 = NDArray[np.float32]

LEAST_RIDGE = 1e-12  # absolute, for masks that let nothing through


class SubspaceModel(Protocol):
    """A sensing model on coefficients `(r, H, W)`."""

    basis: Array32

    def set_ridge(self, ridge: float) -> None:
        """Allow for noise: ρ relative to the mean diagonal of `(A B)(A B)ᵀ`."""
        ...

    def residual(self, z: Array32, measured: Array32) -> Array32:
        """`measured - A B z`, shape of the measurement; the array is reused by the next call."""
        ...

    def data_step(self, z: Array32, measured: Array32, moved: Array32) -> None:
        """Write the step described above into `moved (r, H, W)`."""
        ...


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
        amount = np.float32(max(ridge * float(self._factors[:, :, 0].sum()) / self._residual.size, LEAST_RIDGE))
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


class DualDisperserSubspace:
    """DD-CASSI and NDSSI on coefficients: each coefficient sees one fixed pattern, `Σ_c g_c M_c B_ck`."""

    def __init__(self, calibration: Calibration, basis: Array32, pool: RowPool) -> None:
        self.basis = basis
        self._pool = pool
        weights = basis * calibration.response[:, None]
        self._seen: Array32 = np.ascontiguousarray(
            np.tensordot(weights.T, shifted_mask(calibration), axes=1), np.float32
        )
        self._squares: Array32 = np.einsum("khw,khw->hw", self._seen, self._seen)
        self._inverse = np.zeros_like(self._squares)

    def set_ridge(self, ridge: float) -> None:
        """See `SubspaceModel.set_ridge`."""
        self._inverse[:] = 1.0 / (self._squares + max(ridge * float(self._squares.mean()), LEAST_RIDGE))

    def residual(self, z: Array32, measured: Array32) -> Array32:
        """See `SubspaceModel.residual`."""
        left: Array32 = measured - np.einsum("khw,khw->hw", self._seen, z)
        return left

    def data_step(self, z: Array32, measured: Array32, moved: Array32) -> None:
        """See `SubspaceModel.data_step`."""
        self._pool.run(
            partial(kernels.dual_step_rows, z, self._seen, self._inverse, measured, moved), measured.shape[0]
        )


def subspace_model(calibration: Calibration, basis: Array32, pool: RowPool) -> SubspaceModel:
    """The model on coefficients that belongs to a calibration."""
    if calibration.system.single_disperser:
        return SingleDisperserSubspace(calibration, basis, pool)
    return DualDisperserSubspace(calibration, basis, pool)


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
