"""The frame: one raw exposure as it left the camera, and what the camera said about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frame:
    """One raw frame `(H, W')`, read-only, unpacked and low-aligned.

    `pixels` are digital numbers (uint8 or uint16, at most `2**bit_depth - 1`). A frame replayed from a file of
    floating-point measurements keeps them as float32 with `bit_depth` 0: it is a measurement already, and
    correction passes it on unchanged.

    `index` counts the exposures of the device, so a gap between neighbours means lost frames.
    `host_time_ns` is the host's monotonic clock at arrival; `device_time_ns` the device's own clock, if it has one.
    """

    pixels: Pixels
    index: int
    host_time_ns: int
    device_time_ns: int | None = None
    exposure_us: float = 0.0
    gain_db: float = 0.0
    bit_depth: int = 12
    temperature_c: float | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2:
            raise ValueError(f"a frame is two-dimensional (H, W'), found shape {self.pixels.shape}")
        if self.pixels.dtype not in (np.uint8, np.uint16, np.float32):
            raise ValueError(f"a frame holds uint8, uint16 or float32 pixels, found {self.pixels.dtype}")
        self.pixels.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns `(H, W')`."""
        return self.pixels.shape

    @property
    def full_scale(self) -> float:
        """The largest digital number that the device can deliver; 1.0 for a floating-point measurement."""
        return float(2**self.bit_depth - 1) if self.bit_depth else 1.0

    def saturated_fraction(self) -> float | None:
        """Share of the raw pixels at full scale, 0..1; None for a floating-point measurement."""
        if not self.bit_depth:
            return None
        return float(np.count_nonzero(self.pixels >= self.full_scale)) / self.pixels.size
