"""Registration: where one picture of a coded aperture lies in another, to hundredths of a pixel.

Tiles are found by normalised cross-correlation, RANSAC fits one affine to them, and ECC (Evangelidis and Psarakis 2008)
refines it on the whole picture. Both pictures are first freed from brightness and vignetting. Phase correlation is not
used: its weighted centroid is off by more than half a pixel on masks.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.pattern import Pattern, pattern
from livecassi.calibration.fitting.robust import robust_sigma
from livecassi.calibration.fitting.tiles import find_tiles, tile_centres, tile_offset, tile_size
from livecassi.drivers.opencv import cv2

LEAST_CORRELATION = 0.5  # of the whole pictures; different masks reach 0.1
_FILTER_PX = 3
_RANSAC_PX = 1.5
_FEWEST_TILES = 4
_SEARCH_PX = 40
_TILE_PX = 64

Matrix = NDArray[np.float64]


class Motion(Enum):
    """What may lie between two pictures."""

    TRANSLATION = cv2.MOTION_TRANSLATION
    AFFINE = cv2.MOTION_AFFINE
    HOMOGRAPHY = cv2.MOTION_HOMOGRAPHY


@dataclass(frozen=True)
class Registration:
    """`matrix` (2 x 3, of a homography 3 x 3) takes a place (x, y) of the reference to its place in the image.

    `correlation`: of the two patterns there; `rms_px`: what the tiles deviate from the matrix (robust, per axis);
    `sigma_px`: standard error of the place per axis; `tiles_px (2, P, Q)`: deviation of each tile along x and y, NaN
    where a tile did not match; `inliers` of `tiles` matched.
    """

    matrix: Matrix
    correlation: float
    rms_px: float
    sigma_px: float
    tiles_px: Array32
    inliers: int
    tiles: int

    @property
    def rotation_degrees(self) -> float:
        """From x towards y."""
        return float(np.rad2deg(np.arctan2(self.matrix[1, 0] - self.matrix[0, 1], np.trace(self.matrix[:2, :2]))))

    @property
    def scale(self) -> float:
        """Mean magnification from the reference to the image."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:2, :2]))))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the reference's (x, y) lies in the image."""
        found = self.matrix @ np.array([x, y, 1.0])
        depth = found[2] if len(found) == 3 else 1.0
        return float(found[0] / depth), float(found[1] / depth)


def register(image: Array32, reference: Array32, *, motion: Motion = Motion.AFFINE) -> Registration:
    """Where `reference` lies in `image`; the two may differ in size, brightness and vignetting.

    The smaller picture is looked for everywhere in the larger one and up to 40 px beyond its border. Raises
    `CalibrationInvalidError` where they do not match.
    """
    target, wanted = pattern(image), pattern(reference)
    tile_px = tile_size(wanted.values.shape, _TILE_PX)
    matrix = _coarse(target, wanted, tile_px)
    if motion is Motion.TRANSLATION:
        middle = np.array([wanted.values.shape[1] / 2, wanted.values.shape[0] / 2])
        matrix = np.column_stack([np.eye(2), matrix[:, :2] @ middle + matrix[:, 2] - middle])
    matrix, correlation = _ecc(target, wanted, matrix, motion)
    if correlation < LEAST_CORRELATION:
        raise _no_match(correlation)
    return _judged(target, wanted, matrix, correlation, tile_px)


def translation(
    image: Array32, reference: Array32, start: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float, float]:
    """(dx, dy) by which `image` shows `reference` displaced, near `start` (within about 2 px), and their correlation.

    Raises `CalibrationInvalidError` where they do not match.
    """
    first = np.column_stack([np.eye(2), start])
    matrix, correlation = _ecc(pattern(image), pattern(reference), first, Motion.TRANSLATION)
    if correlation < LEAST_CORRELATION:
        raise _no_match(correlation)
    return float(matrix[0, 2]), float(matrix[1, 2]), correlation


