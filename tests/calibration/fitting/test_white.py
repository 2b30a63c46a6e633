import numpy as np
import pytest

from livecassi.calibration import CalibrationInvalidError
from livecassi.calibration.fitting.white import scale_to_spectrometer

BANDS = np.arange(450.0, 651.0, 10.0)
AT = np.arange(400.0, 700.1, 0.4)
EVEN = np.ones(len(BANDS))


def test_a_straight_spectrum_keeps_its_value_at_the_centre() -> None:
    found = scale_to_spectrometer(EVEN, BANDS, AT, 2.0 + 0.01 * (AT - 400), 10.0)
    assert found.scale == pytest.approx(2.0 + 0.01 * (BANDS - 400), rel=1e-3)
    assert (found.sigma == 0).all()


def test_a_narrow_peak_is_integrated_not_sampled() -> None:
    peak = np.exp(-0.5 * ((AT - 553) / 0.6) ** 2)
    found = scale_to_spectrometer(EVEN, BANDS, AT, peak, 10.0)
    sigma = 10 / 2.3548
    expected = 0.6 / sigma * np.exp(-0.5 * ((553 - 550) / sigma) ** 2)
    assert found.scale[list(BANDS).index(550)] == pytest.approx(expected, rel=0.03)
    assert found.scale[0] == pytest.approx(0, abs=1e-6)


def test_a_response_that_rises_weighs_its_side_more() -> None:
    spectrum = 1 + 0.02 * (AT - 400)
    even = scale_to_spectrometer(EVEN, BANDS, AT, spectrum, 10.0).scale
    rising = scale_to_spectrometer(np.exp((BANDS - 450) / 40), BANDS, AT, spectrum, 10.0).scale
    sigma = 10 / 2.3548
    assert (rising - even)[2:-2] == pytest.approx(0.02 * sigma**2 / 40, rel=0.25)


def test_noise_and_the_error_of_the_centres_are_carried_over() -> None:
    steep = 1 + 0.02 * (AT - 400)
    noisy = scale_to_spectrometer(EVEN, BANDS, AT, steep, 10.0, spectrum_sigma=0.05)
    spread = np.std(
        [
            scale_to_spectrometer(
                EVEN, BANDS, AT, steep + 0.05 * np.random.default_rng(i).standard_normal(len(AT)), 10
            ).scale
            for i in range(100)
        ],
        axis=0,
    )
    assert noisy.sigma == pytest.approx(spread, rel=0.35)
    moved = scale_to_spectrometer(EVEN, BANDS, AT, steep, 10.0, wavelength_sigma_nm=0.5)
    assert moved.sigma == pytest.approx(0.02 * 0.5, rel=0.02)


def test_the_reflectance_of_the_white_counts() -> None:
    whole, grey = (scale_to_spectrometer(EVEN, BANDS, AT, AT, 8.0, white_reflectance=r).scale for r in (1.0, 0.5))
    assert grey == pytest.approx(2 * whole)


def test_bands_beyond_the_spectrometer_and_broken_spectra_are_refused() -> None:
    with pytest.raises(
        CalibrationInvalidError, match=r"reads 500.4 to 700.0 nm, the bands at 450.0, .*, 510.0 nm reach"
    ):
        scale_to_spectrometer(EVEN, BANDS, AT[AT >= 500], AT[AT >= 500], 10.0)
    with pytest.raises(CalibrationInvalidError, match="ascending wavelengths; read it again"):
        scale_to_spectrometer(EVEN, BANDS, AT[::-1], AT, 10.0)
    with pytest.raises(CalibrationInvalidError, match="reflectance of the white of 0"):
        scale_to_spectrometer(EVEN, BANDS, AT, AT, 10.0, white_reflectance=0.0)
