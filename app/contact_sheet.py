"""The contact sheet: one picture of a whole cube - its colour, the spectra of a few pixels, and every band."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.app.colour import XYZ_TO_SRGB, ColourRenderer, srgb_encode
from livecassi.app.drawing import (
    BRIGHT,
    PANEL,
    QUIET,
    Align,
    Axes,
    Box,
    Colour,
    Picture,
    PictureError,
    blank,
    fill,
    paste,
    ring,
    save_png,
    write,
)
from livecassi.app.picks import mean_spectrum
from livecassi.app.spectra import OBSERVER, load_spectra
from livecassi.drivers.opencv import cv2
from livecassi.engines import Cube

WIDTH = 1600
MARGIN = 32
GAP = 14
CAPTION = 24  # px above every band
TOP_HEIGHT = 600  # of the colour picture and the plot
WHITE_PERCENTILE = 99.5
PICKED_PIXELS = 5
BRIGHT_SHARE = 0.3  # of the brightest: darker pixels show noise rather than a spectrum
PEN: tuple[Colour, ...] = ((250, 250, 250), (240, 188, 50), (86, 190, 240), (240, 110, 90), (90, 205, 140))


@dataclass(frozen=True, slots=True)
class Pixel:
    """Row and column of a scene pixel."""

    row: int
    column: int


def contact_sheet(cube: Cube, title: str = "") -> Picture:
    """A picture `(H, W, 3)` uint8 of a cube: colour, spectra of distinct pixels, all bands in their own tint.

    All bands share one scale (white is the 99.5 percentile of all values), so that dark bands look dark.
    NaN is drawn as 0. Raises `PictureError` for a cube that does not fit its wavelengths.
    """
    values = _drawable(cube)
    bands, height, width = values.shape
    columns = _grid_columns(bands)
    tile_width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns
    tile_height = max(1, round(tile_width * height / width))
    rows = math.ceil(bands / columns)
    top = MARGIN + 44
    grid_top = top + TOP_HEIGHT + 2 * GAP
    sheet = blank(grid_top + rows * (CAPTION + tile_height + GAP) + MARGIN - GAP, WIDTH)

    _write_heading(sheet, cube, values, title)
    pixels = distinct_pixels(values, PICKED_PIXELS)
    side = min(TOP_HEIGHT, round(TOP_HEIGHT * width / height), (WIDTH - 2 * MARGIN) // 2)
    shown = Box(MARGIN, top, side, min(TOP_HEIGHT, max(1, round(side * height / width))))
    _draw_colour(sheet, cube, values, pixels, shown)
    plot_left = MARGIN + side + 2 * GAP
    _draw_spectra(sheet, cube, values, pixels, Box(plot_left, top, WIDTH - MARGIN - plot_left, TOP_HEIGHT))

    white, tint = _white(values), tints(cube.wavelengths_nm)
    for index in range(bands):
        row, column = divmod(index, columns)
        x = MARGIN + column * (tile_width + GAP)
        y = grid_top + row * (CAPTION + tile_height + GAP)
        write(sheet, f"{cube.wavelengths_nm[index]:.4g} nm", x, y + CAPTION - 8, size=15, colour=_legible(tint[index]))
        tinted = srgb_encode((values[index] / white).clip(0, 1)[..., None].astype(np.float64))
        tile: Picture = np.round(tinted * tint[index]).astype(np.uint8)
        paste(sheet, tile, Box(x, y + CAPTION, tile_width, tile_height))
    return sheet


def save_preview(path: Path, cube: Cube, title: str = "") -> None:
    """Write the contact sheet of a cube as PNG. Raises `PictureError`."""
    save_png(path, contact_sheet(cube, title))


def distinct_pixels(values: NDArray[np.float32], count: int) -> list[Pixel]:
    """Up to `count` bright pixels of a cube `(C, H, W)` whose spectra differ most in shape, the brightest first.

    Each next one is bright and far in angle from all before it, and stands apart from them in the picture. Borders,
    where reconstructions are worst, are left out.
    """
    window = _window(values)
    smooth = np.stack([cv2.blur(band, (window, window)) for band in values])
    strength = np.linalg.norm(smooth, axis=0) * (smooth.mean(axis=0) > 0)
    edge = min(window, (min(strength.shape) - 1) // 4)
    inner = np.zeros(strength.shape, bool)
    inner[edge : strength.shape[0] - edge, edge : strength.shape[1] - edge] = True
    bright = inner & (strength > BRIGHT_SHARE * np.percentile(strength[inner], 99))
    rows, columns = np.nonzero(bright)
    if not len(rows):
        return []
    shapes = smooth[:, rows, columns]
    shapes /= np.linalg.norm(shapes, axis=0)
    brightness = np.sqrt(strength[rows, columns])
    apart = min(strength.shape) / 12
    free = np.ones(len(rows), bool)
    nearest = np.full(len(rows), -1.0)  # cosine to the most similar of the chosen
    chosen: list[int] = []
    while len(chosen) < count and free.any() and nearest[free].min() < 0.9999:
        chosen.append(int(np.where(free, (1 - nearest) * brightness, -1.0).argmax()))
        nearest = np.maximum(nearest, shapes[:, chosen[-1]] @ shapes)
        free &= np.hypot(rows - rows[chosen[-1]], columns - columns[chosen[-1]]) > apart
    return [Pixel(int(rows[index]), int(columns[index])) for index in chosen]


def _window(values: NDArray[np.float32]) -> int:
    """Side in px, odd, of what is averaged for one spectrum: 5, in large cubes more, against noise."""
    smaller = min(values.shape[1:])
    window: int = max(5, smaller // 150 * 2 + 1)
    return window


def tints(wavelengths_nm: ArrayLike) -> NDArray[np.uint8]:
    """sRGB colours `(N, 3)` that stand for wavelengths: each hue as saturated as a screen can."""
    linear = XYZ_TO_SRGB @ load_spectra(OBSERVER).at(wavelengths_nm)
    linear += 0.08 * np.maximum(linear.max(axis=0), 1e-6) - np.minimum(linear.min(axis=0), 0.0)
    return np.round(255 * srgb_encode(linear / linear.max(axis=0))).astype(np.uint8).T


def _drawable(cube: Cube) -> NDArray[np.float32]:
    values = cube.values
    if values.ndim != 3 or 0 in values.shape or cube.wavelengths_nm.shape != values.shape[:1]:
        raise PictureError(
            f"a cube of shape {values.shape} with {cube.wavelengths_nm.shape} wavelengths cannot be drawn, "
            "expected (C, H, W) with C wavelengths; reconstruct it again"
        )
    return np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _grid_columns(bands: int) -> int:
    """Tiles in a row: 5 to 8, with the last row as full as possible, larger tiles where equal."""
    if bands <= 8:
        return bands
    return min(range(5, 9), key=lambda columns: (-bands % columns, abs(columns - 7)))


def _white(values: NDArray[np.float32]) -> float:
    level = float(np.percentile(values, WHITE_PERCENTILE))
    return level if level > 0 else 1.0


def _legible(tint: NDArray[np.uint8]) -> Colour:
    red, green, blue = (round(0.6 * int(channel) + 0.4 * 255) for channel in tint)
    return red, green, blue


def _write_heading(sheet: Picture, cube: Cube, values: NDArray[np.float32], title: str) -> None:
    bands, height, width = values.shape
    nm = cube.wavelengths_nm
    written = write(sheet, title or f"frame {cube.frame_index}", MARGIN, MARGIN + 18, size=24, bold=True)
    facts = f"{height} × {width} pixels, {bands} bands, {nm[0]:.4g}–{nm[-1]:.4g} nm, {cube.engine}"
    write(sheet, facts, MARGIN + written + 24, MARGIN + 18, size=17, colour=QUIET)
    scale = f"bands share one scale, white = {_white(values):.3g}"
    write(sheet, scale, WIDTH - MARGIN, MARGIN + 18, size=17, colour=QUIET, align=Align.RIGHT)


def _draw_colour(sheet: Picture, cube: Cube, values: NDArray[np.float32], pixels: list[Pixel], box: Box) -> None:
    renderer = ColourRenderer(cube.wavelengths_nm)
    level = float(np.percentile(renderer.linear(values).max(axis=0), WHITE_PERCENTILE))
    paste(sheet, renderer.render(values, level if level > 0 else 1.0), box)
    height, width = values.shape[1:]
    for number, (pixel, pen) in enumerate(zip(pixels, PEN, strict=False), start=1):
        x = box.x + (pixel.column + 0.5) * box.width / width
        y = box.y + (pixel.row + 0.5) * box.height / height
        ring(sheet, x, y, 8, pen)
        beside, align = (x + 14, Align.LEFT) if x < box.x + box.width - 40 else (x - 14, Align.RIGHT)
        write(sheet, str(number), beside + 1, y + 7, size=18, colour=(0, 0, 0), align=align, bold=True)
        write(sheet, str(number), beside, y + 6, size=18, colour=pen, align=align, bold=True)
    label = renderer.label
    write(sheet, label, box.x + 13, box.y + box.height - 11, size=15, colour=(0, 0, 0))
    write(sheet, label, box.x + 12, box.y + box.height - 12, size=15, colour=BRIGHT)


def _draw_spectra(sheet: Picture, cube: Cube, values: NDArray[np.float32], pixels: list[Pixel], box: Box) -> None:
    fill(sheet, box, PANEL)
    window = _window(values)
    nm = cube.wavelengths_nm.astype(np.float64)
    near = 0.5 * float(nm[1] - nm[0]) if len(nm) > 1 else 5.0
    x_range = (float(nm[0]) - near, float(nm[-1]) + near)
    spectra = [mean_spectrum(values, pixel.row, pixel.column, window) for pixel in pixels]
    highest = max((float(spectrum.max()) for spectrum in spectra), default=1.0)
    lowest = min((float(spectrum.min()) for spectrum in spectra), default=0.0)
    plot = Box(box.x + 74, box.y + 46, box.width - 74 - 172, box.height - 46 - 84)
    axes = Axes(plot, x_range, (min(lowest, 0.0), 1.06 * highest if highest > 0 else 1.0))
    axes.draw(sheet, "wavelength, nm", f"value ({cube.quantity}), mean over {window} × {window} pixels")
    _draw_rainbow(sheet, axes)
    for number, (pixel, spectrum, pen) in enumerate(zip(pixels, spectra, PEN, strict=False), start=1):
        axes.curve(sheet, nm, spectrum, pen)
        y = plot.y + 14 + 44 * (number - 1)
        write(sheet, f"{number}", plot.x + plot.width + 18, y, size=18, colour=pen, bold=True)
        place = f"row {pixel.row}, col {pixel.column}"
        write(sheet, place, plot.x + plot.width + 34, y, size=13, colour=QUIET)


def _draw_rainbow(sheet: Picture, axes: Axes) -> None:
    """A strip of tints below the wavelength axis."""
    box = axes.box
    across = np.linspace(*axes.x_range, box.width)
    sheet[box.y + box.height + 4 : box.y + box.height + 12, box.x : box.x + box.width] = tints(across)
