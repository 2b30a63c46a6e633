"""The exact data step of a dual disperser: a diagonal system."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration
from livecassi.calibration.sensing import shifted_mask
from livecassi.engines.gap_tv import dual_kernels as kernels
from livecassi.engines.gap_tv.plan import LEAST_STABLE_RIDGE
from livecassi.engines.gap_tv.row_pool import RowPool

Array32 = NDArray[np.float32]


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
        self._inverse[:] = 1.0 / (self._squares + max(ridge * float(self._squares.mean()), LEAST_STABLE_RIDGE))

    def residual(self, z: Array32, measured: Array32) -> Array32:
        """See `SubspaceModel.residual`."""
        left: Array32 = measured - np.einsum("khw,khw->hw", self._seen, z)
        return left

    def data_step(self, z: Array32, measured: Array32, moved: Array32) -> None:
        """See `SubspaceModel.data_step`."""
        self._pool.run(
            partial(kernels.dual_step_rows, z, self._seen, self._inverse, measured, moved), measured.shape[0]
        )
