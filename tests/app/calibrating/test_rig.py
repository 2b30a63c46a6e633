"""Rigs bring the bench into the state of a step, with light and exposure that fill the sensor."""

import numpy as np
import pytest
from fakes import FakeSource

from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan, StepPlan
from livecassi.app.calibrating.procedure import capture_step, judge_capture, missing_steps
from livecassi.app.calibrating.rig import ManualRig, SimulatedRig, one_frame
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.calibration import System
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.capture import Capture, CaptureKind, Line
from livecassi.calibration.checks import Verdict, worst
from livecassi.drivers import Frame, SourceLostError, SourceSettings
from livecassi.drivers.clock import ManualClock

LINES = (LinePlan(nm=460), LinePlan(nm=480, fwhm=10), LinePlan(nm=532, verify=True), LinePlan(nm=640))


def bench(system: System = System.SD_CASSI) -> Prototype:
    return open_prototype(system, 96, 128, clock=ManualClock())


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_every_capture_of_a_plan_is_bright_enough_and_passes(system: System) -> None:
    rig = SimulatedRig(bench(system))
    plan = CalibrationPlan(system=system, line=LINES, chart=StepPlan(frames=2)).at_exposure(rig.choose_exposure())
    captures: list[Capture] = []
    for step in plan.steps():
        rig.prepare(step)
        captures.append(capture_step(step, rig))
        checks = judge_capture(captures[-1], captures, plan)
        assert worst(checks) is Verdict.PASS, [check.words for check in checks if check.verdict is not Verdict.PASS]
        if step.kind is not CaptureKind.DARK:
            reached = np.percentile(captures[-1].mean, 99.9) / captures[-1].full_scale
            assert reached == pytest.approx(step.fill, rel=0.13)
    assert missing_steps(plan, captures) == ()


def test_flats_share_their_light_so_that_they_tell_how_linear_the_sensor_is() -> None:
    prototype = bench()
    rig = SimulatedRig(prototype)
    plan = CalibrationPlan(system=System.SD_CASSI, exposure_us=4000)
    levels = []
    for step in plan.steps():
        if step.kind is CaptureKind.FLAT:
            rig.prepare(step)
            levels.append(prototype.state.level)
    assert len(levels) == 4
    assert len(set(levels)) == 1
    rig.prepare(next(step for step in plan.steps() if step.kind is CaptureKind.WHITE))
    assert prototype.state == BenchState(target=Target.WHITE)  # the lamp of the scene, as it is


def test_the_states_of_the_simulated_bench() -> None:
    prototype = bench()
    prototype.set_state(BenchState(drift_px=(0.5, 0.0)))
    rig = SimulatedRig(prototype)
    for kind, line, expected in (
        (CaptureKind.DARK, None, (Target.WHITE, True, True, True)),
        (CaptureKind.FLAT, None, (Target.WHITE, False, False, True)),
        (CaptureKind.MASK, None, (Target.WHITE, False, True, False)),
        (CaptureKind.LINE, Line(532), (Target.WHITE, False, True, True)),
        (CaptureKind.CHART, None, (Target.CHESSBOARD, False, False, False)),
    ):
        rig.prepare(CaptureStep(kind, 1, line))
        state = prototype.state
        assert (state.target, state.cap_on, state.mask_in, state.disperser_in) == expected
        assert (state.line, state.drift_px) == (line, (0.5, 0.0))


def test_a_capture_that_is_repeated_has_frames_of_its_own() -> None:
    rig = SimulatedRig(bench())
    step = CaptureStep(CaptureKind.DARK, 3)
    captures = []
    for _ in range(2):
        rig.prepare(step)
        captures.append(capture_step(step, rig))
    assert not set(captures[0].frame_hashes) & set(captures[1].frame_hashes)


class BrightSource(FakeSource):
    """A white reference of so many DN per millisecond on 12 bits."""

    def __init__(self, dn_per_ms: float) -> None:
        super().__init__((8, 10))
        self.dn_per_ms = dn_per_ms

    def frame(self, index: int) -> Frame:
        exposure_us = self.settings.exposure_us or 0.0
        level = min(4095, round(self.dn_per_ms * exposure_us / 1000))
        return Frame(np.full(self.shape, level, np.uint16), index, 0, exposure_us=exposure_us)


@pytest.mark.parametrize("dn_per_ms", [3.0, 400.0, 9000.0])
def test_the_exposure_is_chosen_on_the_white_reference(dn_per_ms: float) -> None:
    asked: list[str] = []
    source = BrightSource(dn_per_ms)
    chosen = ManualRig(source, asked.append).choose_exposure()
    assert chosen is not None
    assert chosen == source.settings.exposure_us
    assert chosen * dn_per_ms / 1000 == pytest.approx(0.7 * 4095, rel=0.1)
    assert len(asked) == 1
    assert "white reference" in asked[0]


def test_an_exposure_stays_in_the_range_of_the_camera() -> None:
    source = BrightSource(1e-4)
    assert ManualRig(source, lambda _words: None).choose_exposure() == 1e6


def test_files_have_no_exposure_to_choose() -> None:
    source = FakeSource((8, 10), 3, is_file=True)
    assert ManualRig(source, lambda _words: None).choose_exposure() is None


def test_a_person_is_asked_at_the_exposure_of_the_step() -> None:
    source = FakeSource((8, 10))
    seen: list[tuple[str, float | None]] = []
    rig = ManualRig(source, lambda words: seen.append((words, source.settings.exposure_us)))
    rig.prepare(CaptureStep(CaptureKind.DARK, 4, exposure_us=2500.0, gain_db=3.0))
    ((words, exposure_us),) = seen
    assert "cap" in words
    assert exposure_us == 2500.0
    assert source.settings == SourceSettings(2500.0, 3.0, 100.0)


def test_one_frame_stops_the_source() -> None:
    source = FakeSource((8, 10))
    assert one_frame(source).index == 0
    assert not source.running
    with pytest.raises(SourceLostError, match="ended before its first frame"):
        one_frame(FakeSource((8, 10), 0))
