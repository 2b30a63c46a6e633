"""The smear of lines and bands, against direct summation."""

import numpy as np
import pytest

from livecassi.calibration.bench.dispersion import DispersionCurve
from livecassi.calibration.capture import Line
from livecassi.calibration.fitting.curve import fit_curve
from livecassi.calibration.fitting.line_kernel import (
    POINT,
    Kernel,
    band_kernel,
    convolve_columns,
    kernel_taps,
    line_kernel,
)

TRUTH = DispersionCurve(450.0, 650.0, 54.0)
LINES = [Line(nm) for nm in (450.0, 532.0, 638.0)]
CURVE = fit_curve(LINES, TRUTH.shift_px([450.0, 532.0, 638.0]), [0.01] * 3).curve


def waves(offset_px: float) -> np.ndarray:
    """A picture of smooth stripes, displaced."""
    columns = np.arange(60)[None, :] - offset_px
    rows = np.arange(5)[:, None]
    return (np.sin(0.9 * columns + rows) + 0.3 * np.cos(1.7 * columns)).astype(np.float32)


@pytest.mark.parametrize("offset", [0.0, 3.0, -2.0, 0.5, -1.27])
def test_a_point_displaces_the_picture(offset: float) -> None:
    out = convolve_columns(waves(0), POINT.moved(offset))
    np.testing.assert_allclose(out[:, 8:-8], waves(offset)[:, 8:-8], atol=0.02)
    assert kernel_taps(POINT.moved(offset))[1].sum() == pytest.approx(1)


def test_a_point_at_home_changes_nothing() -> None:
    np.testing.assert_array_equal(convolve_columns(waves(0), POINT), waves(0))


def test_a_band_is_the_mean_of_its_places() -> None:
    out = convolve_columns(waves(0), band_kernel(-0.4, 2.1))
    expected = np.mean([waves(offset) for offset in np.linspace(-0.4, 2.1, 200)], axis=0)
    np.testing.assert_allclose(out[:, 8:-8], expected[:, 8:-8], atol=0.01)
    assert band_kernel(1.0, 1.0).offsets_px.tolist() == [1.0]


@pytest.mark.parametrize("nm", [455.0, 640.0])
def test_a_filter_smears_as_steep_as_the_curve_is_there(nm: float) -> None:
    kernel = line_kernel(CURVE, Line(nm, 10.0))
    slope = float(CURVE.slope_px_per_nm(nm))
    assert kernel.width_px == pytest.approx(slope * 10 / 2.3548, rel=0.01)
    assert kernel.mean_px < 0  # the blue half is spread farther
    assert kernel.centred().mean_px == pytest.approx(0, abs=1e-9)
    assert kernel.mirrored().mean_px == pytest.approx(-kernel.mean_px)


def test_a_laser_is_a_point() -> None:
    kernel = line_kernel(CURVE, Line(532.0))
    assert isinstance(kernel, Kernel)
    assert kernel.offsets_px.tolist() == [0.0]
    assert kernel.weights.tolist() == [1.0]