def _no_match(correlation: float) -> CalibrationInvalidError:
    return CalibrationInvalidError(
        f"the pictures of the mask correlate by {correlation:.2f}, expected at least {LEAST_CORRELATION:g}: they do "
        "not show the same mask within the search range; check that the mask is in place, in focus and evenly lit, "
        "and that the picture is neither turned nor mirrored"
    )


def _coarse(image: Pattern, reference: Pattern, tile_px: int) -> Matrix:
    """An affine through the tiles that agree; a translation where fewer than four do."""
    slack = np.subtract(image.values.shape, reference.values.shape)[::-1]
    low, high = np.minimum(slack, 0) - _SEARCH_PX, np.maximum(slack, 0) + _SEARCH_PX
    centres = tile_centres(reference.values.shape, tile_px)
    found, scores = find_tiles(image, reference, centres.reshape(-1, 2), tile_px, (low, high))
    good = scores > 0.3
    if not good.any():
        raise _no_match(float(scores.max(initial=0)))
    places, wanted = found[good], centres.reshape(-1, 2)[good]
    moved = places - wanted
    agreeing = np.linalg.norm(moved[:, None] - moved[None], axis=2) < 0.03 * max(reference.values.shape) + 2
    party = agreeing[np.argmax(agreeing.sum(axis=1))]
    share = min(1.0, image.values.size / reference.values.size)
    if party.sum() < max(2, 0.2 * share * len(scores)):
        raise _no_match(float(np.median(scores)))
    places, wanted, moved = places[party], wanted[party], moved[party]
    if len(wanted) >= _FEWEST_TILES and min(np.ptp(wanted, axis=0)) > 0:
        affine, inliers = cv2.estimateAffine2D(
            wanted, places, method=cv2.RANSAC, ransacReprojThreshold=_RANSAC_PX, maxIters=5000, confidence=0.999
        )
        if affine is not None and inliers.sum() >= _FEWEST_TILES and abs(np.linalg.det(affine[:, :2]) - 1) < 0.2:
            return np.asarray(affine, np.float64)
    return np.column_stack([np.eye(2), np.median(moved, axis=0)])


def _ecc(image: Pattern, reference: Pattern, matrix: Matrix, motion: Motion) -> tuple[Matrix, float]:
    """Refined matrix and the correlation reached; the correlation is 0 where it does not converge."""
    first = matrix.astype(np.float32)
    if motion is Motion.HOMOGRAPHY:
        first = np.vstack([first, [0, 0, 1]]).astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-7)
    try:
        correlation, refined = cv2.findTransformECCWithMask(
            reference.values,
            image.values,
            reference.seen.astype(np.uint8),
            image.seen.astype(np.uint8),
            first,
            motion.value,
            criteria,
            _FILTER_PX,
        )
    except cv2.error:
        return matrix, 0.0
    return np.asarray(refined, np.float64), float(correlation)


def _judged(image: Pattern, reference: Pattern, matrix: Matrix, correlation: float, tile_px: int) -> Registration:
    """Bring the image onto the reference once and see what each tile still deviates."""
    size = reference.values.shape[1], reference.values.shape[0]
    warp = cv2.warpPerspective if len(matrix) == 3 else cv2.warpAffine
    values = np.asarray(warp(image.values, matrix, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP), np.float32)
    seen = np.asarray(warp(image.seen, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP), np.float32)
    centres = tile_centres(reference.values.shape, tile_px)
    deviation = np.full((2, *centres.shape[:2]), np.nan, np.float32)
    for p, q in np.ndindex(*centres.shape[:2]):
        offset = tile_offset(Pattern(values, seen), reference, centres[p, q], tile_px)
        if offset is not None:
            deviation[:, p, q] = offset[:2]
    matched = np.isfinite(deviation[0])
    inliers = int(matched.sum())
    spread = robust_sigma(deviation[:, matched]) if inliers else float("nan")
    sigma = spread / np.sqrt(max(inliers, 1))
    return Registration(matrix, correlation, spread, float(sigma), deviation, inliers, matched.size)
