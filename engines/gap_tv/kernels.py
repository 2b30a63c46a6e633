"""The inner loops of GAP-TV, compiled: every kernel works on the rows [first, last) and lets go of the GIL.

Coefficients `z (r, H, W)`; everything float32. Rows never touch each other in the data step, since light is dispersed
along columns; the vectorial total variation couples neighbouring rows and therefore reads one dual field and writes
another. Plain threads run blocks of rows side by side (numba's own parallel layer must not be entered twice at once).
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 16  # rows of the banded solve that go side by side through the vector unit

Array32 = NDArray[np.float32]
Columns = NDArray[np.int64]
Kernel = TypeVar("Kernel", bound=Callable[..., None])


def _compiled(signature: str) -> Callable[[Kernel], Kernel]:
    """Compile for these types when the module is imported; later processes load it from the cache."""
    return cast(Callable[[Kernel], Kernel], njit(signature, nogil=True, cache=True, fastmath=True))


@_compiled("void(f4[:,:,::1],f4[:,::1],i8[::1],f4[:,::1],f4[:,::1],f4[:,::1],i8,i8)")
def disperse_rows(
    z: Array32,
    mask: Array32,
    columns: Columns,
    weights: Array32,
    measured: Array32,
    residual: Array32,
    first: int,
    last: int,
) -> None:
    """`residual = measured - A z` for a single disperser.

    `weights (T, r)` holds one line per tap: tap weight x response x basis; `columns (T,)` its whole-column shift.
    Light beyond the last column of the detector is lost.
    """
    rank, _, width = z.shape
    detector = measured.shape[1]
    taps = len(columns)
    coded = np.empty((rank, width), np.float32)
    for i in range(first, last):
        for k in range(rank):
            for j in range(width):
                coded[k, j] = mask[i, j] * z[k, i, j]
        for n in range(detector):
            residual[i, n] = measured[i, n]
        for t in range(taps):
            shift = columns[t]
            reach = min(width, detector - shift)
            line = residual[i, shift : shift + reach]
            k = 0
            while k + 5 <= rank:
                a, b, c, d, e = (
                    weights[t, k],
                    weights[t, k + 1],
                    weights[t, k + 2],
                    weights[t, k + 3],
                    weights[t, k + 4],
                )
                za, zb, zc, zd, ze = coded[k], coded[k + 1], coded[k + 2], coded[k + 3], coded[k + 4]
                for j in range(reach):
                    line[j] -= a * za[j] + b * zb[j] + c * zc[j] + d * zd[j] + e * ze[j]
                k += 5
            while k < rank:
                a, za = weights[t, k], coded[k]
                for j in range(reach):
                    line[j] -= a * za[j]
                k += 1


@_compiled("void(f4[:,:,::1],f4[:,::1],i8[::1],f4[:,::1],f4[:,::1],f4[:,:,::1],i8,i8)")
def gather_rows(
    z: Array32,
    mask: Array32,
    columns: Columns,
    weights: Array32,
    residual: Array32,
    moved: Array32,
    first: int,
    last: int,
) -> None:
    """`moved = z + Aᵀ residual` for a single disperser; arguments as in `disperse_rows`."""
    rank, _, width = z.shape
    detector = residual.shape[1]
    taps = len(columns)
    total = np.empty(width, np.float32)
    for i in range(first, last):
        for k in range(rank):
            total[:] = 0
            for t in range(taps):
                shift = columns[t]
                reach = min(width, detector - shift)
                line = residual[i, shift : shift + reach]
                a = weights[t, k]
                for j in range(reach):
                    total[j] += a * line[j]
            for j in range(width):
                moved[k, i, j] = z[k, i, j] + mask[i, j] * total[j]


@_compiled("void(f4[:,::1],i8[::1],i8[::1],i8[::1],f4[:,::1],f4[:,:,:,::1],i8,i8)")
def gram_blocks(
    power: Array32,
    place: Columns,
    segment_end: Columns,
    kernel_columns: Columns,
    kernel: Array32,
    factors: Array32,
    first: int,
    last: int,
) -> None:
    """`A Aᵀ` of the row blocks [first, last): `factors[b, n, d, lane] = (A Aᵀ)[n + d, n]`, LANES rows side by side.

    The order of detector columns is `place (W',)`, which gathers columns that never share a scene pixel into
    separate segments (the odd and even columns of a whole step of 2); `segment_end (W',)` is the end of the segment of
    each ordered column. `kernel (S, S)` is `K[q, d]`, the product of tap `q` and the tap `d` places further, for scene
    pixels under tap columns `kernel_columns (S,)`. `power (H, W)` is the squared mask.
    """
    height, width = power.shape
    detector = len(place)
    taps = len(kernel_columns)
    for b in range(first, last):
        factors[b] = 0
        rows = min(LANES, height - b * LANES)
        for j in range(width):
            for q in range(taps):
                column = j + kernel_columns[q]
                if column >= detector:
                    continue
                n = place[column]
                for d in range(min(taps - q, segment_end[n] - n)):
                    weight = kernel[q, d]
                    for lane in range(rows):
                        factors[b, n, d, lane] += weight * power[b * LANES + lane, j]


@_compiled("void(f4[:,:,:,::1],i8[::1],f4,i8,i8)")
def factor_blocks(factors: Array32, segment_end: Columns, ridge: np.float32, first: int, last: int) -> None:
    """Cholesky factors `L` of `A Aᵀ + ridge`, in place; the diagonal becomes `1 / L[n, n]`."""
    _, detector, span, _ = factors.shape
    for b in range(first, last):
        for n in range(detector):
            reach = min(span, segment_end[n] - n)
            for lane in range(LANES):
                factors[b, n, 0, lane] = np.float32(1.0) / np.sqrt(factors[b, n, 0, lane] + ridge)
            for d in range(1, reach):
                for lane in range(LANES):
                    factors[b, n, d, lane] *= factors[b, n, 0, lane]
            for d in range(1, reach):
                for e in range(reach - d):
                    for lane in range(LANES):
                        factors[b, n + d, e, lane] -= factors[b, n, d, lane] * factors[b, n, d + e, lane]


@_compiled("void(f4[:,:,:,::1],i8[::1],i8[::1],f4[:,::1],i8,i8)")
def solve_blocks(
    factors: Array32, place: Columns, segment_end: Columns, residual: Array32, first: int, last: int
) -> None:
    """`residual <- (A Aᵀ + ridge)⁻¹ residual` for the row blocks [first, last), with what `factor_blocks` left."""
    height, detector = residual.shape
    span = factors.shape[2]
    work = np.zeros((detector, LANES), np.float32)
    value = np.empty(LANES, np.float32)
    for b in range(first, last):
        top = b * LANES
        rows = min(LANES, height - top)
        for lane in range(rows):
            for column in range(detector):
                work[place[column], lane] = residual[top + lane, column]
        for n in range(detector):
            reach = min(span, segment_end[n] - n)
            for lane in range(LANES):
                value[lane] = work[n, lane] * factors[b, n, 0, lane]
                work[n, lane] = value[lane]
            for d in range(1, reach):
                for lane in range(LANES):
                    work[n + d, lane] -= value[lane] * factors[b, n, d, lane]
        for n in range(detector - 1, -1, -1):
            reach = min(span, segment_end[n] - n)
            for lane in range(LANES):
                value[lane] = work[n, lane]
            for d in range(1, reach):
                for lane in range(LANES):
                    value[lane] -= factors[b, n, d, lane] * work[n + d, lane]
            for lane in range(LANES):
                work[n, lane] = value[lane] * factors[b, n, 0, lane]
        for lane in range(rows):
            for column in range(detector):
                residual[top + lane, column] = work[place[column], lane]


@_compiled("void(f4[:,:,::1],f4[:,:,::1],f4[:,::1],f4[:,::1],f4[:,:,::1],i8,i8)")
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


@_compiled("void(f4[:,:,::1],f4[:,:,:,::1],f4,i8,f4[:,::1])")
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


@_compiled("void(f4[:,:,::1],f4[:,:,:,::1],f4[:,:,:,::1],f4,f4,i8,i8)")
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


@_compiled("void(f4[:,:,::1],f4[:,:,:,::1],f4,f4[:,:,::1],i8,i8)")
def tv_primal_rows(noisy: Array32, dual: Array32, weight: np.float32, smooth: Array32, first: int, last: int) -> None:
    """`smooth = noisy + weight * div(dual)`: the denoised coefficients."""
    rank, _, width = noisy.shape
    line = np.empty((rank, width), np.float32)
    for i in range(first, last):
        _smooth_row(noisy, dual, weight, i, line)
        for k in range(rank):
            for j in range(width):
                smooth[k, i, j] = line[k, j]


@_compiled("void(f4[:,:,::1],f4[:,::1],f4[:,:,::1],i8,i8)")
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


@_compiled("void(f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],f4,i8,i8)")
def relax_rows(moved: Array32, z: Array32, multiplier: Array32, relaxation: np.float32, first: int, last: int) -> None:
    """`moved <- relaxation * moved + (1 - relaxation) * z + multiplier`."""
    rank, _, width = z.shape
    rest = np.float32(1.0) - relaxation
    for k in range(rank):
        for i in range(first, last):
            for j in range(width):
                moved[k, i, j] = relaxation * moved[k, i, j] + rest * z[k, i, j] + multiplier[k, i, j]


@_compiled("void(f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],f4[:,:,::1],i8,i8)")
def settle_rows(moved: Array32, z: Array32, multiplier: Array32, pulled: Array32, first: int, last: int) -> None:
    """`multiplier <- moved - z` and `pulled <- z - multiplier`."""
    rank, _, width = z.shape
    for k in range(rank):
        for i in range(first, last):
            for j in range(width):
                difference = moved[k, i, j] - z[k, i, j]
                multiplier[k, i, j] = difference
                pulled[k, i, j] = z[k, i, j] - difference
