"""The dispersion curve: accuracy against a curve that is known, and the faults that it must name."""

from collections.abc import Sequence

import numpy as np
import pytest

from livecassi.calibration.bench.dispersion import DispersionCurve
from livecassi.calibration.capture import Line
from livecassi.calibration.checks import Check, Verdict, worst
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.curve import CurveFit, fit_curve, judge_band
from livecassi.calibration.import_mask import TSA28_NM

TRUTH = DispersionCurve(450.0, 650.0, 54.0)
BAND_NM = np.arange(453.0, 649.0)
SIGMA_PX = 0.02
TEN_NM = tuple(np.linspace(455.0, 645.0, 10))


def mean_shift(nm: float, fwhm_nm: float) -> float:
    """Where a filter's light lands on average, by plain summation."""
    places = nm + fwhm_nm * np.linspace(-2, 2, 4001)
    weights = np.exp(-4 * np.log(2) * np.linspace(-2, 2, 4001) ** 2)
    return float(np.average(TRUTH.shift_px(places), weights=weights))


def fitted(given: Sequence[float], truly: Sequence[float] | None = None, fwhm: float = 0.0, seed: int = 0) -> CurveFit:
    noise = np.random.default_rng(seed).normal(0, SIGMA_PX, len(given))
    shifts = np.array([mean_shift(nm, fwhm) for nm in truly or given]) + noise
    return fit_curve([Line(nm, fwhm) for nm in given], shifts, np.full(len(given), SIGMA_PX))


def complaint(checks: Sequence[Check], start: str) -> str:
    found = next(check for check in checks if check.name.startswith(start))
    assert found.verdict is not Verdict.PASS
    return found.words


@pytest.mark.parametrize(("given", "fwhm", "limit"), [(TEN_NM, 10.0, 0.02), ((450.0, 532.0, 638.0), 0.0, 0.05)])
def test_error_over_the_band_and_its_estimate(given: Sequence[float], fwhm: float, limit: float) -> None:
    errors = np.array(
        [fitted(given, fwhm=fwhm, seed=k).curve.shift_px(BAND_NM) - TRUTH.shift_px(BAND_NM) for k in range(40)]
    )
    assert np.sqrt((errors**2).mean()) < limit
    told = fitted(given, fwhm=fwhm).curve.sigma_px(BAND_NM)
    np.testing.assert_allclose(errors.std(axis=0), told, rtol=0.5)


def test_ten_filters_pass_every_check() -> None:
    fit = fitted(TEN_NM, fwhm=10.0)
    assert worst(fit.checks + judge_band(fit.curve, BAND_NM)) is Verdict.PASS
    assert np.abs(fit.residuals_px).max() < 4 * SIGMA_PX
    assert all(distance is not None and abs(distance) < 0.2 for distance in fit.left_out_px)


def test_the_width_of_a_filter_moves_its_light() -> None:
    shifts = [mean_shift(nm, 30.0) for nm in TEN_NM]
    wide = fit_curve([Line(nm, 30.0) for nm in TEN_NM], shifts, [SIGMA_PX] * 10).curve
    as_points = fit_curve([Line(nm) for nm in TEN_NM], shifts, [SIGMA_PX] * 10).curve
    assert np.abs(wide.shift_px(BAND_NM) - TRUTH.shift_px(BAND_NM)).max() < 0.005
    assert np.abs(as_points.shift_px(BAND_NM) - TRUTH.shift_px(BAND_NM)).max() > 0.07


def test_a_published_list_of_band_centres() -> None:
    fit = fit_curve([Line(nm) for nm in TSA28_NM], 2.0 * np.arange(28), [0.05] * 28)
    assert fit.rms_px < 0.1
    np.testing.assert_allclose(fit.curve.slope_px_per_nm([455.0, 640.0]), [0.465, 0.169], atol=0.02)
    short = fit_curve([Line(nm) for nm in TSA28_NM], 2.0 * np.arange(28), [0.05] * 28, terms=2)
    assert short.rms_px > fit.rms_px


