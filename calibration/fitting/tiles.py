"""Tiles: a picture cut into squares, each of which is found in another picture for itself."""

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.fitting.pattern import Pattern
from livecassi.drivers.opencv import cv2

SMALLEST_TILE_PX = 24
LEAST_TILE_CORRELATION = 0.5
_LEAST_SEEN = 0.6  # share of a tile that both pictures must show
_FILTER_PX = 3
_FARTHEST_PX = 2.0  # a tile that moves farther from where the others are did not match

Places = NDArray[np.float64]


def tile_size(shape: tuple[int, ...], wanted_px: int) -> int:
    """The side of a tile: as wanted, smaller in small pictures, so that 3 fit along the shorter side."""
    return int(max(min(wanted_px, min(shape) // 3), min(SMALLEST_TILE_PX, min(shape))))


def tile_centres(shape: tuple[int, ...], tile_px: int) -> Places:
    """Centres (x, y) of the tiles `(P, Q, 2)`, evenly spread over a picture of `shape`."""
    height, width = shape[:2]
    rows, columns = max(1, height // tile_px), max(1, width // tile_px)
    y = (np.arange(rows) + 0.5) * height / rows - 0.5
    x = (np.arange(columns) + 0.5) * width / columns - 0.5
    return np.stack(np.meshgrid(x, y), axis=-1)


def find_tiles(
    image: Pattern,
    reference: Pattern,
    centres: Places,
    tile_px: int,
    reach: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[Places, NDArray[np.float64]]:
    """Where each of the reference's tiles lies in the image, and its correlation there (0: not to be found).

    `centres (N, 2)` in the reference; looked for from `reach[0]` to `reach[1]` (x, y) px away from there.
    """
    found, scores = np.zeros_like(centres), np.zeros(len(centres))
    height, width = image.values.shape
    for k, centre in enumerate(centres):
        left, top = _corner(centre, tile_px, reference.values.shape)
        tile = reference.crop(slice(top, top + tile_px), slice(left, left + tile_px))
        x0, y0 = np.maximum(np.array([left, top]) + reach[0], 0)
        x1, y1 = np.minimum(np.array([left, top]) + reach[1] + tile_px, [width, height])
        if x1 - x0 < tile_px or y1 - y0 < tile_px or tile.seen.mean() < _LEAST_SEEN:
            continue
        window = image.values[y0:y1, x0:x1]
        scored = np.asarray(cv2.matchTemplate(window, tile.values, cv2.TM_CCOEFF_NORMED), np.float64)
        y, x = np.unravel_index(int(np.argmax(scored)), scored.shape)
        scores[k] = scored[y, x]
        part_x = _vertex(scored[y, x - 1 : x + 2]) if 0 < x < scored.shape[1] - 1 else 0.0
        part_y = _vertex(scored[y - 1 : y + 2, x]) if 0 < y < scored.shape[0] - 1 else 0.0
        found[k] = centre + np.array([x0 + x + part_x - left, y0 + y + part_y - top])
    return found, np.where(np.isfinite(scores), scores, 0)


def tile_offset(
    image: Pattern,
    reference: Pattern,
    centre: NDArray[np.float64],
    tile_px: int,
    offset: tuple[int, int] = (0, 0),
) -> tuple[float, float, float] | None:
    """(dx, dy) by which the image shows one tile of the reference displaced, and the correlation, by ECC.

    `offset`: whole columns and rows where the tile is expected, contained in the answer. None where too little is
    seen, the tile is not found, or it wanders off.
    """
    left, top = _corner(centre, tile_px, reference.values.shape)
    height, width = image.values.shape
    tile = reference.crop(slice(top, top + tile_px), slice(left, left + tile_px))
    margin = 4
    x0, y0 = max(left + offset[0] - margin, 0), max(top + offset[1] - margin, 0)
    x1, y1 = min(left + offset[0] + tile_px + margin, width), min(top + offset[1] + tile_px + margin, height)
    if x1 - x0 < tile_px // 2 or y1 - y0 < tile_px // 2:
        return None
    window = image.crop(slice(y0, y1), slice(x0, x1))
    shared = _shared(window.seen, tile.seen, x0 - left - offset[0], y0 - top - offset[1])
    if shared < _LEAST_SEEN * tile_px**2:
        return None
    first = np.array([[1, 0, left + offset[0] - x0], [0, 1, top + offset[1] - y0]], np.float32)
    expected = first[:, 2].copy()
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-6)
    try:
        correlation, refined = cv2.findTransformECCWithMask(
            tile.values,
            window.values,
            tile.seen.astype(np.uint8),
            window.seen.astype(np.uint8),
            first,
            cv2.MOTION_TRANSLATION,
            criteria,
            _FILTER_PX,
        )
    except cv2.error:
        return None
    moved = np.asarray(refined)[:, 2] - expected
    if correlation < LEAST_TILE_CORRELATION or not np.all(np.abs(moved) < _FARTHEST_PX):
        return None
    return offset[0] + float(moved[0]), offset[1] + float(moved[1]), float(correlation)


def _corner(centre: NDArray[np.float64], tile_px: int, shape: tuple[int, ...]) -> tuple[int, int]:
    left = int(np.clip(round(float(centre[0]) - tile_px / 2 + 0.5), 0, shape[1] - tile_px))
    top = int(np.clip(round(float(centre[1]) - tile_px / 2 + 0.5), 0, shape[0] - tile_px))
    return left, top


def _shared(window: Array32, tile: Array32, left: int, top: int) -> float:
    """Pixels that both show; the window begins (left, top) px from the tile's corner."""
    size = len(tile)
    rows = slice(max(top, 0), min(top + window.shape[0], size))
    columns = slice(max(left, 0), min(left + window.shape[1], size))
    other = window[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return float((tile[rows, columns] * other).sum())


def _vertex(three: NDArray[np.float64]) -> float:
    """The top of the parabola through three values, -0.5 to 0.5 from the middle one."""
    bend = float(three[0] - 2 * three[1] + three[2])
    return float(np.clip(0.5 * (three[0] - three[2]) / bend, -0.5, 0.5)) if bend < 0 else 0.0
