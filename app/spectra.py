"""The shipped reference spectra: observer, illuminants and measured reflectances."""

import csv
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.drivers import LivecassiError

OBSERVER = "cie1931"
ILLUMINANTS = "illuminants"
COLOUR_CHECKER = "colorchecker"
MEMORY_COLOURS = "memory_colours"


class SpectraError(LivecassiError):
    """A spectrum or a table of spectra is not there or is broken."""


@dataclass(frozen=True, slots=True)
class SpectralTable:
    """Named spectra on one wavelength axis: `wavelengths_nm (L,)`, ascending, and `values (N, L)`, float64."""

    wavelengths_nm: NDArray[np.float64]
    names: tuple[str, ...]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        expected = (len(self.names), len(self.wavelengths_nm))
        if self.values.shape != expected:
            raise SpectraError(
                f"a table of {expected[0]} spectra at {expected[1]} wavelengths holds values of shape "
                f"{self.values.shape}, expected {expected}; repair the table"
            )
        if not (np.isfinite(self.values).all() and np.isfinite(self.wavelengths_nm).all()):
            raise SpectraError("a table of spectra holds NaN or infinite values, expected numbers; repair the table")
        if np.any(np.diff(self.wavelengths_nm) <= 0):
            raise SpectraError("the wavelengths of a table of spectra must ascend; sort its rows")

    def at(self, wavelengths_nm: ArrayLike) -> NDArray[np.float64]:
        """All spectra at other wavelengths `(N, K)`: linear between the samples, constant beyond the ends."""
        wanted = np.asarray(wavelengths_nm, np.float64)
        return np.stack([np.interp(wanted, self.wavelengths_nm, row) for row in self.values])

    def select(self, *names: str) -> "SpectralTable":
        """Only the named spectra, in that order. Raises `SpectraError` for an unknown name."""
        for name in names:
            if name not in self.names:
                raise SpectraError(f"there is no spectrum '{name}'; choose one of: {', '.join(self.names)}")
        rows = [self.names.index(name) for name in names]
        return SpectralTable(self.wavelengths_nm, names, self.values[rows])


def parse_spectra(text: str, name: str) -> SpectralTable:
    """A table from CSV text: a header row, wavelengths in nm in the first column. `name` serves error messages."""
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if len(rows) < 3 or len(rows[0]) < 2:
        raise SpectraError(
            f"table '{name}' has {len(rows)} rows, expected a header row and at least two wavelengths; repair the file"
        )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise SpectraError(
                f"table '{name}', row {number}: found {len(row)} columns, expected {len(rows[0])}; repair the file"
            )
    try:
        numbers = np.array([[float(cell) for cell in row] for row in rows[1:]])
    except ValueError as error:
        raise SpectraError(f"table '{name}' holds something that is not a number: {error}; repair the file") from error
    return SpectralTable(numbers[:, 0], tuple(rows[0][1:]), np.ascontiguousarray(numbers[:, 1:].T))


def load_spectra(name: str) -> SpectralTable:
    """A shipped table: `cie1931`, `illuminants`, `colorchecker` or `memory_colours`."""
    folder = resources.files("livecassi.resources") / "spectra"
    file = folder / f"{name}.csv"
    if not file.is_file():
        known = ", ".join(sorted(f.name.removesuffix(".csv") for f in folder.iterdir() if f.name.endswith(".csv")))
        raise SpectraError(f"there is no table of spectra '{name}'; choose one of: {known}")
    return parse_spectra(file.read_text(encoding="utf-8"), name)
