"""The spectra that random scenes are made of: measured ones, mixtures of principal curves, and smooth inventions."""

import importlib
import warnings
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.training.errors import TrainingDataError

Array64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SpectralMaterials:
    """What random spectra are drawn from, all at `wavelengths_nm (L,)`.

    `curves (n, L)`: principal curves of measured reflectances, the first the common shape, with `spread (n,)`: how far
    reflectances reach along each, the first being 1. `illuminants (m, L)`: power in any unit. `reflectances (k, L)`:
    measured ones, 0..1. Beyond the ends all are constant. Raises `TrainingDataError` where shapes do not agree.
    """

    wavelengths_nm: Array64
    curves: Array64
    spread: Array64
    illuminants: Array64
    reflectances: Array64 = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        length = len(self.wavelengths_nm)
        for name, rows in (("curves", len(self.spread)), ("illuminants", len(self.illuminants))):
            found = getattr(self, name)
            if found.shape != (rows, length) or rows == 0:
                raise TrainingDataError(f"{name} have shape {found.shape}, expected ({rows or 1}, {length})")
        if self.reflectances.size and self.reflectances.shape[1:] != (length,):
            raise TrainingDataError(f"reflectances have shape {self.reflectances.shape}, expected (k, {length})")
        arrays = (self.wavelengths_nm, self.curves, self.spread, self.illuminants, self.reflectances)
        if not all(np.isfinite(array).all() for array in arrays) or np.any(np.diff(self.wavelengths_nm) <= 0):
            raise TrainingDataError("spectral materials must be finite, and their wavelengths ascend; repair the table")
        if self.illuminants.min() < 0 or self.illuminants.max(axis=1).min() <= 0:
            raise TrainingDataError("illuminants must be at least 0 and not dark throughout; repair the table")


class Spectra:
    """Draws spectra at the band centres `wavelengths_nm (C,)`."""

    def __init__(self, materials: SpectralMaterials, wavelengths_nm: NDArray[np.floating]) -> None:
        self._nm = np.asarray(wavelengths_nm, np.float64)
        known = materials.wavelengths_nm
        self._curves = _at(self._nm, known, materials.curves)
        self._spread = materials.spread
        self._illuminants = _at(self._nm, known, materials.illuminants)
        measured = [_at(self._nm, known, materials.reflectances)] if materials.reflectances.size else []
        measured += [_at(self._nm, nm, values) for nm, values in _colour_science()]
        self._measured = np.clip(np.concatenate(measured), 0, 1) if measured else np.zeros((0, len(self._nm)))

    def reflectances(self, random: np.random.Generator, count: int) -> NDArray[np.float32]:
        """`(count, C)` in 0..1: measured ones where there are any, learned and invented ones about as often."""
        kinds = random.integers(0 if len(self._measured) else 1, 3, count)
        drawn = np.where((kinds == 1)[:, None], self._learned(random, count), self._invented(random, count))
        if len(self._measured):
            drawn = np.where((kinds == 0)[:, None], self._mixed_measured(random, count), drawn)
        return drawn.astype(np.float32)

    def illuminant(self, random: np.random.Generator) -> NDArray[np.float32]:
        """A lamp `(C,)` of mean 1, tempered by white light: cameras are balanced to their lamps more or less."""
        lamp = self._illuminants[random.integers(len(self._illuminants))]
        share = random.uniform(0.2, 0.7)
        return np.asarray(1 - share + share * lamp / max(float(lamp.mean()), 1e-12), np.float32)

    def _mixed_measured(self, random: np.random.Generator, count: int) -> Array64:
        """Two measured ones, mostly the first."""
        first, second = self._measured[random.integers(len(self._measured), size=(2, count))]
        share = 0.5 * random.random((count, 1)) ** 2
        mixed = (1 - share) * first + share * second
        return np.asarray(np.clip(mixed * random.uniform(0.6, 1.1, (count, 1)), 0, 1), np.float64)

    def _learned(self, random: np.random.Generator, count: int) -> Array64:
        """Normal draws along the principal curves, pulled towards the common shape until none is below 0."""
        draws = random.normal(0, 1, (count, len(self._spread))) * self._spread * random.lognormal(0, 0.3, (count, 1))
        common = np.abs(self._curves[0])
        beside = draws[:, 1:] @ self._curves[1:]
        allowed = np.min(np.where(beside < 0, -common / np.minimum(beside, -1e-9), np.inf), axis=1, keepdims=True)
        return _exposed(random, common + beside * np.minimum(0.97 * allowed, 1.0))

    def _invented(self, random: np.random.Generator, count: int) -> Array64:
        """A floor, two edges and two bumps of any steepness that materials show."""
        shape = (2, count, 1)
        edge, bump = random.uniform(390, 710, shape), random.uniform(400, 700, shape)
        steep = np.exp(random.uniform(np.log(6), np.log(60), shape)) * random.choice([-1, 1], shape)
        wide = np.exp(random.uniform(np.log(14), np.log(90), shape))
        heights = random.random((4, count, 1)) ** 1.5 * (random.random((4, count, 1)) < 0.6)
        curve = random.uniform(0.02, 0.4, (count, 1))
        for place in (0, 1):
            curve = curve + heights[place] / (1 + np.exp(-(self._nm - edge[place]) / steep[place]))
            curve = curve + heights[2 + place] * np.exp(-(((self._nm - bump[place]) / wide[place]) ** 2))
        return _exposed(random, curve)


def _exposed(random: np.random.Generator, curves: Array64) -> Array64:
    """Scaled so that the largest value is that of a paint between black and white."""
    largest = np.maximum(curves.max(axis=1, keepdims=True), 1e-9)
    height = 0.06 + 0.9 * random.random((len(curves), 1)) ** 0.8
    return np.asarray(np.clip(curves * (height / largest), 0, 1), np.float64)


def _at(wanted_nm: Array64, known_nm: Array64, curves: Array64) -> Array64:
    return np.stack([np.interp(wanted_nm, known_nm, curve) for curve in curves])


@cache
def _colour_science() -> tuple[tuple[Array64, Array64], ...]:
    """The measured reflectances of the optional package colour-science: charts, test samples, training patches."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it cannot plot
            colour = importlib.import_module("colour")
            samples = importlib.import_module("colour.quality.datasets")
    except ImportError:
        return ()
    tables = [*colour.SDS_COLOURCHECKERS.values(), *samples.SDS_TCS.values(), *samples.SDS_VS.values()]
    single = {id(one): one for table in tables for one in table.values()}
    spectra = [(np.array(one.wavelengths), np.array(one.values)[None]) for one in single.values()]
    patches = colour.characterisation.read_training_data_rawtoaces_v1()
    spectra.append((np.array(patches.wavelengths), np.array(patches.values).T))
    return tuple(spectra)
