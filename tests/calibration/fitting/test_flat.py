import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from lab import Lab, lab
from numpy.typing import NDArray

from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.bench import BenchDesign
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Verdict, worst
from livecassi.calibration.fitting.dark import DarkFit, fit_dark
from livecassi.calibration.fitting.flat import FlatFit, fit_flat
from livecassi.calibration.fitting.open_light import open_light
from livecassi.drivers.simulated_camera import Sensor

EXPOSURES_US = {System.SD_CASSI: (600.0, 1400.0, 2400.0), System.DD_CASSI: (1500.0, 3000.0, 4500.0)}
BOTH = list(EXPOSURES_US)


@cache
def captured(system: System, vignetting: float = 0.18) -> tuple[Lab, tuple[Capture, ...], DarkFit]:
    made = lab(system, 96, 160, design=BenchDesign(vignetting=vignetting), sensor=Sensor(hot_pixel_share=5e-4))
    flats = tuple(made.flat(exposure) for exposure in EXPOSURES_US[system])
    return made, flats, fit_dark([made.dark(600.0), made.dark(5000.0)])


def edges_px(made: Lab) -> NDArray[np.float64]:
    bands = made.bench.wavelengths_nm
    middles = (bands[1:] + bands[:-1]) / 2
    edges = np.concatenate([[2 * bands[0] - middles[0]], middles, [2 * bands[-1] - middles[-1]]])
    return made.bench.true_shift_px(edges)


def expected(made: Lab) -> NDArray[np.float32]:
    response = made.bench.response_e_s.astype(np.float32)
    return open_light(response, edges_px(made), made.bench.system, made.bench.measurement_shape, 0.01)


def deviation(found: FlatFit, made: Lab) -> NDArray[np.float32]:
    truth = made.true_flat
    usual: NDArray[np.float32] = found.flat / (truth / truth[found.lit].mean()) - 1
    return usual


@pytest.mark.parametrize("system", BOTH)
@pytest.mark.parametrize("known", [True, False])
def test_the_flat_is_vignetting_times_pixel_response(system: System, known: bool) -> None:
    made, flats, dark = captured(system)
    found = fit_flat(flats, dark, expected(made) if known else None)
    off = deviation(found, made)
    usual = dark.hot_pixels == 0
    assert found.flat[found.lit].mean() == pytest.approx(1, abs=1e-5)
    assert off[found.lit].std() < 0.0025  # of 0.6 % pixel response and 17 % vignetting
    assert off[found.lit].std() < 2 * found.sigma
    assert np.abs(off[usual]).max() < 0.035
    assert found.pixel_response_percent == pytest.approx(0.6, abs=0.06)
    assert worst(found.checks) is Verdict.PASS


@pytest.mark.parametrize("system", BOTH)
def test_vignetting_is_told_in_percent(system: System) -> None:
    made, flats, dark = captured(system, 0.3)
    found = fit_flat(flats, dark, expected(made))
    truth = made.bench.vignetting[found.lit]
    assert found.vignetting_percent == pytest.approx(100 * (1 - truth.min() / truth.max()), abs=1.5)
    ratio = found.vignetting / made.bench.vignetting
    assert np.abs(ratio / ratio[found.lit].mean() - 1).max() < 0.015


def test_without_a_plan_of_the_light_only_the_plateau_is_lit() -> None:
    _, flats, dark = captured(System.SD_CASSI)
    columns = np.flatnonzero(fit_flat(flats, dark).lit.mean(axis=0) > 0.5)
    assert 50 <= columns[0] <= 64
    assert 148 <= columns[-1] <= 164


def test_clipped_flats_are_left_out() -> None:
    made, flats, dark = captured(System.DD_CASSI)
    found = fit_flat([*flats, made.flat(60_000.0, frames=4)], dark, expected(made))
    assert deviation(found, made)[found.lit].std() < 0.0025
    with pytest.raises(
        CalibrationInvalidError, match=r"every flat is above 95 % of full scale .* shorten the exposure"
    ):
        fit_flat([made.flat(60_000.0, frames=4)], dark)


def test_flats_at_other_levels_of_light_serve_too() -> None:
    made, _, dark = captured(System.DD_CASSI)
    found = fit_flat([made.flat(4500.0, level=level) for level in (0.3, 0.6, 0.9)], dark, expected(made))
    assert deviation(found, made)[found.lit].std() < 0.003


def test_a_flat_in_the_dark_is_refused_or_told() -> None:
    made, _, dark = captured(System.DD_CASSI)
    dim = fit_flat([made.flat(100.0)], dark)
    assert worst(dim.checks) is Verdict.FAIL
    assert any("bring more light" in check.words for check in dim.checks)


def test_a_shadow_is_told() -> None:
    made, flats, dark = captured(System.DD_CASSI)
    shadow = np.ones(flats[0].shape, np.float32)
    shadow[30:60, 40:80] = 0.9
    found = fit_flat([Capture(**{**vars(flat), "mean": flat.mean * shadow}) for flat in flats], dark, expected(made))
    assert any("unevenness" in check.name and check.verdict is not Verdict.PASS for check in found.checks)


@pytest.mark.parametrize(("depth", "verdict"), [(0.05, Verdict.WARN), (0.25, Verdict.FAIL)])
def test_a_small_shadow_is_told_with_its_place(depth: float, verdict: Verdict) -> None:
    made, flats, dark = captured(System.DD_CASSI)
    shadow = np.ones(flats[0].shape, np.float32)
    shadow[34:54, 100:120] = 1 - depth
    found = fit_flat([replace(flat, mean=flat.mean * shadow) for flat in flats], dark, expected(made))
    worst_place = next(check for check in found.checks if check.name == "unevenness of the flat where it is worst")
    assert worst_place.verdict is verdict, worst_place.words
    row, column = (int(number) for number in re.findall(r"row (\d+), column (\d+)", worst_place.words)[0])
    assert 34 <= row < 54
    assert 100 <= column < 120


def test_the_light_of_an_open_aperture_has_two_ramps() -> None:
    made, _, _ = captured(System.SD_CASSI)
    light = expected(made)
    seen = made.flat(2400.0, frames=8).mean.astype(float) - 48
    seen = (seen / made.true_flat).mean(axis=0)
    seen /= seen[60:150].mean()
    row = light.mean(axis=0) / light[:, 60:150].mean()
    assert np.abs(row - seen).max() < 0.015
    assert (open_light(made.bench.response_e_s, edges_px(made), System.DD_CASSI, (4, 9)) == 1).all()


def test_a_scene_hardly_wider_than_the_dispersion() -> None:
    made = lab(System.SD_CASSI, 96, 64)
    flats = [made.flat(exposure) for exposure in EXPOSURES_US[System.SD_CASSI]]
    dark = fit_dark([made.dark(600.0), made.dark(5000.0)])
    first = fit_flat(flats, dark)
    assert 0 < first.lit.mean() < 0.05
    assert np.abs(first.vignetting - 1).max() == 0
    assert deviation(fit_flat(flats, dark, expected(made)), made)[24:-24, 40:-40].std() < 0.01
