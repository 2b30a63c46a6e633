"""Pattern shift: how far a pattern that is known has moved in a frame, to hundredths of a pixel.

Both are divided by their local mean, so that uneven light does not count. Template matching finds the whole pixels,
ECC (Evangelidis and Psarakis 2008) the fractions; the four quarters of the frame by themselves tell how sure that is.

Not every pattern can be told to fractions: teeth of one pixel cannot. So the pattern is displaced by a known fraction
and looked for first; a direction in which that fails is not told.
"""

import numpy as np

from livecassi.calibration.calibration import Array32
from livecassi.calibration.mask_motion import UNKNOWN, Motion
from livecassi.drivers.opencv import cv2

LOCAL_PX = 15  # side of the local mean
FARTHEST_PX = 8  # how far the pattern is looked for
SMALLEST_PX = 48  # of what is compared
SMOOTHING_PX = 5  # ECC's own Gaussian filter
LEAST_QUARTERS = 3
PROBE_PX, PROBE_ERROR_PX = 0.4, 0.08
EQUAL_SCORES = 0.1  # correlations that differ by less are taken to be of one height
_ENOUGH = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 80, 1e-5)


def pattern_shift(expected: Array32, values: Array32, columns: tuple[int, int]) -> Motion:
    """Where `expected (H, W')` is in a measurement `values` of the same size; only `columns` are looked at."""
    first, last = columns
    whole, seen = _without_light(expected[:, first:last]), _without_light(values[:, first:last])
    margin = FARTHEST_PX + LOCAL_PX // 2
    template = np.ascontiguousarray(whole[margin:-margin, margin:-margin])
    if min(template.shape, default=0) < SMALLEST_PX or not template.std() > 0 or not seen.std() > 0:
        return UNKNOWN
    inner = slice(LOCAL_PX // 2, -(LOCAL_PX // 2))
    around = np.ascontiguousarray(seen[inner, inner])
    start, score = _whole_pixels(template, around)
    found = _ecc(template, around, start)
    if found is None:
        return Motion(float(start[0]), float(start[1]), np.inf, np.inf, score, score)
    along, across, correlation = found
    quarters = _quarters(template, around, (round(along), round(across)))
    if len(quarters) < LEAST_QUARTERS:
        return Motion(along, across, np.inf, np.inf, correlation, correlation)
    spread = np.std(quarters, axis=0, ddof=1) / np.sqrt(len(quarters))
    along_sigma, across_sigma = np.where(_can_tell(template, whole[inner, inner]), spread, np.inf)
    return Motion(along, across, float(along_sigma), float(across_sigma), correlation, correlation)


def _can_tell(template: Array32, around: Array32) -> tuple[bool, bool]:
    """Whether a small displacement of this very pattern is found, along and across."""
    size = around.shape[1], around.shape[0]
    matrix = np.array([[1, 0, PROBE_PX], [0, 1, PROBE_PX]])
    moved = cv2.warpAffine(around, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    found = _ecc(template, np.asarray(moved, np.float32), (0, 0))
    if found is None:
        return False, False
    return abs(found[0] - PROBE_PX) <= PROBE_ERROR_PX, abs(found[1] - PROBE_PX) <= PROBE_ERROR_PX


def _whole_pixels(template: Array32, around: Array32) -> tuple[tuple[int, int], float]:
    """The nearest of the places (along, across) that match best, and its score: masks may repeat themselves."""
    scores = np.asarray(cv2.matchTemplate(around, template, cv2.TM_CCOEFF_NORMED), np.float64)
    rows, columns = np.nonzero(scores >= scores.max() - EQUAL_SCORES)
    nearest = int(np.argmin(np.hypot(rows - FARTHEST_PX, columns - FARTHEST_PX)))
    row, column = int(rows[nearest]), int(columns[nearest])
    return (column - FARTHEST_PX, row - FARTHEST_PX), float(scores[row, column])


def _quarters(template: Array32, around: Array32, start: tuple[int, int]) -> list[tuple[float, float]]:
    """What the quarters find, where they find anything."""
    height, width = template.shape[0] // 2, template.shape[1] // 2
    found = []
    for top in (0, height):
        for left in (0, width):
            part = template[top : top + height, left : left + width]
            field = around[top : top + height + 2 * FARTHEST_PX, left : left + width + 2 * FARTHEST_PX]
            quarter = _ecc(np.ascontiguousarray(part), np.ascontiguousarray(field), start)
            if quarter is not None:
                found.append(quarter[:2])
    return found


def _without_light(image: Array32) -> Array32:
    """Deviation from the local mean, relative to it; 0 where there is hardly any light."""
    local = cv2.blur(image, (LOCAL_PX, LOCAL_PX))
    level = float(np.percentile(local, 95))
    if not level > 0:
        return np.zeros_like(image)
    lit = local > 0.02 * level
    return np.where(lit, image / np.where(lit, local, 1) - 1, 0).astype(np.float32)


def _ecc(template: Array32, around: Array32, start: tuple[int, int]) -> tuple[float, float, float] | None:
    """Displacement (along, across) and correlation; None where ECC finds none. `around` is larger on every side."""
    warp: Array32 = np.array([[1, 0, start[0] + FARTHEST_PX], [0, 1, start[1] + FARTHEST_PX]], np.float32)
    everything = np.full(around.shape, 255, np.uint8)
    try:
        correlation, moved = cv2.findTransformECC(
            template, around, warp, cv2.MOTION_TRANSLATION, _ENOUGH, everything, SMOOTHING_PX
        )
    except cv2.error:
        return None
    found = np.asarray(moved, np.float64)
    return float(found[0, 2]) - FARTHEST_PX, float(found[1, 2]) - FARTHEST_PX, float(correlation)
