"""Colour: from a cube to sRGB, by one precomputed matrix and one table."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.app.spectra import ILLUMINANTS, OBSERVER, SpectraError, load_spectra
from livecassi.engines import Quantity
from livecassi.engines.frame_engine import Colours

FULL_RANGE_NM = (420.0, 700.0)  # bands over this range give true colour: at most 0.5 dE2000 (measured)
TABLE_BITS = 12

# IEC 61966-2-1: CIE XYZ (white D65, Y = 1) to linear sRGB.
XYZ_TO_SRGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)


def srgb_encode(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transfer curve of sRGB (IEC 61966-2-1), 0..1 to 0..1."""
    curved = 1.055 * np.power(np.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved)


def colour_matrix(
    wavelengths_nm: ArrayLike, illuminant: str = "D65", quantity: Quantity = Quantity.REFLECTANCE
) -> NDArray[np.float64]:
    """`(3, C)` from the bands of a cube to linear sRGB; the same value 1 in all bands becomes white (1, 1, 1).

    The spectrum is taken as linear between band centres and constant beyond the outer ones (never truncated), lit
    by `illuminant` (a radiance is taken as it is), and integrated with the CIE 1931 2 degree observer. White is
    scaled per colour, which for D65 changes nothing (4e-4).
    """
    bands = np.asarray(wavelengths_nm, np.float64)
    if bands.ndim != 1 or not len(bands) or not np.isfinite(bands).all() or np.any(np.diff(bands) <= 0):
        raise SpectraError(
            f"wavelengths of shape {bands.shape} cannot be rendered, expected ascending band centres (C,) in nm; "
            "check the calibration"
        )
    observer = load_spectra(OBSERVER)
    grid = np.arange(observer.wavelengths_nm[0], observer.wavelengths_nm[-1] + 0.5, 1.0)
    light = np.ones_like(grid)
    if quantity is not Quantity.RADIANCE:
        light = load_spectra(ILLUMINANTS).select(illuminant).at(grid)[0]
    between = np.stack([np.interp(grid, bands, unit) for unit in np.eye(len(bands))])  # (C, L)
    matrix: NDArray[np.float64] = XYZ_TO_SRGB @ ((observer.at(grid) * light) @ between.T)
    matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix


def srgb_table() -> NDArray[np.uint8]:
    """The bytes of 4096 levels of linear light, 0 to 1."""
    levels = np.arange(2**TABLE_BITS) / (2**TABLE_BITS - 1)
    return np.round(255 * srgb_encode(levels)).astype(np.uint8)


def device_colours() -> Colours:
    """How `ColourRenderer` renders, for engines that do it themselves."""
    return Colours(lambda wavelengths_nm: colour_matrix(wavelengths_nm).astype(np.float32), srgb_table())


class ColourRenderer:
    """Renders cubes of one set of bands. Built once (milliseconds), then about 1 ms at 256 x 256 x 30.

    Assumes that a cube is proportional to reflectance: what reflects like a white reference looks white.
    Used from one thread at a time.
    """

    def __init__(
        self,
        wavelengths_nm: ArrayLike,
        illuminant: str = "D65",
        quantity: Quantity = Quantity.REFLECTANCE,
    ) -> None:
        bands = np.asarray(wavelengths_nm, np.float64)
        self.matrix = colour_matrix(bands, illuminant, quantity).astype(np.float32)
        self.full_range = bool(bands[0] <= FULL_RANGE_NM[0] and bands[-1] >= FULL_RANGE_NM[1])
        self._table = srgb_table()

    @property
    def label(self) -> str:
        """What to write beside the picture: "colour", or "colour estimate" where bands miss part of 420-700 nm."""
        return "colour" if self.full_range else "colour estimate"

    def linear(self, cube_values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Linear sRGB `(3, H, W)`, unclipped, of a cube `(C, H, W)`."""
        if cube_values.ndim != 3 or len(cube_values) != self.matrix.shape[1]:
            raise SpectraError(
                f"a cube of shape {cube_values.shape} cannot be rendered, expected ({self.matrix.shape[1]}, H, W); "
                "build the renderer for the bands of this cube"
            )
        bands, height, width = cube_values.shape
        flat = np.ascontiguousarray(cube_values, np.float32).reshape(bands, height * width)
        return (self.matrix @ flat).reshape(3, height, width)

    def render(self, cube_values: NDArray[np.float32], white_level: float = 1.0) -> NDArray[np.uint8]:
        """sRGB `(H, W, 3)` uint8 of a cube `(C, H, W)`; a flat spectrum of `white_level` becomes (255, 255, 255).

        NaN becomes black. Raises `SpectraError` for another number of bands or a white level that is not positive.
        """
        if not (np.isfinite(white_level) and white_level > 0):
            raise SpectraError(f"white level {white_level} found, expected a number above 0; choose another")
        top = 2**TABLE_BITS - 1
        scaled = self.linear(cube_values)
        scaled *= np.float32(top / white_level)
        scaled += np.float32(0.5)
        np.clip(scaled, 0, top, out=scaled)
        if np.isnan(scaled.sum()):
            np.nan_to_num(scaled, copy=False, nan=0.0)
        codes = scaled.astype(np.uint16)
        picture = np.empty((*cube_values.shape[1:], 3), np.uint8)
        for channel in range(3):
            picture[..., channel] = self._table[codes[channel]]
        return picture
