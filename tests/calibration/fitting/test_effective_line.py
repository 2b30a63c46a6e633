"""What is left of a filter's light at the edge of the band."""

import numpy as np
import pytest
from bench_captures import bench_captures, taken_step

from livecassi.app.calibrating.steps import CaptureStep
from livecassi.calibration import System
from livecassi.calibration.capture import CaptureKind, Line
from livecassi.calibration.dispersion_curve import recorded_curve
from livecassi.calibration.fitting.effective_line import Efficiency, effective_line
from livecassi.calibration.fitting.fit import fit_calibration

EVEN = Efficiency(np.array([450.0, 650.0]), np.ones(2))
EDGE = Efficiency(np.array([448.0, 452.0, 650.0]), np.array([0.2, 1.0, 1.0]))  # 0 below 447


def test_a_laser_stays_and_even_light_changes_nothing() -> None:
    assert effective_line(Line(532.0), EDGE) == Line(532.0)
    seen = effective_line(Line(550.0, 10.0), EVEN)
    assert seen.wavelength_nm == pytest.approx(550.0, abs=1e-6)
    assert seen.fwhm_nm == pytest.approx(10.0, rel=0.01)


def test_the_edge_of_the_band_takes_from_the_outer_side() -> None:
    seen = effective_line(Line(452.0, 10.0, "blue filter"), EDGE)
    assert 452.5 < seen.wavelength_nm < 456
    assert seen.fwhm_nm < 9.5
    assert seen.title.endswith("(452 nm (blue filter) as seen)")


def test_where_nothing_comes_through_the_line_is_left_as_entered() -> None:
    assert effective_line(Line(430.0, 5.0), EDGE) == Line(430.0, 5.0)


def test_beyond_its_ends_the_efficiency_falls_on_but_never_rises() -> None:
    assert EDGE.at(np.array([447.5]))[0] == pytest.approx(0.1)
    assert EDGE.at(np.array([440.0]))[0] == 0
    assert EDGE.at(np.array([700.0]))[0] == 1
    rising = Efficiency(np.array([450.0, 460.0]), np.array([1.0, 0.5]))
    assert rising.at(np.array([440.0]))[0] == 1


def test_filters_at_the_edge_give_the_bench_s_curve() -> None:
    """Taken as they are entered they are off by more than 0.1 px at the edge, and the one that verifies by 0.37 px."""
    filters = tuple((float(nm), 10.0) for nm in np.linspace(455, 645, 6))
    taken = bench_captures(System.SD_CASSI, filters, verify=None)
    step = CaptureStep(CaptureKind.VERIFY, 8, Line(452.0, 10.0), taken.plan.exposure_us)
    unseen = taken_step(taken.prototype, taken.rig, step)
    fitted = fit_calibration([*taken.captures, unseen], taken.settings)
    record, curve = fitted.calibration.header.record, recorded_curve(fitted.calibration)
    assert record is not None
    assert curve is not None
    grid = np.linspace(450, 650, 101)
    bench = taken.prototype.bench
    error = curve.shift_px(grid) - bench.true_shift_px(grid)
    assert np.ptp(error) < 0.08
    (along,) = (check.value for check in fitted.checks if check.name.startswith("distance along of verify"))
    assert along < 0.1
    assert [line.wavelength_nm for line in record.lines] == [nm for nm, _ in filters], "as they were entered"
