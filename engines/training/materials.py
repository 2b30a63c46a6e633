"""The reference spectra that drawn scenes are made of, and that a task may derive its physics from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SpectralMaterials:
    """At `wavelengths_nm (L,)`: `curves (n, L)`, the principal curves of measured reflectances, with how far these
    spread along each, `spread (n,)`; and lights, `illuminants (m, L)`.
    """

    wavelengths_nm: Array64
    curves: Array64
    spread: Array64
    illuminants: Array64
