"""The spectral basis: a few smooth curves whose mixtures describe the spectra of nearly every scene.

Each curve carries a spread: how much scenes vary along it. The solver works in coefficients that are scaled by that
spread, so that one total-variation weight fits them all and rare spectral shapes must pay more than common ones.
"""

from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineError

Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]

LEAST_SPREAD = 1e-4  # relative to the first curve
DCT_DECAY = 1.6  # spread of cosine k is (1 + k) ** -DCT_DECAY, about that of measured reflectances
TOLERANCE_NM = 5.0  # how far outside its range the learned basis is still trusted


class SpectralBasisError(EngineError):
    """A table of spectral curves cannot be used."""


@dataclass(frozen=True, slots=True)
class SpectralBasis:
    """`components (n, L)` at `wavelengths_nm (L,)`, ordered by falling `spread (n,)`."""

    wavelengths_nm: Array64
    components: Array64
    spread: Array64
    name: str = "learned"

    def __post_init__(self) -> None:
        count = len(self.spread)
        if self.components.shape != (count, len(self.wavelengths_nm)) or count == 0:
            raise SpectralBasisError(
                f"spectral basis '{self.name}': components have shape {self.components.shape}, expected "
                f"({count}, {len(self.wavelengths_nm)}) from spread and wavelengths_nm"
            )
        values = (self.wavelengths_nm, self.components, self.spread)
        if not all(np.isfinite(array).all() for array in values):
            raise SpectralBasisError(f"spectral basis '{self.name}' holds NaN or infinite values")
        if np.any(np.diff(self.wavelengths_nm) <= 0) or self.spread.min() <= 0:
            raise SpectralBasisError(f"spectral basis '{self.name}': wavelengths must ascend and spreads be above 0")

    def covers(self, wavelengths_nm: NDArray[np.floating]) -> bool:
        """Whether these bands lie inside the range that the curves were measured on."""
        low, high = self.wavelengths_nm[0] - TOLERANCE_NM, self.wavelengths_nm[-1] + TOLERANCE_NM
        return bool(low <= wavelengths_nm.min() and wavelengths_nm.max() <= high)

    def sampled(self, wavelengths_nm: NDArray[np.floating], rank: int, exponent: float) -> Array32:
        """Scaled curves `(C, rank)` at the given bands: orthogonal columns, the first of norm 1.

        The curves' covariance is sampled at the bands and its leading eigenvectors are taken, so that they are
        orthogonal on these very bands. Column k has the norm of its relative spread to the power `exponent`: 0 treats
        all curves alike, 1 trusts the measured spreads fully.
        """
        at_bands = np.stack([np.interp(wavelengths_nm, self.wavelengths_nm, curve) for curve in self.components])
        spread = at_bands.T * self.spread
        vectors, singular, _ = np.linalg.svd(spread, full_matrices=True)
        padded = np.zeros(max(rank, len(singular)))
        padded[: len(singular)] = singular
        return _scaled(vectors[:, :rank], padded[:rank], exponent)


def dct_basis(bands: int, rank: int, exponent: float) -> Array32:
    """Scaled cosine curves `(C, rank)`: a basis that knows nothing about reflectances, for any wavelengths."""
    k, c = np.arange(rank), np.arange(bands)[:, None]
    curves = np.cos(np.pi * (c + 0.5) * k / bands)
    return _scaled(curves / np.linalg.norm(curves, axis=0), (1.0 + k) ** -DCT_DECAY, exponent)


def _scaled(vectors: NDArray[np.floating], spread: NDArray[np.floating], exponent: float) -> Array32:
    relative = np.maximum(spread / spread[0], LEAST_SPREAD) ** exponent
    signs = np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)
    return np.ascontiguousarray(vectors * signs * relative, np.float32)


def parse_basis_table(text: str, name: str | PurePath) -> SpectralBasis:
    """A basis from CSV text: header `wavelength_nm,1,2,...`, a line `spread,...`, then one line per wavelength.

    Lines that begin with # are remarks. Raises `SpectralBasisError`.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 3 or not lines[1].startswith("spread,"):
        raise SpectralBasisError(f"{name}: expected a header, a line 'spread,...' and one line per wavelength")
    try:
        spread = np.array([float(word) for word in lines[1].split(",")[1:]])
        rows = np.array([[float(word) for word in line.split(",")] for line in lines[2:]])
    except ValueError as error:
        raise SpectralBasisError(f"{name}: expected numbers separated by commas, found: {error}") from error
    return SpectralBasis(rows[:, 0], np.ascontiguousarray(rows[:, 1:].T), spread, PurePath(name).stem)
