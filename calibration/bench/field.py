"""What a disperser does unevenly over the field: smile and keystone."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from livecassi.calibration.calibration import Array32


@dataclass(frozen=True, slots=True)
class FieldShift:
    """Added to the shift of every wavelength: `smile v² + keystone u` columns at the camera's pixel (u, v).

    u, v = -1..1 from the first to the last column and row of the camera.
    """

    smile_px: float
    keystone_px: float
    height: int
    width: int  # of the camera's frame

    def columns(self, width: int | None = None) -> Array32:
        """The added shift `(H, width)` of the first `width` columns; beyond the camera it goes on evenly."""
        v = np.linspace(-1, 1, self.height)[:, None]
        u = 2 * np.arange(width or self.width)[None, :] / (self.width - 1) - 1
        return np.asarray(self.smile_px * v**2 + self.keystone_px * u, np.float32)

    def displaced(self, pictures: Array32, direction: int) -> Array32:
        """Pictures `(..., H, W)` in camera pixels whose content moves by `direction` times the added shift."""
        height, width = pictures.shape[-2:]
        at = np.arange(width) - direction * self.columns(width)
        flat = [sampled(picture, at) for picture in pictures.reshape(-1, height, width)]
        return np.stack(flat).reshape(pictures.shape)


def sampled(picture: Array32, columns: Array32) -> Array32:
    """The picture `(H, F)` read at fractional columns `(H, W)`, by cubic splines; its edges repeat."""
    rows = np.broadcast_to(np.arange(len(picture), dtype=np.float64)[:, None], columns.shape)
    return np.asarray(map_coordinates(picture, [rows, columns], order=3, mode="nearest"), np.float32)
