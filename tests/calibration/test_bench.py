from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.calibration import Calibration, CalibrationInvalidError, System, sensing_model
from livecassi.calibration.bench import Bench, SensorSide, Spectrum
from livecassi.calibration.bench.scene import CHART, OTHERS

WAVELENGTHS = np.linspace(380, 780, 41)
LAMP = Spectrum(WAVELENGTHS, 60 + 40 * np.sin(WAVELENGTHS / 60))
SIZE = (150, 203)
# Root mean square of forward(truth) - light, relative to the light, as measured: within-band dispersion, lens blur
# and stray light are in the light but not in the model.
MODEL_ERROR = {System.SD_CASSI: 0.018, System.DD_CASSI: 0.010, System.PMVIS: 0.065, System.NDSSI: 0.005}


def reflectances() -> dict[str, Spectrum]:
    """Smooth invented spectra, one for each thing in the scene."""
    names = (*CHART, *OTHERS)
    return {
        name: Spectrum(WAVELENGTHS, 0.08 + 0.8 / (1 + np.exp((420 + 9 * i - WAVELENGTHS) / (15 + i))))
        for i, name in enumerate(names)
    }


@cache
def bench(system: System, seed: int = 0) -> Bench:
    return Bench(system, *SIZE, reflectances(), LAMP, seed)


def calibration(made: Bench) -> Calibration:
    shape = made.measurement_shape
    return made.calibration(
        SensorSide("S", 12, 1 / 32_000, 10_000.0, 0.0, np.zeros(shape, np.float32), np.ones(shape, np.float32))
    )


def noise_free(made: Bench, t_s: float) -> NDArray[np.float32]:
    return made.irradiance(t_s) * np.float32(0.01 / 32_000) / made.vignetting


@pytest.mark.parametrize("system", list(System))
def test_the_calibrated_model_explains_the_light(system: System) -> None:
    made = bench(system)
    light = noise_free(made, 1.3)
    predicted = sensing_model(calibration(made)).forward(made.truth(1.3))
    error = np.sqrt(np.mean((predicted - light) ** 2) / np.mean(light**2))
    assert predicted.shape == light.shape == made.measurement_shape
    assert 1e-3 < error < MODEL_ERROR[system]  # not exact: the bench does not compute on the solver's bands
    assert predicted.mean() == pytest.approx(light.mean(), rel=0.01)


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_a_mask_one_row_off_no_longer_explains_the_light(system: System) -> None:
    made = bench(system)
    light, truth = noise_free(made, 1.3), made.truth(1.3)
    right = calibration(made)
    shifted = Calibration(
        right.header, right.wavelengths_nm, np.roll(right.mask, 1, axis=0), right.dispersion_px, right.response
    )
    error = np.sqrt(np.mean((sensing_model(shifted).forward(truth) - light) ** 2) / np.mean(light**2))
    assert error > 5 * MODEL_ERROR[system]


@pytest.mark.parametrize("system", [System.SD_CASSI, System.PMVIS, System.NDSSI])
def test_whole_steps_of_two_columns(system: System) -> None:
    made = calibration(bench(system))
    assert made.dispersion_px == pytest.approx(2.0 * np.arange(made.bands), abs=1e-4)
    assert made.measurement_shape == bench(system).measurement_shape


def test_the_double_disperser_has_bands_every_ten_nanometres_at_fractional_shifts() -> None:
    made = calibration(bench(System.DD_CASSI))
    assert made.wavelengths_nm == pytest.approx(np.arange(410, 701, 10))
    assert np.abs(made.dispersion_px - np.round(made.dispersion_px)).max() > 0.2
    assert made.mask.shape == (150, 203 + 58)
    assert made.measurement_shape == SIZE


def test_the_scene_moves_smoothly_and_is_deterministic() -> None:
    made = bench(System.DD_CASSI)
    now, soon, later = made.truth(0.5), made.truth(0.5 + 1 / 30), made.truth(2.5)
    assert np.array_equal(now, Bench(System.DD_CASSI, *SIZE, reflectances(), LAMP, 0).truth(0.5))
    change, far = np.abs(soon - now).mean(), np.abs(later - now).mean()
    assert 0 < change < 0.2 * far
    assert not np.allclose(now, bench(System.DD_CASSI, 1).truth(0.5), atol=0.01)


def test_the_truth_is_reflectance_with_shading() -> None:
    truth = bench(System.SD_CASSI).truth(0.0)
    assert truth.shape == (28, *SIZE)
    assert truth.min() > -0.01
    assert 0.6 < np.percentile(truth, 99.9) < 1.3


def test_the_lamp_fills_the_sensor_as_designed() -> None:
    made = bench(System.SD_CASSI)
    assert np.percentile(made.irradiance(0.0), 99.9) == pytest.approx(made.design.peak_e_s, rel=0.01)


@pytest.mark.parametrize(("height", "width", "named"), [(63, 128, "height 63"), (128, 5000, "width 5000")])
def test_an_impossible_size_is_refused(height: int, width: int, named: str) -> None:
    with pytest.raises(CalibrationInvalidError, match=f"{named} px was asked for, possible are 64 to 4096"):
        Bench(System.DD_CASSI, height, width, reflectances(), LAMP)


def test_a_missing_reflectance_is_named() -> None:
    some = {name: spectrum for name, spectrum in reflectances().items() if name != "green apple"}
    with pytest.raises(CalibrationInvalidError, match="needs the reflectance 'green apple'"):
        Bench(System.DD_CASSI, 70, 80, some, LAMP)


def test_the_single_disperser_has_thirty_bands_on_demand() -> None:
    made = Bench(System.SD_CASSI, *SIZE, reflectances(), LAMP, bands=30)
    thirty = calibration(made)
    np.testing.assert_allclose(thirty.dispersion_px, 2 * np.arange(30), atol=1e-3)
    np.testing.assert_allclose(thirty.wavelengths_nm[[0, -1]], (410, 700), atol=0.01)
    light = noise_free(made, 1.3)
    error = np.sqrt(np.mean((sensing_model(thirty).forward(made.truth(1.3)) - light) ** 2) / np.mean(light**2))
    assert error < 0.025
    with pytest.raises(CalibrationInvalidError, match=r"31 bands .* sd-cassi bench has 28 or 30"):
        Bench(System.SD_CASSI, *SIZE, reflectances(), LAMP, bands=31)
    with pytest.raises(CalibrationInvalidError, match="dd-cassi bench has 30"):
        Bench(System.DD_CASSI, *SIZE, reflectances(), LAMP, bands=28)
