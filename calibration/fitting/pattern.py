"""The pattern of a picture: what is left when brightness, vignetting and the dark outside the field are taken away."""

from dataclasses import dataclass

import numpy as np

from livecassi.calibration.calibration import Array32
from livecassi.drivers.opencv import cv2

NEIGHBOURHOOD_PX = 10.0  # standard deviation of the window in which mean and contrast are taken
_LEAST_CONTRAST = 0.15  # of the contrast where it is high; below lies no mask
_EDGE_PX = 5  # next to the dark the window's mean is no mean
_STRONGEST = 99.5  # percentile: brighter than this is cut, so that hot pixels do not lead


@dataclass(frozen=True)
class Pattern:
    """`values (H, W)`: zero mean and unit contrast in every neighbourhood, 0 where nothing is seen; `seen (H, W)`."""

    values: Array32
    seen: Array32

    def crop(self, rows: slice, columns: slice) -> "Pattern":
        """A part of it."""
        return Pattern(np.ascontiguousarray(self.values[rows, columns]), np.ascontiguousarray(self.seen[rows, columns]))


def pattern(picture: Array32) -> Pattern:
    """The pattern of a picture `(H, W)` in any unit; pixels that are not finite count as not seen."""
    finite = np.isfinite(picture)
    values = np.where(finite, picture, 0).astype(np.float32)
    values /= max(float(np.percentile(np.abs(values), 99)), 1e-12)
    mean, contrast = _local(values, finite.astype(np.float32))
    seen = finite & (contrast > _LEAST_CONTRAST * np.percentile(contrast, 90))
    if not seen.all():
        border = cv2.copyMakeBorder(seen.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        kernel = np.ones((2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1), np.uint8)
        inside = np.asarray(cv2.erode(border, kernel, borderType=cv2.BORDER_REPLICATE))[1:-1, 1:-1] > 0
        seen = inside if inside.any() else seen
        mean, contrast = _local(values, seen.astype(np.float32))
    values = np.where(seen, (values - mean) / np.maximum(contrast, 1e-9), 0).astype(np.float32)
    strongest = float(np.percentile(np.abs(values[seen]), _STRONGEST)) if seen.any() else 1.0
    return Pattern(np.clip(values, -1.2 * strongest, 1.2 * strongest), seen.astype(np.float32))


def _local(values: Array32, weights: Array32) -> tuple[Array32, Array32]:
    """Weighted mean and standard deviation in every neighbourhood."""
    total = np.maximum(_blur(weights), np.float32(1e-6))
    mean: Array32 = np.asarray(_blur(values * weights) / total, np.float32)
    squares = _blur(np.asarray((values - mean) ** 2 * weights, np.float32)) / total
    return mean, np.asarray(np.sqrt(squares), np.float32)


def _blur(image: Array32) -> Array32:
    blurred = cv2.GaussianBlur(image, (0, 0), NEIGHBOURHOOD_PX, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)
