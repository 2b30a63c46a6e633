"""The point spread of a line, against a blur that is known."""

from functools import cache

import numpy as np
import pytest
from line_pictures import Aperture, Array, Shot, moved, taken

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.line_kernel import band_kernel
from livecassi.calibration.fitting.projection import Geometry
from livecassi.calibration.fitting.psf import line_psf

HEIGHT, WIDTH = 96, 128


@cache
def drawn(shift_px: float, blur_px: float) -> Array:
    shot = Shot(Aperture(HEIGHT, WIDTH, blur_px=blur_px), HEIGHT, WIDTH)
    return shot.draw(moved(shift_px, 0.0))


def mask() -> Array32:
    return drawn(0.0, 0.4).astype(np.float32)


@pytest.mark.parametrize("blur_px", [0.4, 0.55, 0.9])
def test_an_even_blur(blur_px: float) -> None:
    picture = taken(drawn(7.3, blur_px), 1, level=300.0, hot=10, frames=4)
    found = line_psf(picture, mask(), Geometry(7.3))
    truth = np.sqrt(blur_px**2 - 0.4**2)
    assert (found.across_px, found.along_px) == pytest.approx((truth, truth), abs=0.06 if truth else 0.12)
    assert found.sigma_px < 0.1


def test_a_blur_along_the_dispersion_alone() -> None:
    picture = drawn(0.0, 0.4)
    smeared = np.mean([np.roll(picture, k, axis=1) for k in (-1, 0, 1)], axis=0)
    found = line_psf(taken(smeared, 2), mask(), Geometry(0.0))
    assert found.across_px < 0.15
    assert found.along_px == pytest.approx(np.sqrt(2 / 3), abs=0.12)
    known = line_psf(taken(smeared, 2), mask(), Geometry(0.0, 0.0, band_kernel(-1.5, 1.5)))
    assert known.along_px < 0.3


def test_a_picture_beside_the_mask_is_refused() -> None:
    with pytest.raises(CalibrationInvalidError, match="0 columns and 96 rows of the mask"):
        line_psf(taken(drawn(0.0, 0.4), 3), mask(), Geometry(-140.0))
