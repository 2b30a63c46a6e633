"""The canvas: coefficient images on which objects are laid, one over the other, with smooth edges."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32

Light = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Patch:
    """A window on the canvas: slices, and pixel coordinates `x (1, w)` and `y (h, 1)` relative to its middle."""

    rows: slice
    columns: slice
    x: Array32
    y: Array32


class Canvas:
    """Coefficients `(K, H, W)`; positions in pixels, rows downwards. `unit` is the smaller side in pixels."""

    def __init__(self, coefficients: Array32) -> None:
        self.coefficients = coefficients
        self.height, self.width = coefficients.shape[1:]
        self.unit = float(min(self.height, self.width))

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Pixels `(x, y)` of a relative position, 0..1 across and down."""
        return u * self.width, v * self.height

    def patch(self, x: float, y: float, half_width: float, half_height: float) -> Patch | None:
        """The window around `(x, y)`; None where it lies outside the canvas."""
        top, bottom = max(0, int(y - half_height) - 1), min(self.height, int(y + half_height) + 3)
        left, right = max(0, int(x - half_width) - 1), min(self.width, int(x + half_width) + 3)
        if top >= bottom or left >= right:
            return None
        across = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - x)
        down = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)
        return Patch(slice(top, bottom), slice(left, right), across, down)

    def cover(self, patch: Patch, opacity: Array32, colour: Array32) -> None:
        """Lay `colour (K, h, w)` or `(K, 1, 1)` over what is there, as far as `opacity (h, w)` hides it."""
        below = self.coefficients[:, patch.rows, patch.columns]
        change = colour - below
        change *= opacity
        below += change

    def darken(self, patch: Patch, transmission: Array32) -> None:
        """A shadow: multiply what is there."""
        self.coefficients[:, patch.rows, patch.columns] *= transmission


def edge(distance_px: Array32) -> Array32:
    """Opacity of a shape from the signed distance to its border, positive inside: smooth over one pixel."""
    covered: Array32 = np.clip(distance_px + np.float32(0.5), 0, 1)
    return covered


def soft_shadow(canvas: Canvas, x: float, y: float, half_width: float, half_height: float, depth: float) -> None:
    """An elliptical contact shadow that removes the share `depth` of the light in its middle."""
    patch = canvas.patch(x, y, 2.2 * half_width, 2.2 * half_height)
    if patch is not None:
        squared = (patch.x / np.float32(half_width)) ** 2 + (patch.y / np.float32(half_height)) ** 2
        canvas.darken(patch, 1 - np.float32(depth) * np.exp(-squared))
