"""Pictures: what of a result is put on the screen."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from livecassi.app.colour import ColourRenderer
from livecassi.app.levels import AutoLevels, Levels, robust_levels, thinned
from livecassi.calibration import Calibration
from livecassi.drivers import Frame
from livecassi.engines import Cube
from livecassi.engines.frame_engine import Seen

Pixels = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


NEAR_ENOUGH = 0.3  # of a white level: how far a picture that was rendered elsewhere may be from the one in use
UNKNOWN = Levels(0.0, 1.0)  # before the first cube


class View(StrEnum):
    """The ways to look at a result; the spread is there where an engine tells how unsure its cube is."""

    COLOUR = "colour"
    BAND = "band"
    SPREAD = "spread"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Picture:
    """`pixels (H, W)` to be shown between `levels`, or `(H, W, 3)` uint8 that is shown as it is.

    `levels` of a colour picture are 0 and its white level. `is_scene`: the pixels are those of the scene, so that
    a place in the picture has a spectrum.
    """

    pixels: Pixels
    levels: Levels
    is_scene: bool


class PictureMaker:
    """Makes the pictures of one calibration. Used from the window's thread only."""

    def __init__(self, calibration: Calibration, auto: AutoLevels | None = None) -> None:
        self.calibration = calibration
        self._renderer = ColourRenderer(calibration.wavelengths_nm)
        self._auto = auto or AutoLevels()
        self._followed: Cube | None = None  # the cube that the colour's levels were last followed to
        self._colour = UNKNOWN
        self.fixed: dict[View, Levels] = {}  # views whose levels an operator has set

    @property
    def colour_label(self) -> str:
        """A word of caution about the colour view: empty where the bands give true colour."""
        return "" if self._renderer.full_range else self._renderer.label

    @property
    def white_level(self) -> float:
        """What is white in the next colour picture."""
        return (self.fixed.get(View.COLOUR) or self._colour).high

    def make(self, frame: Frame, cube: Cube | None, view: View, band: int, seen: Seen | None = None) -> Picture:
        """The picture of the raw `frame` or of the `cube`; without a cube the frame, whatever view is asked for.

        Of the spread it is the mean over bands, and of a cube without spread the colour.
        In colour what was `seen`, which is no older than the cube, stands for it, unless its white is another.
        """
        if cube is None or view is View.RAW:
            scene = cube is not None and frame.shape == cube.values.shape[1:]
            return Picture(frame.pixels, self._raw_levels(frame), scene)
        if view is View.SPREAD and cube.spread is not None:
            unsure = cube.spread.mean(axis=0)
            return Picture(unsure, self._levels(View.SPREAD, 0, unsure), True)
        if view is View.BAND:
            picture = cube.values[band]
            return Picture(picture, self._levels(View.BAND, band, picture), True)
        levels = self._colour_levels(cube, again=seen is None)
        if seen is not None:
            tolerance = 0.0 if View.COLOUR in self.fixed else NEAR_ENOUGH
            if abs(seen.white_level - levels.high) <= tolerance * levels.high:
                return Picture(seen.picture, Levels(0.0, seen.white_level), True)
        return Picture(self._renderer.render(cube.values, levels.high), levels, True)

    def _colour_levels(self, cube: Cube, again: bool) -> Levels:
        """Follow the cubes; `again`: also where this one was followed before."""
        if View.COLOUR in self.fixed:
            return self.fixed[View.COLOUR]
        if again or cube is not self._followed:
            self._followed = cube
            self._colour = self._auto.follow(View.COLOUR, lambda: self._white(cube.values))
        return self._colour

    def _levels(self, view: View, band: int, picture: Pixels) -> Levels:
        return self.fixed.get(view) or self._auto.follow((view, band), lambda: robust_levels(picture))

    def _raw_levels(self, frame: Frame) -> Levels:
        return self.fixed.get(View.RAW) or self._auto.follow(View.RAW, lambda: robust_levels(frame.pixels))

    def _white(self, values: NDArray[np.float32]) -> Levels:
        brightest = self._renderer.linear(np.asarray(thinned(values), np.float32)).max(axis=0)
        return Levels(0.0, max(robust_levels(brightest).high, 1e-6))


def saturated_pixels(frame: Frame, calibration: Calibration, view: View, band: int) -> NDArray[np.uint8] | None:
    """1 where the light of a picture's pixel met a saturated raw pixel, in the grid of the view; None where none did.

    The raw frame and dual-disperser scenes share one grid. Light of a single-disperser scene lands displaced: a
    band is marked through its own shift, a colour through the shifts of all bands.
    """
    if not frame.bit_depth:
        return None
    raw = (frame.pixels >= frame.full_scale).view(np.uint8)
    if not raw.any():
        return None
    width = calibration.cube_shape[2]
    if view is View.RAW or not calibration.system.single_disperser:
        return raw
    shifts = np.rint(calibration.dispersion_px).astype(int)
    chosen = [int(shifts[band])] if view is View.BAND else sorted({int(s) for s in shifts})
    marked = np.zeros((raw.shape[0], width), np.uint8)
    for shift in chosen:
        np.maximum(marked, raw[:, shift : shift + width], out=marked)
    return marked