def test_there_and_back() -> None:
    curve = fitted(TEN_NM).curve
    np.testing.assert_allclose(curve.wavelength_nm(curve.shift_px(BAND_NM)), BAND_NM, atol=0.002)
    middle = (curve.shift_px(551.0) - curve.shift_px(549.0)) / 2
    assert float(curve.slope_px_per_nm(550.0)) == pytest.approx(float(middle), rel=1e-3)
    assert float(curve.sigma_px(460.0, relative_to_nm=460.0)) == pytest.approx(0, abs=1e-6)
    with pytest.raises(CalibrationInvalidError, match=r"no wavelength lands at a shift of 900\.00 px"):
        curve.wavelength_nm(900.0)


def test_three_lines_are_exact_and_say_so() -> None:
    fit = fitted((450.0, 532.0, 638.0))
    assert fit.rms_px < 1e-9
    assert fit.left_out_px == (None, None, None)
    assert "no line is left to check" in complaint(fit.checks, "lines beyond")
    assert worst(fit.checks) is Verdict.WARN


def test_two_lines_give_two_terms_and_one_line_none() -> None:
    fit = fitted((450.0, 638.0))
    assert fit.curve.terms == 2
    assert "off by more than 1 px" in complaint(fit.checks, "lines beyond")
    with pytest.raises(CalibrationInvalidError, match="1 different lines"):
        fitted((532.0, 532.0))


@pytest.mark.parametrize("others", [(455.0, 500.0, 600.0, 640.0), (455.0, 480.0, 500.0, 560.0, 585.0, 620.0, 640.0)])
def test_a_wrong_line_is_named(others: tuple[float, ...]) -> None:
    fit = fitted((532.0, *others), (546.3, *others))
    told = complaint(fit.checks, "farthest line")
    assert "the line given as 532 nm lies where the others put 546." in told
    assert worst(fit.checks) is Verdict.FAIL
    if len(others) > 5:  # the many outvote the one
        assert np.abs(fit.curve.shift_px(BAND_NM) - TRUTH.shift_px(BAND_NM)).max() < 1


def test_one_wrong_line_of_four_fails_though_it_is_uncertain_which() -> None:
    fit = fitted((455.0, 532.0, 600.0, 640.0), (455.0, 546.3, 600.0, 640.0))
    assert worst(fit.checks) is Verdict.FAIL
    assert "Or one of the others was" in complaint(fit.checks, "farthest line")


def test_two_lines_swapped_among_others() -> None:
    fit = fitted((473.0, 532.0, 546.1, 585.2, 640.2), (473.0, 546.1, 532.0, 585.2, 640.2))
    assert "532 nm and 546.1 nm stand in the wrong order" in complaint(fit.checks, "neighbouring lines")


def test_all_lines_swapped_or_the_camera_flipped() -> None:
    swapped = fitted((450.0, 532.0, 638.0), (638.0, 532.0, 450.0))
    assert "flip the camera's columns" in complaint(swapped.checks, "neighbouring lines")
    lines = [Line(nm) for nm in TEN_NM]
    flipped = fit_curve(lines, -TRUTH.shift_px(TEN_NM), [SIGMA_PX] * 10)
    assert "dispersion runs the other way" in complaint(flipped.checks, "neighbouring lines")
    both = fit_curve(lines, -TRUTH.shift_px(TEN_NM[::-1]), [SIGMA_PX] * 10)
    assert "disperses blue light most" in complaint(both.checks, "slope at the first line")


def test_missing_blue_line() -> None:
    fit = fitted((546.07, 576.96, 585.25, 614.31, 640.22))
    checks = judge_band(fit.curve, BAND_NM)
    told = complaint(checks, "band below the first line")
    assert "missing blue line: the band begins at 453 nm, the first line is 546.07 nm" in told
    assert complaint(checks, "uncertainty").startswith("uncertainty of the dispersion curve 0.")
    far_red = fitted((455.0, 470.0, 500.0, 532.0))
    assert "the last line is 532 nm" in complaint(judge_band(far_red.curve, BAND_NM), "band above")


def test_a_curve_that_turns_has_no_way_back() -> None:
    curve = fit_curve([Line(nm) for nm in (450.0, 532.0, 638.0)], [0.0, 40.0, 20.0], [SIGMA_PX] * 3)
    assert "the curve turns near" in complaint(curve.checks, "least slope")
    with pytest.raises(CalibrationInvalidError, match="the dispersion curve turns at"):
        curve.curve.wavelength_nm(10.0)
