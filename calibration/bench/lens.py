"""The lens before the sensor: point spread, stray light, vignetting."""

import numpy as np

from livecassi.calibration.calibration import Array32
from livecassi.drivers.opencv import cv2


def blur(image: Array32, sigma_px: float) -> Array32:
    """A Gaussian point spread; the edges are mirrored."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT), np.float32)


def with_stray(light: Array32, stray_share: float) -> Array32:
    """Takes a share of the light from where it belongs and spreads it widely."""
    share = np.float32(stray_share)
    height, width = light.shape
    small = cv2.resize(light, (max(8, width // 16), max(8, height // 16)), interpolation=cv2.INTER_AREA)
    glow = blur(np.asarray(small, np.float32), 0.12 * min(small.shape))
    wide = np.asarray(cv2.resize(glow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    wide *= share
    wide += (1 - share) * light
    return wide


def vignetting(height: int, width: int, loss: float) -> Array32:
    """Transmission `(H, W')`, 1 in the middle and `1 - loss` in the corners."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    squared = ((x + 0.5) / width - 0.5) ** 2 + ((y + 0.5) / height - 0.5) ** 2
    falloff: Array32 = np.asarray(1 - 2 * loss * squared, np.float32)
    return falloff
