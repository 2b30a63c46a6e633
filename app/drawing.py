"""Pictures without a window: text, lines and plots drawn into an array, and a PNG file that is never half written."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers import LivecassiError
from livecassi.drivers.opencv import cv2

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

BACKGROUND: Colour = (30, 31, 34)
PANEL: Colour = (39, 41, 45)
GRID: Colour = (62, 65, 71)
QUIET: Colour = (150, 154, 162)
BRIGHT: Colour = (232, 234, 238)

SUBPIXEL_BITS = 4  # fixed-point digits of OpenCV's line coordinates


class PictureError(LivecassiError):
    """A picture cannot be drawn or written."""


class Align(Enum):
    """Where a text stands from its point."""

    LEFT = 0.0
    CENTRE = 0.5
    RIGHT = 1.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels: `x`, `y` of the upper left corner, `width`, `height`."""

    x: int
    y: int
    width: int
    height: int


def blank(height: int, width: int, colour: Colour = BACKGROUND) -> Picture:
    """A picture `(height, width, 3)`, RGB."""
    return np.full((height, width, 3), colour, np.uint8)


def fill(picture: Picture, box: Box, colour: Colour) -> None:
    """Paint a rectangle."""
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = colour


def paste(picture: Picture, part: Picture, box: Box) -> None:
    """Put `part (H, W, 3)` into the box, shrunk by averaging or enlarged; its shape is the caller's to keep."""
    shrinks = box.width < part.shape[1]
    scaled = cv2.resize(part, (box.width, box.height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = scaled


def write(
    picture: Picture,
    text: str,
    x: float,
    y: float,
    *,
    size: int = 15,
    colour: Colour = BRIGHT,
    align: Align = Align.LEFT,
    bold: bool = False,
) -> int:
    """Write one line with its baseline at `y`; returns the width in pixels."""
    font = cv2.FontFace("sans")
    weight = 600 if bold else 400
    height, width = picture.shape[:2]
    extent = cv2.getTextSize((width, height), text, (0, 0), font, size, weight)
    length = int(extent[0] + extent[2])
    cv2.putText(picture, text, (round(x - align.value * length), round(y)), colour, font, size, weight)
    return length


def polyline(
    picture: Picture, points: NDArray[np.floating], colour: Colour, thickness: int = 1, *, closed: bool = False
) -> None:
    """Draw a smooth line through `points (N, 2)` as x, y in fractional pixels."""
    fixed = np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(picture, [fixed], closed, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def ring(picture: Picture, x: float, y: float, radius: float, colour: Colour) -> None:
    """Draw a circle with a dark rim, so that it shows on any ground."""
    turn = np.linspace(0, 2 * np.pi, 33)[:-1]
    points = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)
    polyline(picture, points, (0, 0, 0), 5, closed=True)
    polyline(picture, points, colour, 2, closed=True)


def ticks(low: float, high: float, at_most: int) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) within `low..high`, at most `at_most` of them."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / at_most))
    for step in (factor * power for factor in (1, 2, 2.5, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < at_most:
            return [number * step for number in range(first, last + 1)]
    return [low]


@dataclass(frozen=True, slots=True)
class Axes:
    """A plot area: `box` on the picture, and the values at its sides."""

    box: Box
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def place(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float64]:
        """Pixels `(N, 2)` of values; what lies beyond the vertical range is held at its side."""
        across = (np.asarray(x, np.float64) - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        up = ((np.asarray(y, np.float64) - self.y_range[0]) / (self.y_range[1] - self.y_range[0])).clip(0, 1)
        return np.stack([self.box.x + across * self.box.width, self.box.y + (1 - up) * self.box.height], axis=1)

    def draw(self, picture: Picture, x_label: str, y_label: str) -> None:
        """Grid, numbers at round values, and what the axes mean."""
        box = self.box
        bottom = box.y + box.height
        for value in ticks(*self.x_range, at_most=9):
            x = self.place(np.array([value]), np.array([self.y_range[0]]))[0, 0]
            polyline(picture, np.array([[x, box.y], [x, bottom]]), GRID)
            write(picture, f"{value:g}", x, bottom + 32, size=14, colour=QUIET, align=Align.CENTRE)
        for value in ticks(*self.y_range, at_most=6):
            y = self.place(np.array([self.x_range[0]]), np.array([value]))[0, 1]
            polyline(picture, np.array([[box.x, y], [box.x + box.width, y]]), GRID)
            write(picture, f"{value:.4g}", box.x - 8, y + 5, size=14, colour=QUIET, align=Align.RIGHT)
        write(picture, x_label, box.x + box.width / 2, bottom + 54, size=14, colour=QUIET, align=Align.CENTRE)
        write(picture, y_label, box.x, box.y - 10, size=14, colour=QUIET)

    def curve(
        self, picture: Picture, x: Sequence[float] | NDArray[np.floating], y: NDArray[np.floating], colour: Colour
    ) -> None:
        """One spectrum with a dot at every sample."""
        points = self.place(np.asarray(x, np.float64), y)
        polyline(picture, points, colour, 2)
        for point in points:
            centre = np.round(point * (1 << SUBPIXEL_BITS)).astype(int)
            cv2.circle(picture, centre.tolist(), 3 << SUBPIXEL_BITS, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def save_png(path: Path, picture: Picture) -> None:
    """Write `(H, W, 3)` RGB or `(H, W)` grey, uint8, as PNG; an older file stays until the new one is complete.

    Raises `PictureError` for another shape or type, and where the folder is missing or the disk is full.
    """
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.shape[2:] not in ((), (3,)):
        raise PictureError(
            f"a picture of shape {picture.shape} and type {picture.dtype} cannot be written, "
            "expected uint8 (H, W, 3) or (H, W); render it first"
        )
    encoded = cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)[1]
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(encoded.tobytes())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise PictureError(
            f"the picture {path} cannot be written: {error.strerror or error}; "
            "choose a folder that exists and has space"
        ) from error
