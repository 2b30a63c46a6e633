"""The spectra of one clip: a lamp, and themes of materials that share a colour as the parts of real objects do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.training.synthetic.materials import Spectra

THEME_ROWS = 4
CHART_ROWS = 24
MOST_THEMES = 24
ALIKE_SHARE = 0.55  # of a theme's further rows that are shades of its first


@dataclass(frozen=True, slots=True)
class Palette:
    """`spectra (R, C)`: the lamp's highlight, `THEME_ROWS` rows for each of `themes`, then those of a colour chart."""

    spectra: NDArray[np.float32]
    themes: int

    def first_rows(self, themes: NDArray[np.integer]) -> NDArray[np.integer]:
        """Where the rows of these themes begin."""
        return 1 + THEME_ROWS * themes

    @property
    def chart_row(self) -> int:
        """Where the chart's rows begin."""
        return 1 + THEME_ROWS * self.themes


def draw_palette(random: np.random.Generator, spectra: Spectra, lit_share: float) -> Palette:
    """A palette under white light or, this often, under a lamp that is not."""
    themes = int(np.exp(random.uniform(np.log(3), np.log(MOST_THEMES + 1))))
    rows = spectra.reflectances(random, THEME_ROWS * themes + CHART_ROWS)
    themed = rows[: THEME_ROWS * themes].reshape(themes, THEME_ROWS, -1)
    other = random.uniform(0.0, 0.35, (themes, THEME_ROWS - 1, 1)).astype(np.float32)
    shades = themed[:, :1] * random.uniform(0.35, 1.5, (themes, THEME_ROWS - 1, 1)).astype(np.float32)
    alike = random.random((themes, THEME_ROWS - 1, 1)) < ALIKE_SHARE
    themed[:, 1:] = np.where(alike, shades + other * (themed[:, 1:] - shades), themed[:, 1:]).clip(0, 1)
    whole = np.concatenate([np.ones((1, rows.shape[1]), np.float32), rows])
    lamp = spectra.illuminant(random) if random.random() < lit_share else np.float32(1.0)
    return Palette(np.ascontiguousarray(whole * lamp, np.float32), themes)
