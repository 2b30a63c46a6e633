"""What the scene is made of: measured reflectances, in the compact basis that renders them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError

BASIS_ERROR = 1e-2  # largest error of any reflectance at any wavelength; 0.0013 root mean square
FLAT = "flat"  # reflects every wavelength alike: highlights


@dataclass(frozen=True)
class Spectrum:
    """One spectrum `values (L,)` at ascending `wavelengths_nm (L,)`; constant beyond its ends."""

    wavelengths_nm: NDArray[np.float64]
    values: NDArray[np.float64]

    def at(self, wavelengths_nm: ArrayLike) -> NDArray[np.float64]:
        """Linear interpolation."""
        return np.interp(np.asarray(wavelengths_nm, np.float64), self.wavelengths_nm, self.values)


@dataclass(frozen=True)
class Materials:
    """Named reflectances (N spectra) and the K basis spectra whose sums they are, to within 0.01.

    Light is linear, so a scene needs only K coefficient images `(K, H, W)` whatever the number of materials.
    The spectra rendered are those of the basis: the truth of a simulated scene is exact, and not its input table.
    """

    reflectances: dict[str, Spectrum]
    grid_nm: NDArray[np.float64] = field(default_factory=lambda: np.arange(396.0, 721.0, 2.0))

    def __post_init__(self) -> None:
        named = {**self.reflectances, FLAT: Spectrum(np.array([380.0, 780.0]), np.ones(2))}
        table = np.stack([spectrum.at(self.grid_nm) for spectrum in named.values()])
        if not np.isfinite(table).all():
            raise CalibrationInvalidError("reflectances hold NaN or infinite values, expected numbers; repair them")
        left, strength, basis = np.linalg.svd(table, full_matrices=False)
        count = next(k for k in range(1, len(named) + 1) if self._error(table, left, strength, basis, k) <= BASIS_ERROR)
        object.__setattr__(self, "_basis", basis[:count])
        coefficients = (left[:, :count] * strength[:count]).astype(np.float32)
        object.__setattr__(self, "_coefficients", dict(zip(named, coefficients, strict=True)))

    _basis: NDArray[np.float64] = field(init=False, repr=False)
    _coefficients: dict[str, Array32] = field(init=False, repr=False)

    @property
    def basis_size(self) -> int:
        """K."""
        return len(self._basis)

    def __getitem__(self, name: str) -> Array32:
        """The coefficients `(K,)` of a material."""
        if name not in self._coefficients:
            raise CalibrationInvalidError(
                f"the simulated scene needs the reflectance '{name}', found only: {', '.join(self._coefficients)}; "
                "add it to the materials"
            )
        return self._coefficients[name]

    def palette(self, *names: str) -> Array32:
        """The coefficients of several materials as columns `(K, N)`."""
        return np.stack([self[name] for name in names], axis=1)

    def basis_at(self, wavelengths_nm: ArrayLike) -> NDArray[np.float64]:
        """The basis spectra `(K, L)` at some wavelengths."""
        wanted = np.asarray(wavelengths_nm, np.float64)
        return np.stack([np.interp(wanted, self.grid_nm, row) for row in self._basis])

    @staticmethod
    def _error(
        table: NDArray[np.float64],
        left: NDArray[np.float64],
        strength: NDArray[np.float64],
        basis: NDArray[np.float64],
        count: int,
    ) -> float:
        if count == len(strength):
            return 0.0
        return float(np.abs((left[:, :count] * strength[:count]) @ basis[:count] - table).max())
