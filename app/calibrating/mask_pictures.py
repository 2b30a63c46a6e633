"""What one picture of a coded aperture tells by itself: contrast, share of open area, and whether it held still."""

import numpy as np

from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.registration import translation
from livecassi.calibration.fitting.robust import robust_sigma
from livecassi.drivers.opencv import cv2

TILE_PX = 64
LIT_SHARE = 0.3  # of the brightest tile: tiles below it lie outside the field
QUIET_PERCENTILE = 20
NOISE_FACTOR = 3.0  # structure must stand out so far from the noise of the mean before motion can be told
FINE_PX = 3.0  # standard deviation of what counts as smooth


def tile_contrast(values: Array32) -> float:
    """Median over lit tiles of (p95 - p5) / (p95 + p5) of a picture `(H, W')` above its dark; 0 where all is dark."""
    high, low = (np.maximum(level, 0) for level in _percentiles(_tiles(values), 95, 5))
    if high.max() <= 0:
        return 0.0
    lit = high > LIT_SHARE * high.max()
    return float(np.median((high[lit] - low[lit]) / (high[lit] + low[lit])))


def tile_fill(values: Array32) -> float:
    """Share of pixels brighter than half way between closed and open, of the lit tile where it is farthest from 1/2."""
    tiles = _tiles(values)
    high, low = _percentiles(tiles, 95, 5)
    lit = high > LIT_SHARE * high.max()
    shares = (tiles[lit] > ((high + low) / 2)[lit][:, None]).mean(axis=1)
    return float(shares[np.abs(shares - 0.5).argmax()])


def fine_structure(values: Array32) -> float:
    """Robust standard deviation of a lit pixel from its neighbourhood, relative to that; 0 where all is dark."""
    around = np.asarray(cv2.GaussianBlur(np.asarray(values, np.float32), (0, 0), FINE_PX), np.float32)
    level = LIT_SHARE * float(np.percentile(around, 99))
    lit = around > max(level, 1e-6)
    return robust_sigma(values[lit] / around[lit] - 1) if lit.any() else 0.0


def motion_px(capture: Capture) -> float | None:
    """How far the picture moved between the means of the first and the second half, in px (ECC, translation).

    None where the capture has no halves, or not enough structure above its noise; infinite where the halves do not
    match at all.
    """
    if capture.halves is None or capture.noise is None:
        return None
    first, second = (_structure(half) for half in capture.halves)
    quiet = float(np.percentile(capture.noise, QUIET_PERCENTILE))  # of pixels that no motion made noisier
    noise = quiet / np.sqrt(max(capture.frames // 2, 1))
    if min(float(first.std()), float(second.std())) < NOISE_FACTOR * max(noise, 1e-6):
        return None
    try:
        along, across, _ = translation(capture.halves[1], capture.halves[0])
    except CalibrationInvalidError:
        return float("inf")
    return float(np.hypot(along, across))


def _tiles(values: Array32) -> Array32:
    """Whole tiles inside the lit columns and rows, `(tiles, pixels)`."""
    lit = cv2.blur(np.asarray(values, np.float32), (9, 9))
    bright = lit > LIT_SHARE * float(np.percentile(lit, 99))
    rows, columns = np.nonzero(bright.mean(axis=1) > 0.5)[0], np.nonzero(bright.mean(axis=0) > 0.5)[0]
    if not len(rows) or not len(columns):
        return np.asarray(values, np.float32).reshape(1, -1)
    part = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = min(TILE_PX, *part.shape)
    height, width = (length - length % side for length in part.shape)
    grid = part[:height, :width].reshape(height // side, side, width // side, side)
    return np.ascontiguousarray(grid.swapaxes(1, 2)).reshape(-1, side * side)


def _percentiles(tiles: Array32, *levels: float) -> tuple[Array32, ...]:
    return tuple(np.asarray(row, np.float32) for row in np.percentile(tiles, levels, axis=1))


def _structure(half: Array32) -> Array32:
    smooth = cv2.GaussianBlur(half, (0, 0), FINE_PX, borderType=cv2.BORDER_REFLECT)
    return np.asarray(half - smooth, np.float32)
