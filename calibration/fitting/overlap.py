"""The whole-pixel shift at which two pictures match best where they overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from livecassi.calibration.calibration import Array32
from livecassi.calibration.fitting.pattern import Pattern

_LEAST_OVERLAP = 0.2  # of what the smaller picture shows
_COLUMNS_APART, _ROWS_APART = 4, 2  # px from the best within which nothing rivals it
_RIVAL = 0.93  # of the best correlation: too near to tell


@dataclass(frozen=True)
class Overlap:
    """Shift (columns, rows), correlation there, and another shift that matches nearly as well, or None."""

    dx: int
    dy: int
    correlation: float
    rival: tuple[int, int] | None


def best_overlap(image: Pattern, reference: Pattern, columns: tuple[int, int], rows: tuple[int, int]) -> Overlap:
    """Where `reference` lies in `image`, from the first to the last of `columns` and of `rows`.

    Normalised cross-correlation over exactly the pixels that both show at each shift.
    """
    scores = _scores(image, reference, columns, rows)
    best = int(np.argmax(scores))
    y, x = np.unravel_index(best, scores.shape)
    others = scores.copy()
    others[max(y - _ROWS_APART, 0) : y + _ROWS_APART + 1, max(x - _COLUMNS_APART, 0) : x + _COLUMNS_APART + 1] = -1
    second = int(np.argmax(others))
    rival = None
    if others.flat[second] > _RIVAL * scores.flat[best]:
        other_y, other_x = np.unravel_index(second, scores.shape)
        rival = columns[0] + int(other_x), rows[0] + int(other_y)
    return Overlap(columns[0] + int(x), rows[0] + int(y), float(scores.flat[best]), rival)


def _scores(image: Pattern, reference: Pattern, columns: tuple[int, int], rows: tuple[int, int]) -> NDArray[np.float64]:
    """Correlations `(shifts along y, shifts along x)`; 0 where the two hardly overlap."""
    shape = [
        fft.next_fast_len(a + b, real=True) for a, b in zip(image.values.shape, reference.values.shape, strict=True)
    ]

    def spectrum(values: Array32) -> NDArray[np.complex64]:
        return np.asarray(fft.rfft2(values, shape))

    def at_shifts(first: NDArray[np.complex64], second: NDArray[np.complex64]) -> NDArray[np.float64]:
        whole = np.asarray(fft.irfft2(first * second.conj(), shape))
        y = np.arange(rows[0], rows[1] + 1) % shape[0]
        x = np.arange(columns[0], columns[1] + 1) % shape[1]
        return whole[np.ix_(y, x)].astype(np.float64)

    seen, wanted = spectrum(image.seen), spectrum(reference.seen)
    products = at_shifts(spectrum(image.values), spectrum(reference.values))
    energy = at_shifts(spectrum(image.values**2), wanted) * at_shifts(seen, spectrum(reference.values**2))
    shared = at_shifts(seen, wanted)
    enough = shared > _LEAST_OVERLAP * min(image.seen.sum(), reference.seen.sum())
    return np.where(enough, products / np.sqrt(np.maximum(energy, 1e-6)), 0)
