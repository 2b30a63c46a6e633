"""The distortion of the lens, from views of a chessboard."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.checks import Check
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.drivers.opencv import cv2

FEWEST_VIEWS = 3
GOOD_VIEWS = 10
RMS_PX = (0.2, 0.5)
SIGMA_PX = (0.1, 0.5)
_SMALLEST_SIDE_PX = 320  # smaller pictures are magnified for the search

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distortion:
    """OpenCV's model: `camera_matrix (3, 3)` in px, `coefficients (5,)` k1 k2 p1 p2 k3 (k3 is held at 0).

    `coefficient_sigmas (5,)`: their standard errors; `rms_px`: reprojection error of the corners; `largest_px`: by how
    much the lens displaces light at the farthest corner of the picture, give or take `sigma_px`; `views`: pictures in
    which the board was found, `unusable` the numbers of the others.
    """

    camera_matrix: Floats
    coefficients: Floats
    coefficient_sigmas: Floats
    rms_px: float
    largest_px: float
    sigma_px: float
    views: int
    unusable: tuple[int, ...]
    checks: tuple[Check, ...]


def fit_distortion(pictures: Sequence[Array32], corners: tuple[int, int] = (6, 9)) -> Distortion:
    """The lens from pictures `(H, W)` of a chessboard with `corners` (rows, columns) inner corners, held differently.

    Raises `CalibrationInvalidError` where the board is found in fewer than three pictures.
    """
    found = [find_corners(picture, corners) for picture in pictures]
    places = [place for place in found if place is not None]
    unusable = tuple(k for k, place in enumerate(found) if place is None)
    if len(places) < FEWEST_VIEWS:
        raise CalibrationInvalidError(
            f"the chessboard of {corners[0]} x {corners[1]} inner corners was found in {len(places)} of "
            f"{len(pictures)} pictures, expected at least {FEWEST_VIEWS}: show the whole board, sharp and evenly lit, "
            "with mask and disperser out, and enter the number of its inner corners as rows x columns"
        )
    height, width = pictures[0].shape
    board = np.zeros((corners[0] * corners[1], 3), np.float32)
    board[:, :2] = np.mgrid[: corners[1], : corners[0]].T.reshape(-1, 2)
    try:
        rms, camera, terms, _, _, errors, _, _ = cv2.calibrateCameraExtended(
            [board] * len(places), places, (width, height), np.eye(3), np.zeros(5), flags=cv2.CALIB_FIX_K3
        )
    except cv2.error as error:
        raise CalibrationInvalidError(
            f"no lens explains the {len(places)} views of the chessboard: hold it differently tilted in each"
        ) from error
    matrix: Floats = np.asarray(camera, np.float64)
    coefficients: Floats = np.ravel(np.asarray(terms, np.float64))[:5]
    sigmas: Floats = np.ravel(np.asarray(errors, np.float64))[4:9]
    largest, sigma = _at_the_corner(matrix, coefficients, sigmas, height, width)
    checks = _judged(float(rms), largest, sigma, len(places), unusable)
    return Distortion(matrix, coefficients, sigmas, float(rms), largest, sigma, len(places), unusable, checks)


def find_corners(picture: Array32, corners: tuple[int, int]) -> Array32 | None:
    """The inner corners `(rows * columns, 2)` as (x, y), row by row; None where the board is not found whole."""
    low, high = np.percentile(picture, [0.5, 99.5])
    grey = np.clip((picture - low) / max(float(high - low), 1e-9) * 255, 0, 255).astype(np.uint8)
    magnified = max(1, int(np.ceil(_SMALLEST_SIDE_PX / min(picture.shape))))
    if magnified > 1:
        grey = cv2.resize(grey, None, fx=magnified, fy=magnified, interpolation=cv2.INTER_CUBIC)
    flags = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
    there, places = cv2.findChessboardCornersSB(grey, (corners[1], corners[0]), flags=flags)
    if not there:
        return None
    return np.asarray((np.asarray(places).reshape(-1, 2) + 0.5) / magnified - 0.5, np.float32)


def _at_the_corner(
    matrix: Floats, coefficients: Floats, sigmas: Floats, height: int, width: int
) -> tuple[float, float]:
    """The largest displacement among the corners of the picture, and its standard error from the coefficients alone."""
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
    rays = (corners - matrix[:2, 2]) / matrix[[0, 1], [0, 1]]
    exact = _displacements(rays, coefficients) * matrix[[0, 1], [0, 1]]
    lengths = np.linalg.norm(exact, axis=1)
    worst = int(np.argmax(lengths))
    steps = np.diag(sigmas)
    changes = [
        np.linalg.norm((_displacements(rays, coefficients + step) * matrix[[0, 1], [0, 1]] - exact)[worst])
        for step in steps
    ]
    return float(lengths[worst]), float(np.sqrt(np.sum(np.square(changes))))


def _displacements(rays: Floats, coefficients: Floats) -> Floats:
    """Distorted minus straight, of rays (x, y) at depth 1."""
    k1, k2, p1, p2, k3 = coefficients
    x, y = rays.T
    square = x * x + y * y
    radial = k1 * square + k2 * square**2 + k3 * square**3
    return np.column_stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ]
    )


def _judged(rms: float, largest: float, sigma: float, views: int, unusable: tuple[int, ...]) -> tuple[Check, ...]:
    left_out = f"{len(unusable)} pictures did not show the whole board; " if unusable else ""
    return (
        Check(
            name="corners of the chessboard from where the lens puts them",
            value=rms,
            unit="px rms",
            limit=RMS_PX[0],
            fail_limit=RMS_PX[1],
            advice="the board is not flat, or the pictures are not sharp; repeat them",
        ),
        Check(
            name="views of the chessboard",
            value=views,
            unit="",
            limit=GOOD_VIEWS,
            fail_limit=FEWEST_VIEWS,
            higher_is_better=True,
            advice=f"{left_out}capture {max(0, GOOD_VIEWS - views)} more, tilted and reaching into the corners",
        ),
        Check(
            name="uncertainty of the distortion in the corners of the picture",
            value=sigma,
            unit="px",
            limit=SIGMA_PX[0],
            fail_limit=SIGMA_PX[1],
            advice=f"the lens displaces {largest:.1f} px there; tilt the board more and bring it into the corners",
        ),
    )
