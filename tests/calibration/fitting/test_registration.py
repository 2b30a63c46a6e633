"""Registration of pictures of masks, against placements that are known."""

from pathlib import Path

import numpy as np
import pytest
from line_pictures import Aperture, Array, Shot, moved, taken

from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.registration import Motion, register, translation
from livecassi.drivers.matlab_files import read_mat

HEIGHT, WIDTH = 96, 128


def turned(degrees: float, scale: float, dx: float, dy: float, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Takes reference (x, y) to image (x, y): a turn about the middle, and a displacement."""
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width / 2, height / 2])
    return np.column_stack([turn, middle + np.array([dx, dy]) - turn @ middle])


def picture(aperture: Aperture, matrix: Array) -> Array:
    back = np.linalg.inv(matrix[:, :2])

    def place(x: Array, y: Array) -> tuple[Array, Array]:
        x, y = x - matrix[0, 2], y - matrix[1, 2]
        return back[0, 0] * x + back[0, 1] * y, back[1, 0] * x + back[1, 1] * y

    return Shot(aperture, aperture.height, aperture.width).draw(place)


def rms_px(found: Array, truth: Array, height: int = HEIGHT, width: int = WIDTH) -> Array:
    y, x = np.mgrid[:height, :width]
    places = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    error: Array = np.sqrt((((found - truth) @ places) ** 2).mean(axis=1))
    return error


@pytest.fixture(scope="module")
def aperture() -> Aperture:
    return Aperture(HEIGHT, WIDTH, margin_px=16)


@pytest.fixture(scope="module")
def reference(aperture: Aperture) -> Array:
    return Shot(aperture, HEIGHT, WIDTH).draw(moved(0, 0))


@pytest.mark.parametrize("placement", [(0.5, 1.005, 3.3, -2.4), (-0.5, 0.995, 0.3, 6.6), (0.0, 1.0, 0.5, 0.25)])
def test_turned_scaled_vignetted_and_noisy(
    aperture: Aperture, reference: Array, placement: tuple[float, float, float, float]
) -> None:
    truth = turned(*placement)
    image = taken(picture(aperture, truth), seed=1, vignetting=0.3, hot=15, level=0.3)
    found = register(image, taken(reference, seed=2))
    assert rms_px(found.matrix, truth).max() < 0.03
    assert found.rotation_degrees == pytest.approx(placement[0], abs=0.03)
    assert found.scale == pytest.approx(placement[1], abs=0.001)
    assert found.correlation > 0.95
    assert found.rms_px < 0.08
    assert found.inliers == found.tiles == found.tiles_px[0].size


def test_a_place_in_a_larger_picture(aperture: Aperture, reference: Array) -> None:
    whole, part = taken(reference, seed=3), taken(reference, seed=4)[20:84, 33:119]
    found = register(whole, part, motion=Motion.TRANSLATION)
    np.testing.assert_allclose(found.matrix, [[1, 0, 33], [0, 1, 20]], atol=0.02)
    back = register(part, whole, motion=Motion.TRANSLATION)
    np.testing.assert_allclose(back.matrix, [[1, 0, -33], [0, 1, -20]], atol=0.02)
    assert np.isnan(back.tiles_px).any()  # tiles that the part does not show


def test_a_local_shift_shows_in_the_map_of_tiles(aperture: Aperture, reference: Array) -> None:
    def bulge(x: Array, y: Array) -> tuple[Array, Array]:
        return x - 0.6 * (x > 96), y

    image = taken(Shot(aperture, HEIGHT, WIDTH).draw(bulge), seed=5)
    found = register(image, taken(reference, seed=6), motion=Motion.TRANSLATION)
    assert np.nanmean(found.tiles_px[0][:, -1]) > np.nanmean(found.tiles_px[0][:, 0]) + 0.4
    assert found.rms_px > 0.1


def test_homography(aperture: Aperture, reference: Array) -> None:
    def tilt(x: Array, y: Array) -> tuple[Array, Array]:
        depth = 1 + 1e-4 * x
        return x / depth, y / depth

    image = taken(Shot(aperture, HEIGHT, WIDTH).draw(tilt), seed=7)
    found = register(image, taken(reference, seed=8), motion=Motion.HOMOGRAPHY)
    for x, y in ((10, 10), (115, 85)):
        depth = 1 - 1e-4 * x
        assert found.place(x, y) == pytest.approx((x / depth, y / depth), abs=0.08)


def test_another_mask_is_refused(reference: Array) -> None:
    other = Shot(Aperture(HEIGHT, WIDTH, seed=9), HEIGHT, WIDTH).draw(moved(0, 0))
    with pytest.raises(CalibrationInvalidError, match=r"correlate by 0\.\d+, expected at least 0\.5"):
        register(taken(other, seed=1), taken(reference, seed=2))
    with pytest.raises(CalibrationInvalidError, match="expected at least"):
        translation(taken(other, seed=1), taken(reference, seed=2))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, -0.25), (0.12, 0.07)])
def test_drift_of_one_frame(aperture: Aperture, reference: Array, shift: tuple[float, float]) -> None:
    image = taken(Shot(aperture, HEIGHT, WIDTH).draw(moved(*shift)), seed=11, level=900.0)
    dx, dy, correlation = translation(image, taken(reference, seed=12))
    assert (dx, dy) == pytest.approx(shift, abs=0.025)
    assert correlation > 0.95


def test_two_captures_of_one_real_mask(shared: Path) -> None:
    folder = shared / "data" / "masks"
    if not (folder / "tsanet_real_mask660.mat").is_file() or not (folder / "tsanet_sim_mask256.mat").is_file():
        pytest.skip("the published TSA-Net masks are not among the shared data")
    real, simulated = (
        read_mat(folder / name, ["mask"], None).astype(np.float32)
        for name in ("tsanet_real_mask660.mat", "tsanet_sim_mask256.mat")
    )
    found = register(real, simulated, motion=Motion.TRANSLATION)
    assert found.matrix[:, 2] == pytest.approx([201 - 0.47, 202 + 0.10], abs=0.03)
    assert found.correlation > 0.97
    assert 0.03 < found.rms_px < 0.2
    affine = register(real, simulated)
    assert abs(affine.rotation_degrees) < 0.05
    assert affine.scale == pytest.approx(1, abs=0.001)
