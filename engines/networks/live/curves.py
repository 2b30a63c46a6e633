"""The spectral curves of the live network: it works on coefficients, so that it fits any number of bands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.gap_tv import SpectralBasis
from livecassi.engines.gap_tv.plan import DUAL_EXPONENT, SINGLE_EXPONENT

Array32 = NDArray[np.float32]

START_RANK = 8  # curves of the start
RANK = 12  # curves of the result
CURVES = ("wavelengths_nm", "unit", "spread")  # the tensors of `Curves` in a file of weights


@dataclass(frozen=True, slots=True)
class Curves:
    """`unit (L, R)`: orthonormal columns at `wavelengths_nm (L,)`, linear between them.

    The start uses the first of them, each times its `spread (r,)`.
    """

    wavelengths_nm: Array32
    unit: Array32
    spread: Array32

    def at(self, wavelengths_nm: NDArray[np.floating]) -> Array32:
        """The curves `(C, R)` at other band centres, nm."""
        columns = [np.interp(wavelengths_nm, self.wavelengths_nm, curve) for curve in self.unit.T]
        return np.ascontiguousarray(np.stack(columns, axis=1), np.float32)

    def start_basis(self, wavelengths_nm: NDArray[np.floating]) -> Array32:
        """The basis `(C, r)` of the start's solver."""
        return np.ascontiguousarray(self.at(wavelengths_nm)[:, : len(self.spread)] * self.spread)


def learned_curves(learned: SpectralBasis, wavelengths_nm: NDArray[np.floating], single_disperser: bool) -> Curves:
    """The curves that a network is trained with: those of gap-tv at these band centres, and a few more."""
    exponent = SINGLE_EXPONENT if single_disperser else DUAL_EXPONENT
    bands = len(wavelengths_nm)
    unit = learned.sampled(wavelengths_nm, min(RANK, bands), 0.0)
    start = learned.sampled(wavelengths_nm, min(START_RANK, bands), exponent)
    return Curves(np.asarray(wavelengths_nm, np.float32), unit, np.linalg.norm(start, axis=0).astype(np.float32))
