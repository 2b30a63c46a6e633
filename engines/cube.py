"""The cube: what an engine makes of a measurement."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Quantity(StrEnum):
    """What the values of a cube mean."""

    RELATIVE = "relative"
    RADIANCE = "radiance"
    REFLECTANCE = "reflectance"


@dataclass(frozen=True, slots=True)
class Cube:
    """`values (C, H, W)` float32, bands first, with the band centres `wavelengths_nm (C,)`.

    `spread (C, H, W)`, in the same units, says how far apart the results were that `values` are the mean of, where an
    engine makes several.
    """

    values: NDArray[np.float32]
    wavelengths_nm: NDArray[np.float32]
    calibration_id: str
    engine: str
    frame_index: int = 0
    host_time_ns: int = 0
    quantity: Quantity = Quantity.RELATIVE
    spread: NDArray[np.float32] | None = None
