"""The sensing models on spectral coefficients, and their exact data step.

With `x = B z` (`B (C, r)` the basis, `z (r, H, W)` coefficients) the measurement is `y = A B z`. The data step moves
`z` to the nearest coefficients that explain `y`, up to a small ridge for noise:

    z + (A B)ᵀ ((A B)(A B)ᵀ + ρ I)⁻¹ (y - A B z)

For a dual disperser the matrix is diagonal. For a single disperser it couples the columns of one row that the
dispersion can reach from each other; it is banded, constant for a calibration, and factored once (Cholesky). A
plain GAP divides by a diagonal bound instead, `A(Aᵀ1)`, and needs many more iterations.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration
from livecassi.engines.gap_tv.row_pool import RowPool

Array32 = NDArray[np.float32]


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


def subspace_model(calibration: Calibration, basis: Array32, pool: RowPool) -> SubspaceModel:
    """The model on coefficients that belongs to a calibration; only its own loops are compiled."""
    if calibration.system.single_disperser:
        from livecassi.engines.gap_tv.single_subspace import SingleDisperserSubspace

        return SingleDisperserSubspace(calibration, basis, pool)
    from livecassi.engines.gap_tv.dual_subspace import DualDisperserSubspace

    return DualDisperserSubspace(calibration, basis, pool)
