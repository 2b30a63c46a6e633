"""Picked pixels: numbered, coloured places in the scene whose spectra an operator follows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

PICK_COLOURS = ("#4cc9f0", "#ffb02e", "#8bd450", "#ff6fa3", "#b79cff", "#f4e76e", "#35d0ba", "#d8dee9")
MOST_PICKS = len(PICK_COLOURS)
WINDOW_SIZES = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Pick:
    """Pick `number` (1..8) at a pixel of the scene; the number decides the colour."""

    number: int
    row: int
    column: int

    @property
    def colour(self) -> str:
        """Its colour as #rrggbb."""
        return PICK_COLOURS[(self.number - 1) % MOST_PICKS]


class Picks:
    """Up to eight picks. A number that was removed is given out again, so colours stay distinct."""

    def __init__(self) -> None:
        self._picks: dict[int, Pick] = {}

    def __len__(self) -> int:
        return len(self._picks)

    def __iter__(self) -> Iterator[Pick]:
        return iter([self._picks[number] for number in sorted(self._picks)])

    def add(self, row: int, column: int) -> Pick | None:
        """A new pick with the lowest free number, or None where all are in use."""
        free = [number for number in range(1, MOST_PICKS + 1) if number not in self._picks]
        if not free:
            return None
        pick = Pick(free[0], row, column)
        self._picks[pick.number] = pick
        return pick

    def move(self, number: int, row: int, column: int) -> None:
        """Put a pick elsewhere. Raises `KeyError` for a number that is not in use."""
        self._picks[number] = replace(self._picks[number], row=row, column=column)

    def remove(self, number: int) -> None:
        """Forget one pick; a number that is not in use is no error."""
        self._picks.pop(number, None)

    def clear(self) -> None:
        """Forget all picks."""
        self._picks.clear()

    def keep_inside(self, height: int, width: int) -> None:
        """Forget the picks that lie outside a scene of another size."""
        self._picks = {n: p for n, p in self._picks.items() if p.row < height and p.column < width}


def mean_spectrum(values: NDArray[np.float32], row: int, column: int, size: int = 1) -> NDArray[np.float32]:
    """The mean spectrum `(C,)` of the `size` x `size` pixels around a pixel of a cube `(C, H, W)`.

    At the border of the scene the part of the window that lies inside counts. Raises `IndexError` outside.
    """
    _, height, width = values.shape
    if not (0 <= row < height and 0 <= column < width):
        raise IndexError(f"pixel ({row}, {column}) lies outside a scene of {height} x {width}")
    reach = size // 2
    window = values[:, max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    mean: NDArray[np.float32] = window.mean(axis=(1, 2), dtype=np.float32)
    return mean


def nearest_band(wavelengths_nm: NDArray[np.float32], wavelength_nm: float) -> int:
    """The index of the band whose centre is nearest."""
    return int(np.argmin(np.abs(wavelengths_nm - wavelength_nm)))
