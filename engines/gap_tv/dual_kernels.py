"""The inner loop of a dual disperser's data step. Coefficients `z (r, H, W)`; everything float32."""

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.gap_tv.compiled import compiled

Array32 = NDArray[np.float32]


@compiled("void(f4[:,:,::1],f4[:,:,::1],f4[:,::1],f4[:,::1],f4[:,:,::1],i8,i8)")
def dual_step_rows(
    z: Array32, seen: Array32, inverse: Array32, measured: Array32, moved: Array32, first: int, last: int
) -> None:
    """`moved = z + Aᵀ (A Aᵀ + ridge)⁻¹ (measured - A z)` for a dual disperser.

    `seen (r, H, W)` is what each coefficient passes, `inverse (H, W)` the reciprocal of its squared sum plus ridge.
    """
    rank, _, width = z.shape
    line = np.empty(width, np.float32)
    for i in range(first, last):
        for j in range(width):
            line[j] = measured[i, j]
        for k in range(rank):
            for j in range(width):
                line[j] -= seen[k, i, j] * z[k, i, j]
        for j in range(width):
            line[j] *= inverse[i, j]
        for k in range(rank):
            for j in range(width):
                moved[k, i, j] = z[k, i, j] + seen[k, i, j] * line[j]
