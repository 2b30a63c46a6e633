"""The measurement: a frame after correction, ready for an engine."""

from dataclasses import dataclass
from enum import Flag, auto

import numpy as np
from numpy.typing import NDArray


class MeasurementFlag(Flag):
    """What an operator should know about a measurement before trusting it."""

    NONE = 0
    SATURATED = auto()  # raw pixels at full scale
    EXPOSURE_MISMATCH = auto()  # the exposure differs from that of the calibration's dark
    GAIN_MISMATCH = auto()  # the gain does
    TEMPERATURE_MISMATCH = auto()  # the temperature does
    NO_DARK = auto()  # the calibration holds no dark frame
    PEDESTAL_REMOVED = auto()  # an estimated constant was subtracted
    DARK_MISMATCH = EXPOSURE_MISMATCH | GAIN_MISMATCH | TEMPERATURE_MISMATCH  # any of them: `flags & DARK_MISMATCH`


@dataclass(frozen=True, slots=True)
class Measurement:
    """`values (H, W')` float32 of full scale after dark and flat. Noise below 0 is kept, not clipped.

    `saturated_fraction` is taken from the raw frame; None where there was none.
    """

    values: NDArray[np.float32]
    calibration_id: str
    frame_index: int = 0
    host_time_ns: int = 0
    flags: MeasurementFlag = MeasurementFlag.NONE
    saturated_fraction: float | None = None
