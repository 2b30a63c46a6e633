"""The lens from views of a chessboard, against a lens that is known."""

from functools import cache

import numpy as np
import pytest

from livecassi.calibration.bench.chessboard import camera_matrix, chessboard
from livecassi.calibration.calibration import Array32
from livecassi.calibration.checks import Verdict
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.distortion import find_corners, fit_distortion

HEIGHT, WIDTH, K1 = 180, 240, -0.2


@cache
def views(count: int) -> tuple[Array32, ...]:
    generator = np.random.default_rng(4)
    pictures = []
    for pose in range(count):
        fine = chessboard(HEIGHT, WIDTH, pose, K1)
        picture = fine.reshape(HEIGHT, WIDTH, -1).mean(axis=2)
        pictures.append((picture + generator.normal(0, 0.01, picture.shape)).astype(np.float32))
    return tuple(pictures)


def test_the_lens_is_recovered() -> None:
    found = fit_distortion(views(7))
    assert found.views == 7
    assert found.rms_px < 0.15
    focal = camera_matrix(HEIGHT, WIDTH)[0, 0]
    assert found.camera_matrix[0, 0] == pytest.approx(focal, rel=0.05)
    corner = np.hypot(HEIGHT / 2, WIDTH / 2)
    truth = abs(K1) * corner * (corner / focal) ** 2
    assert found.largest_px == pytest.approx(truth, abs=max(3 * found.sigma_px, 0.3))
    assert found.coefficients.shape == found.coefficient_sigmas.shape == (5,)


def test_views_without_the_board_are_told() -> None:
    blank = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    found = fit_distortion([*views(7)[:4], blank])
    assert (found.views, found.unusable) == (4, (4,))
    few = next(check for check in found.checks if check.name == "views of the chessboard")
    assert few.verdict is Verdict.WARN
    assert "1 pictures did not show the whole board; capture 6 more" in few.words


def test_too_few_views_are_refused() -> None:
    with pytest.raises(CalibrationInvalidError, match=r"6 x 9 inner corners was found in 2 of 2 pictures"):
        fit_distortion(views(7)[:2])
    with pytest.raises(CalibrationInvalidError, match=r"8 x 11 inner corners was found in 0 of 3 pictures"):
        fit_distortion(views(7)[:3], (8, 11))


def test_corners_go_row_by_row() -> None:
    corners = find_corners(views(7)[0], (6, 9))
    assert corners is not None
    grid = corners.reshape(6, 9, 2)
    assert (np.diff(grid[..., 0], axis=1) > 5).all() or (np.diff(grid[..., 0], axis=1) < -5).all()
    assert np.ptp(grid[0, :, 1]) < 3
