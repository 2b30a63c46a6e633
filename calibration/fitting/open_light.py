"""The light that an open aperture gives, and stray light: a share spread widely instead of going where it belongs."""

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32, System
from livecassi.drivers.opencv import cv2

WIDTH_SHARE = 0.2  # standard deviation of the glow, of the shorter side; results hardly depend on it


def wide_glow(light: Array32) -> Array32:
    """The light `(H, W')` spread widely, with the same mean."""
    sigma = WIDTH_SHARE * min(light.shape)
    return np.asarray(cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def with_glow(light: Array32, share: float) -> Array32:
    """The light `(H, W')` after a share of it has been spread widely."""
    return np.float32(1 - share) * light + np.float32(share) * wide_glow(light)


def open_light(
    response: Array32, edges_px: NDArray[np.float64], system: System, shape: tuple[int, int], stray_share: float = 0.0
) -> Array32:
    """What an open aperture and an even white give without vignetting, relative to all bands, `(H, W')`.

    `edges_px (C + 1,)`: shifts at which the bands begin and end. A single disperser: light reaches the columns from
    its shift to the width of the scene beyond it, so that both sides are ramps. A dual disperser: 1.
    """
    if not system.single_disperser:
        return np.ones(shape, np.float32)
    arrived = np.concatenate([[0.0], np.cumsum(response, dtype=np.float64)]) / float(response.sum())
    last = edges_px[-1] - (edges_px[-1] - edges_px[-2]) / 2
    width = shape[1] - int(np.ceil(float(last) - 0.01))
    place = (np.arange(8 * shape[1]) + 0.5) / 8  # eighths of columns, from the left edge of the first
    row = np.interp(place, edges_px, arrived) - np.interp(place - width, edges_px, arrived)
    light = np.tile(row.reshape(-1, 8).mean(axis=1).astype(np.float32), (shape[0], 1))
    return with_glow(light, stray_share)
