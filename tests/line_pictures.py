"""Pictures of a coded aperture under light of one colour, drawn eight times finer than the camera's pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import ndtri

from livecassi.calibration.bench.dispersion import DispersionCurve
from livecassi.calibration.calibration import System
from livecassi.calibration.capture import Line

Array = NDArray[np.float64]
FINE = 8
HEIGHT, WIDTH, REACH = 96, 128, 54
TRUTH = DispersionCurve(450.0, 650.0, REACH)
_PARTS = 24  # of a filter's light, equally bright


@dataclass(frozen=True)
class Aperture:
    """Random open and closed squares of `feature_px`; `margin_px` columns and rows are drawn beyond the picture."""

    height: int
    width: int
    seed: int = 0
    feature_px: float = 2.0
    blur_px: float = 0.4
    margin_px: int = 8
    stop: bool = False  # dark outside height x width, as behind a field stop

    def fine(self) -> Array:
        """The transmission `FINE` times finer than the camera's pixels."""
        rows, columns = ((side + 2 * self.margin_px) * FINE for side in (self.height, self.width))
        cell = FINE * self.feature_px * 1.013
        y, x = np.mgrid[:rows, :columns].astype(float)
        turn = np.deg2rad(0.2)
        across = (np.cos(turn) * x - np.sin(turn) * y) / cell
        down = (np.sin(turn) * x + np.cos(turn) * y) / cell
        count = int(max(rows, columns) / cell) + 40
        cells = np.random.default_rng([self.seed, 7]).random((count, count)) < 0.5
        drawn = 0.02 + 0.93 * cells[np.floor(down).astype(int) + 15, np.floor(across).astype(int) + 15]
        if self.stop:
            edge = self.margin_px * FINE
            dark = np.zeros_like(drawn)
            dark[edge:-edge, edge:-edge] = drawn[edge:-edge, edge:-edge]
            drawn = dark
        return np.asarray(gaussian_filter(drawn, self.blur_px * FINE))


@dataclass(frozen=True)
class Shot:
    """A picture `(height, width)`: `place` takes camera (x, y) to the aperture's (x, y), for each offset of the light.

    `offsets_px`: where the parts of the light land along x; equally bright.
    """

    aperture: Aperture
    height: int
    width: int

    def draw(
        self, place: Callable[[Array, Array], tuple[Array, Array]], offsets_px: Array | None = None, samples: int = 4
    ) -> Array:
        offsets = np.zeros(1) if offsets_px is None else offsets_px
        parts = (np.arange(samples) + 0.5) / samples - 0.5
        y, x = np.meshgrid(
            (np.arange(self.height)[:, None] + parts).ravel(),
            (np.arange(self.width)[:, None] + parts).ravel(),
            indexing="ij",
        )
        light = np.zeros((self.height * samples, self.width * samples))
        fine = _fine(self.aperture)
        margin = self.aperture.margin_px
        for offset in offsets:
            at_x, at_y = place(x - offset, y)
            rows, columns = (at_y + 0.5 + margin) * FINE - 0.5, (at_x + 0.5 + margin) * FINE - 0.5
            light += map_coordinates(fine, [rows, columns], order=1, mode="constant")
        light /= len(offsets)
        return np.asarray(light.reshape(self.height, samples, self.width, samples).mean(axis=(1, 3)))


@lru_cache(maxsize=4)
def _fine(aperture: Aperture) -> Array:
    return aperture.fine()


def mask_width(system: System) -> int:
    """Columns of the mask behind a scene of `WIDTH`."""
    return WIDTH if system.single_disperser else WIDTH + REACH


def shot_of(system: System) -> Shot:
    """The camera of a system before a scene of `HEIGHT` x `WIDTH`."""
    single = system.single_disperser
    return Shot(Aperture(HEIGHT, mask_width(system), stop=single), HEIGHT, WIDTH + REACH if single else WIDTH)


@lru_cache(maxsize=64)
def drawn_line(system: System, line: Line, dy: float) -> Array:
    """The mask under a line where `TRUTH` puts it, `dy` rows down, before any noise; read-only."""
    quantiles = ndtri((np.arange(_PARTS) + 0.5) / _PARTS) if line.fwhm_nm else np.zeros(1)
    lands = TRUTH.shift_px(line.wavelength_nm + line.fwhm_nm / 2.3548 * quantiles)
    picture = shot_of(system).draw(moved(0, dy), system.mask_direction * lands)
    picture.flags.writeable = False
    return picture


def taken(
    picture: Array,
    seed: int,
    electrons: float = 4000.0,
    vignetting: float = 0.0,
    hot: int = 0,
    level: float = 1.0,
    frames: int = 1,
) -> NDArray[np.float32]:
    """As a camera sees it: vignetting, shot noise of so many electrons where it is bright, hot pixels, any level."""
    generator = np.random.default_rng(seed)
    height, width = picture.shape
    y, x = np.mgrid[:height, :width]
    squared = ((x + 0.5) / width - 0.5) ** 2 + ((y + 0.5) / height - 0.5) ** 2
    light = np.maximum(picture, 0) * (1 - 2 * vignetting * squared) * electrons * frames
    seen = generator.poisson(light) / (electrons * frames)
    if hot:
        seen.flat[generator.choice(seen.size, hot, replace=False)] += 5.0
    return np.asarray(level * seen, np.float32)


def moved(dx: float, dy: float) -> Callable[[Array, Array], tuple[Array, Array]]:
    """The aperture's picture displaced by (dx, dy)."""
    return lambda x, y: (x - dx, y - dy)
