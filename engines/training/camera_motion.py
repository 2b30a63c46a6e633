"""How a camera moves over a clip: it pans by parts of a pixel, turns a little and comes nearer."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class MotionRange:
    """How far the camera moves at most: pan in px a frame, turn in degrees a frame, zoom as a share a frame.

    `still_share` of the clips are not moved at all.
    """

    fastest_px: float = 10.0
    fastest_turn_degrees: float = 0.5
    fastest_zoom: float = 0.005
    still_share: float = 0.1


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Where the camera looks in each of T frames, beside its middle position.

    `offsets_px (T, 2)`: rows and columns, `turns (T,)` radians from columns towards rows, `zooms (T,)` px of the scene
    per px of the frame.
    """

    offsets_px: NDArray[np.float64]
    turns: NDArray[np.float64]
    zooms: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.turns)

    def margin_px(self, height: int, width: int) -> tuple[int, int]:
        """How far frames of this size look beyond their middle position, in rows and columns."""
        corner = np.hypot(height, width) / 2
        beyond = corner * float(np.abs(self.turns).max() + np.abs(self.zooms - 1).max())
        reach = np.abs(self.offsets_px).max(axis=0) + beyond
        return int(np.ceil(reach[0])), int(np.ceil(reach[1]))

    def within(self, rows_px: float, columns_px: float) -> "CameraPath":
        """The same path, made slower where its pan would leave this much room on either side."""
        reach = np.abs(self.offsets_px).max(axis=0)
        shares = np.minimum(1.0, np.array([rows_px, columns_px]) / np.maximum(reach, 1e-9))
        return CameraPath(self.offsets_px * max(float(shares.min()), 0.0), self.turns, self.zooms)


def draw_path(random: np.random.Generator, frames: int, motion: MotionRange) -> CameraPath:
    """A path whose speed changes little from frame to frame, slow ones more often than fast ones."""
    speed = motion.fastest_px * random.random() ** 1.5 * (random.random() >= motion.still_share)
    heading = random.uniform(0, 2 * np.pi) + np.cumsum(random.normal(0, 0.25, frames))
    pace = speed * np.clip(random.uniform(0.7, 1.0) + random.normal(0, 0.1, frames), 0, 1)
    steps = pace[:, None] * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    unmoved = speed == 0 or frames == 1
    turn, zoom = random.uniform(-1, 1, 2) * (0.0 if unmoved else 1.0) * random.integers(0, 2, 2)
    beside = np.arange(frames) - (frames - 1) / 2
    places = np.cumsum(steps, axis=0)
    return CameraPath(
        places - (places.max(axis=0) + places.min(axis=0)) / 2,
        np.deg2rad(motion.fastest_turn_degrees) * turn * beside,
        1 + motion.fastest_zoom * zoom * beside,
    )


def look_along(image: Tensor, path: CameraPath, height: int, width: int) -> Tensor:
    """The frames `(T, C, height, width)` that the camera sees of `image (C, H', W')`, its middle over the image's.

    Bilinear between pixels; beyond the image's border it is mirrored.
    """
    frames = len(path)
    grids = torch.from_numpy(_places(path, height, width, image.shape[-2], image.shape[-1])).to(image.device)
    return torch.nn.functional.grid_sample(
        image.expand(frames, *image.shape), grids, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def _places(path: CameraPath, height: int, width: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Where each pixel of each frame looks, `(T, height, width, 2)`: columns, rows; -1 and 1 are the borders."""
    down = (np.arange(height) - (height - 1) / 2)[None, :, None]
    across = (np.arange(width) - (width - 1) / 2)[None, None, :]
    cos = (path.zooms * np.cos(path.turns))[:, None, None]
    sin = (path.zooms * np.sin(path.turns))[:, None, None]
    row = cos * down + sin * across + path.offsets_px[:, 0, None, None]
    column = cos * across - sin * down + path.offsets_px[:, 1, None, None]
    return np.stack([2 * column / columns, 2 * row / rows], axis=-1).astype(np.float32)
