"""The inner loops of a single disperser's data step. Coefficients `z (r, H, W)`; everything float32.

Rows never touch each other here, since light is dispersed along columns.
"""

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.gap_tv.compiled import compiled

LANES = 16  # rows of the banded solve that go side by side through the vector unit

Array32 = NDArray[np.float32]
Columns = NDArray[np.int64]


@compiled("void(f4[:,:,::1],f4[:,::1],i8[::1],f4[:,::1],f4[:,::1],f4[:,::1],i8,i8)")
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
            while k + 4 <= rank:  # four at a time: the sum of a column stays in a register
                a, b, c, d = weights[t, k], weights[t, k + 1], weights[t, k + 2], weights[t, k + 3]
                za, zb, zc, zd = coded[k], coded[k + 1], coded[k + 2], coded[k + 3]
                for j in range(reach):
                    line[j] -= a * za[j] + b * zb[j] + c * zc[j] + d * zd[j]
                k += 4
            while k < rank:
                a, za = weights[t, k], coded[k]
                for j in range(reach):
                    line[j] -= a * za[j]
                k += 1


@compiled("void(f4[:,:,::1],f4[:,::1],i8[::1],f4[:,::1],f4[:,::1],f4[:,:,::1],i8,i8)")
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
    whole = 0  # taps, from the first on, that lie on the detector for every column; four of them at a time
    while whole + 4 <= taps and columns[whole + 3] + width <= detector:
        whole += 4
    for i in range(first, last):
        line = residual[i]
        for k in range(rank):
            total[:] = 0
            for t in range(0, whole, 4):
                a, b, c, d = weights[t, k], weights[t + 1, k], weights[t + 2, k], weights[t + 3, k]
                la, lb = line[columns[t] : columns[t] + width], line[columns[t + 1] : columns[t + 1] + width]
                lc, ld = line[columns[t + 2] : columns[t + 2] + width], line[columns[t + 3] : columns[t + 3] + width]
                for j in range(width):
                    total[j] += a * la[j] + b * lb[j] + c * lc[j] + d * ld[j]
            for t in range(whole, taps):
                shift = columns[t]
                a = weights[t, k]
                for j in range(min(width, detector - shift)):
                    total[j] += a * line[shift + j]
            for j in range(width):
                moved[k, i, j] = z[k, i, j] + mask[i, j] * total[j]


@compiled("void(f4[:,::1],i8[::1],i8[::1],i8[::1],f4[:,::1],f4[:,:,:,::1],i8,i8)")
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


@compiled("void(f4[:,:,:,::1],i8[::1],f4,i8,i8)")
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


@compiled("void(f4[:,:,:,::1],i8[::1],i8[::1],f4[:,::1],i8,i8)")
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
