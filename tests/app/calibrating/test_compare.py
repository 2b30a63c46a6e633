"""Before and after: the right calibration explains a frame better than a wrong one, and looks like the scene."""

import numpy as np
import pytest

from livecassi.app.calibrating.compare import compare, reconstructed, straight_guess
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.calibration import CalibrationMismatchError, System
from livecassi.drivers import Frame, SourceSettings
from livecassi.drivers.clock import ManualClock


@pytest.fixture(scope="module")
def prototype() -> Prototype:
    return open_prototype(System.SD_CASSI, 96, 128, clock=ManualClock())


@pytest.fixture(scope="module")
def frame(prototype: Prototype) -> Frame:
    return prototype.source.expose(7, prototype.source.configure(SourceSettings()))


def test_a_wrong_dispersion_explains_less(prototype: Prototype, frame: Frame) -> None:
    right = prototype.calibration
    found = compare(frame, straight_guess(right), right)
    assert found.after.picture.shape == (96, 128, 3)
    assert found.after.picture.dtype == np.uint8
    assert found.after.unexplained_percent < 0.95 * found.before.unexplained_percent
    assert found.before.name == "straight dispersion"
    assert np.abs(found.before.picture.astype(int) - found.after.picture).mean() > 2


def test_a_straight_guess_keeps_both_ends_of_the_curve(prototype: Prototype) -> None:
    right = prototype.calibration
    guess = straight_guess(right)
    np.testing.assert_allclose(guess.dispersion_px[[0, -1]], right.dispersion_px[[0, -1]], atol=1e-3)
    slopes = np.diff(guess.dispersion_px) / np.diff(guess.wavelengths_nm)
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-3)
    assert guess.id != right.id


def test_a_frame_of_another_size_is_refused(frame: Frame) -> None:
    other = open_prototype(System.SD_CASSI, 80, 128, clock=ManualClock()).calibration
    with pytest.raises(CalibrationMismatchError, match="96 x"):
        reconstructed(frame, other)
