from functools import cache

import numpy as np
import pytest
from lab import Lab, lab
from numpy.typing import NDArray

from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.bench.lens import blur
from livecassi.calibration.capture import Capture
from livecassi.calibration.fitting.response import ResponseFit, fit_response

EXPOSURE_US = {System.SD_CASSI: 2500.0, System.DD_CASSI: 5000.0, System.NDSSI: 6000.0, System.PMVIS: 4000.0}
CASES = [(System.SD_CASSI, 28), (System.SD_CASSI, 30), (System.DD_CASSI, 30)]


@cache
def captured(system: System, bands: int) -> tuple[Lab, Capture]:
    made = lab(system, 96, 160, bands=bands)
    return made, made.white(EXPOSURE_US[system])


def edges_px(made: Lab) -> NDArray[np.float64]:
    bands = made.bench.wavelengths_nm
    middles = (bands[1:] + bands[:-1]) / 2
    edges = np.concatenate([[2 * bands[0] - middles[0]], middles, [2 * bands[-1] - middles[-1]]])
    return made.bench.true_shift_px(edges)


def fitted(system: System, bands: int, *, gain: float = 1.0, rows: int = 0) -> ResponseFit:
    made, white = captured(system, bands)
    values = (white.mean - made.camera.mean_dark(white.exposure_us, 0.0)) / white.full_scale / made.true_flat
    mask = np.roll(blur(made.bench.aperture.seen(), made.bench.design.psf_px), rows, axis=0)
    dispersion = made.bench.dispersion_px
    values = (gain * values).astype(np.float32)
    valid = made.camera.mean_dark(1e6, 0.0) < 200
    return fit_response(values, mask, dispersion, edges_px(made), system, valid=valid)


def truth(system: System, bands: int) -> NDArray[np.float64]:
    made, white = captured(system, bands)
    response: NDArray[np.float64] = made.bench.response_e_s * white.exposure_us * 1e-6 * made.full_scale_per_second()
    return response


@pytest.mark.parametrize(("system", "bands"), CASES)
def test_every_band_is_recovered_from_eight_noisy_frames(system: System, bands: int) -> None:
    found = fitted(system, bands)
    off = found.response / truth(system, bands) - 1
    assert np.abs(off).max() < 0.02
    assert np.sqrt(np.mean(off**2)) < 0.006
    assert found.stray_share == pytest.approx(0.01, abs=0.003)
    assert found.residual < 0.008


@pytest.mark.parametrize(("system", "bands"), CASES)
def test_the_errors_are_of_the_right_size(system: System, bands: int) -> None:
    found = fitted(system, bands)
    off = np.abs(found.response - truth(system, bands)) / found.sigma
    assert np.median(off) < 4
    assert (found.sigma < 0.02 * found.response).all()


def test_the_response_follows_the_light() -> None:
    whole, half = fitted(System.DD_CASSI, 30), fitted(System.DD_CASSI, 30, gain=0.5)
    np.testing.assert_allclose(half.response, 0.5 * whole.response, rtol=1e-3)


@pytest.mark.parametrize(("system", "typical"), [(System.PMVIS, 0.01), (System.NDSSI, 0.08)])
def test_combs_serve_as_well(system: System, typical: float) -> None:
    found = fitted(system, 30)  # NDSSI shows a band by its absence from one column in sixty
    off = found.response / truth(system, 30) - 1
    assert np.sqrt(np.mean(off**2)) < typical


def test_a_mask_one_row_off_leaves_a_larger_residual() -> None:
    assert fitted(System.SD_CASSI, 28, rows=1).residual > 5 * fitted(System.SD_CASSI, 28).residual


def test_no_light_and_wrong_shapes_are_refused() -> None:
    made, _ = captured(System.SD_CASSI, 28)
    mask, shifts, edges = made.bench.aperture.seen(), made.bench.dispersion_px, edges_px(made)
    with pytest.raises(CalibrationInvalidError, match="holds no light"):
        fit_response(np.zeros(made.bench.measurement_shape, np.float32), mask, shifts, edges, System.SD_CASSI)
    with pytest.raises(CalibrationInvalidError, match=r"expected shape \(96, 214\)"):
        fit_response(np.ones((96, 160), np.float32), mask, shifts, edges, System.SD_CASSI)
    with pytest.raises(CalibrationInvalidError, match="expected 29 that ascend"):
        fit_response(np.ones((96, 214), np.float32), mask, shifts, edges[:-1], System.SD_CASSI)
