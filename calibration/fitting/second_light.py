"""Second light: whether another line shines beside the one that a picture was taken under.

What the prediction leaves of the picture is compared with the mask at every other shift. Light that lies within some
columns of the line itself only widens it, and is not told.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from livecassi.calibration.calibration import Array32
from livecassi.calibration.fitting.brightness import fit_brightness
from livecassi.calibration.fitting.projection import Geometry
from livecassi.calibration.fitting.robust import robust_sigma
from livecassi.drivers.opencv import cv2

NEAREST_PX = 4.0  # from the line's own smear
FARTHEST_PX = 100
SIGNIFICANCE = 6.0  # robust standard deviations by which it must stand out among all shifts
_SMOOTH_PX = 6.0
_LEAST_SEEN = 0.3  # of the mask's columns that a shift must bring onto the camera


@dataclass(frozen=True)
class SecondLight:
    """`share` of the line's own light, 0 where none stands out; `away_px`: from the line's picture to the other."""

    share: float
    away_px: int


def second_light(picture: Array32, predicted: Array32, mask: Array32, geometry: Geometry) -> SecondLight:
    """The strongest one in a picture `(H, W')` of the mask `(H, width)`, `predicted` as `predict` does."""
    inside = predicted > 0
    brightness = fit_brightness(picture, predicted, inside, slow=True)
    left = np.where(inside, picture - brightness.apply(predicted), picture - np.float32(brightness.background))
    left = np.clip(left / np.float32(brightness.gain), -0.5, 1.0).astype(np.float32)
    own = round(geometry.shift_px)
    shares, shifts = _shares(_fine(left), _fine(mask), own)
    reach = NEAREST_PX + float(np.abs(geometry.kernel.offsets_px).max())
    other = np.abs(shifts - geometry.shift_px) > reach
    if other.sum() < 8:
        return SecondLight(0.0, 0)
    noise = robust_sigma(shares[other] - np.median(shares[other]))
    best = int(np.argmax(np.where(other, shares, -np.inf)))
    found = float(shares[best])
    return SecondLight(found if found > SIGNIFICANCE * noise else 0.0, int(shifts[best]) - own)


def _shares(left: Array32, mask: Array32, own: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How much of the mask, displaced by whole columns, is in what is left: least squares at each shift."""
    width, seen = mask.shape[1], left.shape[1]
    shifts = np.arange(max(own - FARTHEST_PX, 1 - width), min(own + FARTHEST_PX, seen - 1) + 1)
    size = fft.next_fast_len(width + seen, real=True)
    power = (mask.astype(np.float64) ** 2).sum(axis=0)
    product = fft.irfft((fft.rfft(left, size) * fft.rfft(mask, size).conj()).sum(axis=0), size)[shifts % size]
    total = np.concatenate([[0.0], np.cumsum(power)])
    first, last = np.clip(-shifts, 0, width), np.clip(seen - shifts, 0, width)
    energy = total[last] - total[first]
    enough = last - first >= _LEAST_SEEN * min(width, seen)
    return (product / np.maximum(energy, 1e-9))[enough], shifts[enough]


def _fine(image: Array32) -> Array32:
    smooth = cv2.GaussianBlur(image, (0, 0), _SMOOTH_PX, borderType=cv2.BORDER_REFLECT)
    return np.asarray(image - smooth, np.float32)
