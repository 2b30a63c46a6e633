import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.bench import Materials, Spectrum
from livecassi.calibration.bench.dispersion import DispersionCurve, sub_bands
from livecassi.calibration.bench.mask import ApertureDesign, CodedAperture

CURVE = DispersionCurve(410.0, 700.0, 58.0)
CENTRES = np.arange(410.0, 701.0, 10.0)


def smooth_spectra(count: int) -> dict[str, Spectrum]:
    wavelengths = np.linspace(380, 780, 41)
    return {
        f"m{i}": Spectrum(wavelengths, 0.5 + 0.4 * np.sin(wavelengths / (40 + 10 * i) + i)) for i in range(1, count + 1)
    }


def test_dispersion_rises_fastest_in_the_blue_and_inverts() -> None:
    shifts = CURVE.shift_px(CENTRES)
    steps = np.diff(shifts)
    assert (shifts[0], shifts[-1]) == pytest.approx((0.0, 58.0))
    assert (steps > 0).all()
    assert 1.5 * steps[-1] < steps[0] < 4 * steps[-1]
    assert steps.mean() == pytest.approx(2.0)
    assert CURVE.wavelength_nm(shifts) == pytest.approx(CENTRES, abs=0.001)


def test_sub_bands_fill_every_band_densely() -> None:
    bands = sub_bands(CURVE, CENTRES)
    assert bands.widths_nm.sum() == pytest.approx(300.0)
    assert np.diff(bands.shifts_px).max() < 1 / 4
    assert bands.band_sums(bands.widths_nm[None])[0] == pytest.approx(10.0)
    assert bands.band_means(bands.wavelengths_nm[None])[0] == pytest.approx(CENTRES)


def test_materials_return_their_spectra_from_few_coefficients() -> None:
    given = smooth_spectra(30)
    materials = Materials(given)
    wavelengths = np.arange(410.0, 701.0, 7.0)
    basis = materials.basis_at(wavelengths)
    assert materials.basis_size < 30
    for name, spectrum in given.items():
        assert materials[name] @ basis == pytest.approx(spectrum.at(wavelengths), abs=0.015)
    assert materials["flat"] @ basis == pytest.approx(np.ones(len(wavelengths)), abs=0.015)


def test_a_missing_material_and_a_broken_spectrum_are_named() -> None:
    with pytest.raises(CalibrationInvalidError, match=r"needs the reflectance 'gold', found only: m1, m2, flat"):
        Materials(smooth_spectra(2))["gold"]
    with pytest.raises(CalibrationInvalidError, match="NaN"):
        Materials({"broken": Spectrum(np.array([400.0, 700.0]), np.array([0.1, np.nan]))})


def aperture(system: System, **changes: float) -> CodedAperture:
    return CodedAperture(system, 90, 130, 3, ApertureDesign(**changes))


def test_a_random_mask_is_grey_half_open_and_belongs_to_its_seed() -> None:
    mask = aperture(System.SD_CASSI).seen()
    assert mask.shape == (90, 130)
    assert mask.mean() == pytest.approx((0.95 + 0.02) / 2, abs=0.02)
    assert mask.min() >= 0.0199
    assert mask.max() <= 0.9501
    assert ((mask > 0.15) & (mask < 0.8)).mean() > 0.3
    assert np.array_equal(mask, aperture(System.SD_CASSI).seen())
    assert not np.array_equal(mask, CodedAperture(System.SD_CASSI, 90, 130, 4, ApertureDesign()).seen())


def expected_comb(height: int, width: int) -> NDArray[np.bool_]:
    comb = np.zeros((height, width), bool)
    for row in range(height):
        comb[row, 1 + 15 * (row % 4) :: 60] = True
    return comb


@pytest.mark.parametrize(("system", "tooth"), [(System.PMVIS, 0.95), (System.NDSSI, 0.02)])
def test_combs_stand_where_their_papers_put_them(system: System, tooth: float) -> None:
    mask = aperture(system, blur_px=0.05).seen()
    teeth = expected_comb(90, 130)
    assert mask[teeth] == pytest.approx(tooth, abs=0.01)
    assert mask[~teeth] == pytest.approx(0.97 - tooth, abs=0.01)


def test_smear_is_a_moving_mean_along_the_columns() -> None:
    drawn = aperture(System.SD_CASSI)
    sharp, smeared = drawn.seen(), drawn.seen(smear_px=2.0)
    half = (sharp[:, :-2] + 2 * sharp[:, 1:-1] + sharp[:, 2:]) / 4  # two columns seen through square pixels
    assert np.abs(smeared[:, 1:-1] - half).mean() < 0.02
    assert smeared.std() < 0.9 * sharp.std()
