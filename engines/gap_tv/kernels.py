"""The inner loops on coefficients `z (r, H, W)` that every system shares: total variation, and what ADMM adds.

Everything float32. The vectorial total variation couples neighbouring rows; therefore it reads one dual field and
writes another.
"""

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.gap_tv.compiled import compiled

Array32 = NDArray[np.float32]


@compiled("void(f4[:,:,::1],f4[:,:,:,::1],f4,i8,f4[:,::1])")
def _smooth_row(noisy: Array32, dual: Array32, weight: np.float32, i: int, out: Array32) -> None:
    """`out (r, W) = noisy + weight * div(dual)` of row i."""
    rank, height, width = noisy.shape
    for k in range(rank):
        for j in range(width):
            out[k, j] = noisy[k, i, j]
        if i < height - 1:
            for j in range(width):
                out[k, j] += weight * dual[0, k, i, j]
        if i > 0:
            for j in range(width):
                out[k, j] -= weight * dual[0, k, i - 1, j]
        out[k, 0] += weight * dual[1, k, i, 0]
        for j in range(1, width - 1):
            out[k, j] += weight * (dual[1, k, i, j] - dual[1, k, i, j - 1])
        if width > 1:
            out[k, width - 1] -= weight * dual[1, k, i, width - 2]


@compiled("void(f4[:,:,::1],f4[:,:,:,::1],f4[:,:,:,::1],f4,f4,i8,i8)")
def tv_dual_rows(
    noisy: Array32, dual: Array32, next_dual: Array32, weight: np.float32, step: np.float32, first: int, last: int
) -> None:
    """One projected gradient step on the dual field `(2, r, H, W)` of vectorial total variation.

    `next_dual = q / max(1, |q|)` with `q = dual + step / weight * grad(noisy + weight * div(dual))`, the norm taken
    over both directions and all coefficients of a pixel (Chambolle 2004; Bresson and Chan 2008).
    """
    rank, height, width = noisy.shape
    here = np.empty((rank, width), np.float32)
    below = np.empty((rank, width), np.float32)
    norm = np.empty(width, np.float32)
    gain = step / weight
    _smooth_row(noisy, dual, weight, first, here)
    for i in range(first, last):
        inside = i < height - 1
        if inside:
            _smooth_row(noisy, dual, weight, i + 1, below)
        norm[:] = 0
        for k in range(rank):
            if inside:
                for j in range(width):
                    q = dual[0, k, i, j] + gain * (below[k, j] - here[k, j])
                    next_dual[0, k, i, j] = q
                    norm[j] += q * q
            for j in range(width - 1):
                q = dual[1, k, i, j] + gain * (here[k, j + 1] - here[k, j])
                next_dual[1, k, i, j] = q
                norm[j] += q * q
        for j in range(width):
            norm[j] = np.float32(1.0) / max(np.float32(1.0), np.sqrt(norm[j]))
        for k in range(rank):
            if inside:
                for j in range(width):
                    next_dual[0, k, i, j] *= norm[j]
            for j in range(width - 1):
                next_dual[1, k, i, j] *= norm[j]
        here, below = below, here


@compiled("void(f4[:,:,::1],f4[:,:,:,::1],f4,f4[:,:,::1],i8,i8)")
def tv_primal_rows(noisy: Array32, dual: Array32, weight: np.float32, smooth: Array32, first: int, last: int) -> None:
    """`smooth = noisy + weight * div(dual)`: the denoised coefficients."""
    rank, _, width = noisy.shape
    line = np.empty((rank, width), np.float32)
    for i in range(first, last):
        _smooth_row(noisy, dual, weight, i, line)
        for k in range(rank):
            for j in range(width):
                smooth[k, i, j] = line[k, j]


@compiled("void(f4[:,:,::1],f4[:,::1],f4[:,:,::1],i8,i8)")
def synthesise_rows(z: Array32, basis: Array32, cube: Array32, first: int, last: int) -> None:
    """`cube (C, H, W) = basis (C, r) · z`."""
    rank, _, width = z.shape
    for c in range(len(basis)):
        for i in range(first, last):
            for j in range(width):
                cube[c, i, j] = 0
            for k in range(rank):
                a = basis[c, k]
                for j in range(width):
                    cube[c, i, j] += a * z[k, i, j]


@compiled("void(f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],f4,i8,i8)")
def relax_rows(moved: Array32, z: Array32, multiplier: Array32, relaxation: np.float32, first: int, last: int) -> None:
    """`moved <- relaxation * moved + (1 - relaxation) * z + multiplier`."""
    rank, _, width = z.shape
    rest = np.float32(1.0) - relaxation
    for k in range(rank):
        for i in range(first, last):
            for j in range(width):
                moved[k, i, j] = relaxation * moved[k, i, j] + rest * z[k, i, j] + multiplier[k, i, j]


@compiled("void(f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],i8,i8)")
def settle_rows(moved: Array32, z: Array32, multiplier: Array32, pulled: Array32, first: int, last: int) -> None:
    """`multiplier <- moved - z` and `pulled <- z - multiplier`."""
    rank, _, width = z.shape
    for k in range(rank):
        for i in range(first, last):
            for j in range(width):
                difference = moved[k, i, j] - z[k, i, j]
                multiplier[k, i, j] = difference
                pulled[k, i, j] = z[k, i, j] - difference
