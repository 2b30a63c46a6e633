"""Bands on a calibrated curve, and what each of them sees of the mask."""

from dataclasses import replace

import numpy as np
import pytest
from line_pictures import Aperture, Shot, moved

from livecassi.calibration.bench.dispersion import DispersionCurve
from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader, System
from livecassi.calibration.capture import Line
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.bands import Bands, band_masks, choose_bands
from livecassi.calibration.fitting.curve import Curve, fit_curve
from livecassi.calibration.fitting.line_kernel import band_kernel, convolve_columns
from livecassi.calibration.fitting.settings import BandChoice
from livecassi.calibration.record import CalibrationRecord, CurveEntry

TRUTH = DispersionCurve(410.0, 700.0, 58.0)
LINES_NM = (420.0, 460.0, 500.0, 546.1, 600.0, 690.0)
EVERY_TEN_NM = tuple(np.arange(410.0, 701.0, 10.0))
HEIGHT, WIDTH = 40, 90


def curve(lines: tuple[float, ...] = LINES_NM) -> Curve:
    return fit_curve([Line(nm) for nm in lines], TRUTH.shift_px(lines), [0.02] * len(lines)).curve


def calibration(bands: Bands, system: System, mask: Array32) -> Calibration:
    found = curve()
    entry = CurveEntry(
        coefficients=found.coefficients, covariance=found.covariance, range_nm=found.range_nm, rms_px=0.0
    )
    return Calibration(
        CalibrationHeader(schema_version=2, system=system, record=CalibrationRecord(curve=entry)),
        wavelengths_nm=bands.wavelengths_nm.astype(np.float32),
        mask=mask,
        dispersion_px=np.maximum(bands.dispersion_px, 0).astype(np.float32),
        response=np.ones(len(bands.wavelengths_nm), np.float32),
    )


def fine_mask() -> Array32:
    return Shot(Aperture(HEIGHT, WIDTH, feature_px=3.0), HEIGHT, WIDTH).draw(moved(0, 0)).astype(np.float32)


def test_whole_steps() -> None:
    bands = choose_bands(curve(), BandChoice(first_nm=450.0, step_px=2.0, count=20))
    np.testing.assert_array_equal(bands.dispersion_px, 2.0 * np.arange(20))
    assert bands.wavelengths_nm[0] == 450.0
    there = TRUTH.shift_px(bands.wavelengths_nm) - TRUTH.shift_px(450.0)
    np.testing.assert_allclose(there, bands.dispersion_px, atol=0.01)
    np.testing.assert_allclose(np.diff(bands.edges_px), 2.0, atol=0.1)
    assert np.all((bands.edges_px[:-1] < bands.dispersion_px) & (bands.dispersion_px < bands.edges_px[1:]))


def test_given_wavelengths() -> None:
    bands = choose_bands(curve(), BandChoice(wavelengths_nm=EVERY_TEN_NM))
    np.testing.assert_allclose(bands.dispersion_px, TRUTH.shift_px(EVERY_TEN_NM), atol=0.02)
    assert bands.edges_px.shape == (31,)
    assert bands.covariance[0] == pytest.approx(np.zeros(30), abs=1e-12)
    expected = curve().sigma_px(EVERY_TEN_NM, relative_to_nm=410.0)
    np.testing.assert_allclose(np.sqrt(np.diag(bands.covariance)), expected, atol=1e-9)


def test_bands_out_of_reach() -> None:
    with pytest.raises(CalibrationInvalidError, match=r"no wavelength lands at a shift"):
        choose_bands(curve(), BandChoice(first_nm=450.0, step_px=4.0, count=60))
    with pytest.raises(CalibrationInvalidError, match=r"is known to \d+\.\d px at the band of"):
        choose_bands(curve((600.0, 610.0, 620.0)), BandChoice(wavelengths_nm=EVERY_TEN_NM))
    falling = fit_curve([Line(nm) for nm in LINES_NM], -TRUTH.shift_px(LINES_NM), [0.02] * 6).curve
    with pytest.raises(CalibrationInvalidError, match="look for swapped lines"):
        choose_bands(falling, BandChoice(wavelengths_nm=EVERY_TEN_NM))
    with pytest.raises(CalibrationInvalidError, match="expected at least 2"):
        choose_bands(curve(), BandChoice(count=1))


def test_masks_of_bands_of_even_width_are_the_stored_one() -> None:
    bands = choose_bands(curve(), BandChoice(first_nm=450.0, step_px=2.0, count=20))
    mask = fine_mask()
    masks = band_masks(calibration(bands, System.SD_CASSI, mask))
    assert masks.shape == (20, HEIGHT, WIDTH)
    assert np.abs(masks - mask).max() < 0.06


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_masks_of_bands_of_their_own_width(system: System) -> None:
    bands = choose_bands(curve(), BandChoice(wavelengths_nm=EVERY_TEN_NM))
    sharp, half = fine_mask(), float(bands.edges_px[-1] - bands.edges_px[0]) / 60
    stored = convolve_columns(sharp, band_kernel(-half, half))
    found = band_masks(calibration(bands, system, np.clip(stored, 0, 1)))
    inner = slice(10, -10)
    for c in (0, 10, 29):
        low, high = bands.edges_px[c : c + 2] - bands.dispersion_px[c]
        direction = system.mask_direction
        truth = convolve_columns(sharp, band_kernel(direction * low, direction * high))
        ours, plain = (np.std((mask - truth)[:, inner]) for mask in (found[c], stored))
        assert ours < 0.5 * plain + 0.01


def test_the_point_spread_of_each_band_softens_its_mask() -> None:
    bands = choose_bands(curve(), BandChoice(first_nm=450.0, step_px=2.0, count=10))
    made = calibration(bands, System.SD_CASSI, fine_mask())
    psf = np.zeros((10, 2), np.float32)
    psf[7] = 0.8, 0.0
    masks = band_masks(replace(made, psf_px=psf))
    across = [np.abs(np.diff(mask, axis=0)).mean() for mask in masks]
    along = [np.abs(np.diff(mask, axis=1)).mean() for mask in masks]
    assert across[7] / across[6] < 0.9
    assert across[7] / across[6] < along[7] / along[6] - 0.05


def test_bands_where_the_curve_turns_are_refused() -> None:
    turned = replace(curve(), coefficients=(60.0, -16.0, 1.5), range_nm=(455.0, 640.0))
    with pytest.raises(CalibrationInvalidError, match=r"turns at an end of the bands from 433.0 to 453.0 nm"):
        choose_bands(turned, BandChoice(wavelengths_nm=(433.0, 443.0, 453.0)))
