from functools import cache

import numpy as np
import pytest
from lab import Lab, lab

from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Verdict, worst
from livecassi.calibration.fitting.dark import DarkFit, fit_dark
from livecassi.drivers.simulated_camera import Sensor

HOT = Sensor(hot_pixel_share=3e-3)


@cache
def dim() -> tuple[Lab, tuple[Capture, ...]]:
    made = lab(System.DD_CASSI, sensor=HOT)
    return made, (made.dark(10_000.0), made.dark(40_000.0))


def fitted(**changes: float) -> DarkFit:
    return fit_dark(dim()[1], **changes)


def test_the_dark_is_that_of_the_exposure_in_use() -> None:
    made, darks = dim()
    found = fitted()
    truth = made.camera.mean_dark(10_000.0, 0.0)
    assert found.exposure_us == 10_000.0
    assert np.std(found.dark - truth) < 1.3 * 0.8 / np.sqrt(32)  # the noise of 32 frames
    assert found.level_dn == pytest.approx(float(np.median(truth)), abs=0.02)
    assert np.array_equal(fitted(exposure_us=40_000.0).dark, darks[1].mean)


def test_between_two_exposures_the_dark_follows_a_line() -> None:
    made, _ = dim()
    found = fitted(exposure_us=25_000.0)
    truth = made.camera.mean_dark(25_000.0, 0.0)
    hot = truth - np.median(truth) > 10
    assert hot.sum() > 3
    assert found.dark[hot] == pytest.approx(truth[hot], abs=1.5)
    assert fit_dark(dim()[1][:1]).at(25_000.0) == pytest.approx(dim()[1][0].mean)


def test_hot_pixels_are_found_and_no_others() -> None:
    made, _ = dim()
    truth = made.camera.mean_dark(40_000.0, 0.0)
    hot = truth - np.median(truth) > 3.0
    found = fitted().hot_pixels.astype(bool)
    assert hot.sum() >= 5
    assert (found & hot).sum() == hot.sum()
    assert found.sum() <= hot.sum() + 2
    assert worst(fitted().checks) is Verdict.WARN  # more than 0.1 % of the pixels


def test_a_dead_and_a_flickering_pixel_are_found_by_their_noise() -> None:
    made = lab(System.DD_CASSI)
    capture = made.dark()
    assert capture.noise is not None
    noise = capture.noise.copy()
    noise[5, 7], noise[50, 90] = 0.0, 6.0
    marked = fit_dark([Capture(**{**vars(capture), "noise": noise})]).hot_pixels
    assert marked[5, 7] == marked[50, 90] == 1
    assert marked.sum() <= 3


def test_read_noise_and_dark_signal_are_those_of_the_sensor() -> None:
    made, _ = dim()
    found, sensor = fitted(), made.camera.sensor
    assert found.read_noise_dn is not None
    assert found.read_noise_sigma_dn is not None
    assert found.rate_dn_s is not None
    assert found.rate_sigma_dn_s is not None
    assert found.read_noise_dn / sensor.dn_per_electron == pytest.approx(6.0, rel=0.02)
    assert 0 < found.read_noise_sigma_dn < 0.01 * found.read_noise_dn
    expected = sensor.dark_current_e_s * sensor.dn_per_electron
    assert found.rate_dn_s == pytest.approx(expected, abs=4 * found.rate_sigma_dn_s)
    assert found.rate_sigma_dn_s < 0.1 * expected


def test_one_frame_gives_a_dark_without_noise() -> None:
    found = fit_dark([lab(System.DD_CASSI).dark(frames=1)])
    assert found.read_noise_dn is None
    assert found.rate_dn_s is None
    assert worst(found.checks) is Verdict.PASS


def test_a_dark_cut_off_at_zero_and_one_that_drifts_are_told() -> None:
    capture = dim()[1][0]
    assert capture.halves is not None
    low = fit_dark([Capture(**{**vars(capture), "mean": np.maximum(capture.mean - 60, 0)})])
    drifting = fit_dark([Capture(**{**vars(capture), "halves": capture.halves + np.array([0, 0.5])[:, None, None]})])
    assert {check.name: check.verdict for check in low.checks}["pixels whose dark is cut off at 0 DN"] is Verdict.FAIL
    assert any("drift" in c.name and c.verdict is Verdict.FAIL and "warm up" in c.words for c in drifting.checks)


def test_darks_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(CalibrationInvalidError, match="there is no dark capture"):
        fit_dark([])
    with pytest.raises(CalibrationInvalidError, match="take all of them with the same settings"):
        fit_dark([dim()[1][0], lab(System.SD_CASSI).dark(frames=2)])


@pytest.mark.parametrize("bits", [8, 10])
def test_a_sensor_whose_steps_are_coarser_than_its_noise_has_no_more_hot_pixels(bits: int) -> None:
    sensor = Sensor(bit_depth=bits, offset_dn=12.5, hot_pixel_share=0.0)
    made = lab(System.DD_CASSI, sensor=sensor)
    found = fit_dark([made.dark(1_000.0), made.dark(4_000.0)])
    assert found.hot_pixels.sum() == 0
    assert worst(found.checks) is Verdict.PASS
