"""A chessboard before the bench: tilted by hand, seen through an objective that bends straight lines."""

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.bench.mask import OVERSAMPLING
from livecassi.calibration.calibration import Array32
from livecassi.drivers.opencv import cv2

SQUARES = (7, 10)  # rows, columns: 6 x 9 inner corners
FOCAL_SIDES = 1.5  # focal length in longer sides of the picture
LIGHT, DARK = 0.9, 0.05  # reflectances
_SIZE = 0.62  # of the board against the picture, where it hangs straight
_MARGIN = 0.8  # of white around the squares, in squares


def camera_matrix(height: int, width: int) -> NDArray[np.float64]:
    """The pinhole (3, 3) behind which the board is seen, in camera pixels."""
    focal = FOCAL_SIDES * max(height, width)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def chessboard(height: int, width: int, pose: int, k1: float) -> Array32:
    """Reflectances `(H, 4W)`: rows of the camera, columns four times finer. Every `pose` hangs otherwise.

    `k1`: radial distortion in OpenCV's sense.
    """
    fine = OVERSAMPLING
    x, y = np.meshgrid((np.arange(width * fine) + 0.5) / fine - 0.5, (np.arange(height * fine) + 0.5) / fine - 0.5)
    seen = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
    rays = cv2.undistortPoints(seen, camera_matrix(height, width), np.array([k1, 0, 0, 0]))
    rays = np.asarray(rays, np.float64).reshape(-1, 2)
    onto_board = np.linalg.inv(_pose(height, width, pose))
    places = np.column_stack([rays, np.ones(len(rays))]) @ onto_board.T
    column, row = (places[:, :2] / places[:, 2:]).T
    rows, columns = SQUARES
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    black = inside & ((np.floor(row) + np.floor(column)) % 2 == 0)
    paper = (row > -_MARGIN) & (row < rows + _MARGIN) & (column > -_MARGIN) & (column < columns + _MARGIN)
    picture = np.where(black, DARK, np.where(paper, LIGHT, 0.3)).reshape(height, fine, width * fine)
    return np.asarray(picture.mean(axis=1), np.float32)


def _pose(height: int, width: int, pose: int) -> NDArray[np.float64]:
    """The matrix (3, 3) from the board, in squares from its corner, to rays."""
    generator = np.random.default_rng([pose, 0xB0A])
    turns = generator.uniform(-1, 1, 3) * np.deg2rad([24, 24, 8]) * (pose > 0)
    aside = generator.uniform(-1, 1, 2) * 0.08 * (pose > 0)
    turned, _ = cv2.Rodrigues(turns)
    rows, columns = SQUARES
    focal = FOCAL_SIDES * max(height, width)
    distance = focal * max(rows / height, columns / width) / _SIZE  # in squares
    middle = np.array([aside[0] * columns, aside[1] * rows, distance])
    turned = np.asarray(turned, np.float64)
    corner = middle - turned[:, :2] @ np.array([columns / 2, rows / 2])
    return np.column_stack([turned[:, 0], turned[:, 1], corner])
