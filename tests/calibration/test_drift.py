"""Drift: what is injected on the simulated bench is found; where a frame cannot tell, none is made up."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from livecassi.app.prototype import Prototype, open_prototype
from livecassi.calibration import Calibration, CalibrationMismatchError, Corrector, System
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.capture import Line
from livecassi.calibration.carriers import line_shift_px
from livecassi.calibration.checks import Verdict
from livecassi.calibration.drift import (
    Drift,
    DriftKind,
    SceneDrift,
    drift_on_line,
    drift_on_scene,
    drift_on_white,
)
from livecassi.calibration.record import CalibrationRecord, CurveEntry
from livecassi.calibration.sensing import Array32
from livecassi.drivers import SourceSettings
from livecassi.drivers.clock import ManualClock

BOTH = pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
DRIFTS = pytest.mark.parametrize("drift", [(0.0, 0.0), (0.25, 0.0), (0.0, 0.25), (-0.5, 0.1)])
WHITE = BenchState(target=Target.WHITE, level=0.3)


@cache
def bench(system: System, height: int = 200, width: int = 248) -> Prototype:
    return open_prototype(system, height, width, clock=ManualClock())


def measured(made: Prototype, state: BenchState, moment: int = 0) -> Array32:
    made.set_state(state)
    settings = made.source.configure(SourceSettings())
    return Corrector(made.calibration).correct(made.source.expose(moment, settings)).values


@BOTH
@DRIFTS
def test_a_scene_tells_the_drift(system: System, drift: tuple[float, float]) -> None:
    made = bench(system)
    scene = SceneDrift(made.calibration)
    for moment in (0, 150):
        found = scene.measure(measured(made, BenchState(drift_px=drift), moment))
        assert found.across_px == pytest.approx(drift[1], abs=0.04)
        assert found.along_px == pytest.approx(drift[0], abs=0.2)
        assert found.along_sigma_px > 2 * found.across_sigma_px  # along, a change of colour looks much the same
        assert abs(found.along_px - drift[0]) < 3 * found.along_sigma_px


@BOTH
def test_half_a_pixel_fails_and_none_passes(system: System) -> None:
    made = bench(system)
    for drift, verdict in (((0.0, 0.0), Verdict.PASS), ((0.0, 0.5), Verdict.FAIL), ((0.5, 0.0), Verdict.FAIL)):
        scene = drift_on_scene(measured(made, BenchState(drift_px=drift)), made.calibration)
        assert scene.verdict is (verdict if drift[0] == 0 else Verdict.WARN)
        white = replace(WHITE, drift_px=drift)
        assert drift_on_white(measured(made, white), made.calibration).verdict is verdict
        line = replace(white, line=Line(546.07), level=0.8)
        assert drift_on_line(measured(made, line), made.calibration, 546.07).verdict is verdict


@BOTH
@DRIFTS
def test_white_and_a_line_tell_the_drift_more_exactly(system: System, drift: tuple[float, float]) -> None:
    made = bench(system)
    white = drift_on_white(measured(made, replace(WHITE, drift_px=drift)), made.calibration)
    assert (white.along_px, white.across_px) == pytest.approx(drift, abs=0.06)
    state = replace(WHITE, line=Line(500.0), level=0.8, drift_px=drift)
    line = drift_on_line(measured(made, state), made.calibration, 500.0)
    assert (line.along_px, line.across_px) == pytest.approx(drift, abs=0.05)
    assert line.correlation > 0.95


def test_a_drift_of_several_pixels_is_found_too() -> None:
    made = bench(System.DD_CASSI)
    drift = (1.0, -3.2)
    scene = drift_on_scene(measured(made, BenchState(drift_px=drift)), made.calibration)
    assert scene.across_px == pytest.approx(drift[1], abs=0.05)
    white = drift_on_white(measured(made, replace(WHITE, drift_px=drift)), made.calibration)
    assert (white.along_px, white.across_px) == pytest.approx(drift, abs=0.06)


def test_frames_that_show_no_such_mask_cannot_tell() -> None:
    made = bench(System.DD_CASSI)
    shape = made.calibration.measurement_shape
    other = open_prototype(System.DD_CASSI, 200, 248, seed=1, clock=ManualClock()).calibration  # another mask
    dark = np.random.default_rng(3).normal(0, 1e-3, shape).astype(np.float32)
    seen = measured(made, BenchState())
    for values, calibration in (
        (seen, other),
        (dark, made.calibration),
        (np.zeros(shape, np.float32), made.calibration),
        (measured(made, BenchState(mask_in=False)), made.calibration),
    ):
        for found in (drift_on_scene(values, calibration), drift_on_white(values, calibration)):
            assert (found.along_px, found.across_px, found.verdict) == (None, None, None)
            assert found.along_sigma_px == found.across_sigma_px == math.inf


def test_small_frames_cannot_tell() -> None:
    made = bench(System.SD_CASSI, 96, 128)
    assert drift_on_scene(measured(made, BenchState()), made.calibration).verdict is None


def test_teeth_of_one_row_do_not_tell_a_drift_across() -> None:
    made = bench(System.PMVIS)
    state = replace(WHITE, line=Line(546.07), level=0.8, drift_px=(0.4, 0.4))
    found = drift_on_line(measured(made, state), made.calibration, 546.07)
    assert found.along_px == pytest.approx(0.4, abs=0.06)
    assert found.across_px is None
    assert found.verdict is Verdict.FAIL
    still = drift_on_line(measured(made, replace(state, drift_px=(0.0, 0.0))), made.calibration, 546.07)
    assert still.verdict is None, "along it stands still, across nobody knows"


def test_a_drift_within_its_uncertainty_is_no_drift() -> None:
    found = Drift(DriftKind.SCENE, 0.14, 0.12, 0.08, 0.016, 0.9)
    assert found.verdict is Verdict.WARN
    assert [check.value for check in found.checks] == [0.12, 0.0]
    assert replace(found, across_px=0.02).verdict is Verdict.PASS
    assert replace(found, across_px=-0.3).verdict is Verdict.FAIL
    assert "allowed 0.1 px" in found.checks[0].words


def test_a_scene_only_warns_of_a_drift_along_since_other_light_looks_the_same() -> None:
    found = Drift(DriftKind.SCENE, 0.6, 0.02, 0.08, 0.016, 0.9)
    assert found.verdict is Verdict.WARN
    assert "light has another colour than calibrated" in found.along_check.words
    assert replace(found, kind=DriftKind.WHITE).verdict is Verdict.FAIL


@BOTH
def test_under_another_lamp_a_scene_raises_no_alarm(system: System) -> None:
    made = bench(system)
    lit = open_prototype(system, 200, 248, clock=ManualClock(), illuminant="LED-B3")
    values = Corrector(made.calibration).correct(lit.source.expose(0, lit.source.configure(SourceSettings()))).values
    found = drift_on_scene(values, made.calibration)
    assert found.across_px == pytest.approx(0.0, abs=0.04)
    assert found.verdict is not Verdict.FAIL


def with_curve(calibration: Calibration, *coefficients: float) -> Calibration:
    covariance = tuple((0.0,) * len(coefficients) for _ in coefficients)
    curve = CurveEntry(coefficients=coefficients, covariance=covariance, range_nm=(450, 650), rms_px=0.01)
    header = calibration.header.model_copy(update={"record": CalibrationRecord(curve=curve)})
    return replace(calibration, header=header)


def test_a_line_lies_where_the_curve_has_it_and_else_between_the_bands() -> None:
    calibration = bench(System.SD_CASSI).calibration
    band = 11
    nm = float(calibration.wavelengths_nm[band])
    assert line_shift_px(calibration, nm) == pytest.approx(2 * band, abs=1e-3)
    assert line_shift_px(with_curve(calibration, 60.0, -9.0, 0.1), 500.0) == pytest.approx(60 - 9 * 4 + 0.1 * 16)


def test_a_line_that_the_calibration_does_not_know_is_refused() -> None:
    made = bench(System.SD_CASSI)
    with pytest.raises(
        CalibrationMismatchError, match=r"line of 435\.8 nm was named, this calibration knows 440 to 660"
    ):
        drift_on_line(measured(made, WHITE), made.calibration, 435.8)


def test_frames_of_another_size_are_refused() -> None:
    calibration = bench(System.SD_CASSI).calibration
    for look in (drift_on_scene, drift_on_white):
        with pytest.raises(CalibrationMismatchError, match="the frame has 7 x 9 pixels"):
            look(np.ones((7, 9), np.float32), calibration)
