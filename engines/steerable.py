"""One oriented sub-band of the steerable pyramid, computed where its frequencies are.

Source: Simoncelli and Freeman, "The steerable pyramid", ICIP 1995; six orientations, raised-cosine octaves.
"""

from math import factorial, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct, idst

Array64 = NDArray[np.float64]

ORIENTATIONS = 6
OCTAVES = 4  # five scales: four oriented octaves and the rest of lower frequencies
SMALLEST = 12  # samples of a sub-band, so that its blocks of 3 x 3 have statistics
ORDER = ORIENTATIONS - 1
GAIN = 2**ORDER * factorial(ORDER) / sqrt(ORIENTATIONS * factorial(2 * ORDER))  # six squares add up to 1


def octave(rows: int, columns: int) -> int:
    """The coarsest octave, 1 (finest) to 4, whose sub-band still has 12 samples a side; 4 from 89 pixels a side on.

    Frames below 12 x 12 pixels have none; callers refuse them.
    """
    return max((level for level in range(1, OCTAVES + 1) if min(_samples(level, rows, columns)) >= SMALLEST), default=1)


def oriented_subband(cube: Array64) -> Array64:
    """The sub-band of structures that vary down the rows, `(C, h, w)` of every band of `(C, H, W)`.

    With o the `octave`, frequencies (u, v) down and along the rows as parts of the Nyquist frequency, and r their
    length, the filter is cos(pi/2 log2(2^o r)) within one octave of r = 2^-o, times GAIN (u / r)^5, odd in u. Samples
    lie at the centres of blocks of 2^(o - 1) pixels a side, and as in a tight frame their energy is that of the
    filtered frame: amplitudes grow with 2^(o - 1).

    Beyond its borders the frame is its mirror image. So its spectrum is a cosine transform, of which only the low
    frequencies are used, and behind the odd filter the way back down the rows is a sine transform.
    """
    rows, columns = cube.shape[1:]
    level = octave(rows, columns)
    h, w = _samples(level, rows, columns)
    cosines = dct(dct(cube, axis=2, norm="ortho")[:, :, :w], axis=1, norm="ortho")[:, 1 : h + 1]
    u, v = np.arange(1, cosines.shape[1] + 1)[:, None] / rows, np.arange(w) / columns
    sines = np.zeros((len(cube), h, w))  # those of the Nyquist frequency, where there is no cosine, stay 0
    sines[:, : len(u)] = _filter(u, v, level) * cosines
    return np.asarray(idct(idst(sines, axis=1, norm="ortho"), axis=2, norm="ortho"), np.float64)


def _samples(level: int, rows: int, columns: int) -> tuple[int, int]:
    step = 2 ** (level - 1)
    return -(-rows // step), -(-columns // step)


def _filter(u: Array64, v: Array64, level: int) -> Array64:
    radius = np.hypot(u, v)
    octaves = np.log2(radius * 2**level).clip(-1, 1)
    return np.asarray(GAIN * np.cos(np.pi / 2 * octaves) * (u / radius) ** ORDER, np.float64)
