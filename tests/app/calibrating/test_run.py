"""A whole calibration without a window: it ends in a saved file, or with words that say how to go on."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from measured_calibrations import CHECKS, measured_calibration

from livecassi.app.calibrating.draft import Draft, find_drafts
from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan, StepPlan
from livecassi.app.calibrating.rig import SimulatedRig
from livecassi.app.calibrating.run import RunWatch, run_plan
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.calibration import CalibrationError, CalibrationInvalidError, System
from livecassi.calibration.bench.state import BenchState
from livecassi.calibration.capture import Capture, CaptureKind, Line
from livecassi.calibration.checks import Check
from livecassi.calibration.fitting.fit import Fitted
from livecassi.calibration.fitting.settings import FitSettings, FitWatch
from livecassi.calibration.store import load_calibration
from livecassi.drivers import SourceLostError
from livecassi.drivers.clock import ManualClock
from livecassi.drivers.simulated_camera import Faults

PLAN = CalibrationPlan(
    system=System.SD_CASSI,
    name="bench",
    line=(LinePlan(nm=460), LinePlan(nm=532), LinePlan(nm=640, verify=True)),
    dark=StepPlan(frames=4),
    flat=StepPlan(frames=4),
    mask=StepPlan(frames=4),
    white=StepPlan(frames=4),
    line_frames=4,
)
CAPTURES = 13  # four darks, four flats, mask, two lines, white, verification
GOOD = (CHECKS[0], CHECKS[2])
BAD = Check(name="registration", value=0.4, unit="px", limit=0.1, fail_limit=0.25, advice="repeat the mask")


class FakeFit:
    """Says what it was given, and gives a calibration that was made before, with these checks."""

    def __init__(self, checks: tuple[Check, ...] = GOOD) -> None:
        self.checks = checks
        self.captures: list[Capture] = []
        self.settings: list[FitSettings] = []

    def __call__(self, captures: Sequence[Capture], settings: FitSettings, watch: FitWatch | None) -> Fitted:
        self.captures = list(captures)
        self.settings.append(settings)
        nothing = np.zeros((0, 96, 182), np.float32)
        return Fitted(measured_calibration(checks=self.checks), self.checks, nothing, nothing)


def bench(faults: Faults | None = None) -> Prototype:
    return open_prototype(System.SD_CASSI, 96, 128, clock=ManualClock(), faults=faults)


def test_a_plan_becomes_the_active_version(tmp_path: Path) -> None:
    fit, library = FakeFit(), Library(tmp_path / "library")
    steps: list[tuple[int, int]] = []
    watch = RunWatch(step=lambda _step, number, of: steps.append((number, of)))
    fitted, path = run_plan(
        PLAN, SimulatedRig(bench()), tmp_path / "draft", watch, library=library, fit=fit, parent_id="p"
    )
    assert steps == [(number, CAPTURES) for number in range(1, CAPTURES + 1)]
    assert len(fit.captures) == CAPTURES
    assert (fit.settings[0].name, fit.settings[0].parent_id) == ("bench", "p")
    active = library.active()
    assert active is not None
    assert active.path == path
    saved = load_calibration(path)
    assert saved.id == fitted.calibration.id
    record = saved.header.record
    assert record is not None
    plan = CalibrationPlan.model_validate(record.plan)  # how it was made can be followed again
    assert plan.exposure_us is not None
    assert plan.line == PLAN.line
    assert not (tmp_path / "draft").exists()


def test_a_lost_camera_loses_nothing_and_the_run_goes_on_where_it_was(tmp_path: Path) -> None:
    class Unplugged(SimulatedRig):
        def prepare(self, step: CaptureStep) -> None:
            if step.kind is CaptureKind.LINE:
                raise SourceLostError("the cable was pulled; plug it in")
            super().prepare(step)

    folder = tmp_path / "draft"
    with pytest.raises(
        SourceLostError, match=r"cable was pulled.*Nothing captured is lost: go on with --resume .*draft"
    ):
        run_plan(PLAN, Unplugged(bench()), folder, out=tmp_path / "cal.h5", fit=FakeFit())
    with Draft.open(folder) as draft:
        assert len(draft.captures) == 9
        first = [capture.id for capture in draft.captures]
    fit = FakeFit()
    _, path = run_plan(PLAN, SimulatedRig(bench()), folder, out=tmp_path / "cal.h5", fit=fit)
    assert [capture.id for capture in fit.captures][:9] == first
    assert len(fit.captures) == CAPTURES
    assert load_calibration(path).header.name == "Bench 2"
    assert find_drafts(tmp_path) == []


def test_a_camera_that_vanishes_within_a_capture(tmp_path: Path) -> None:
    rig = SimulatedRig(bench(Faults(vanish_after=3)))
    plan = PLAN.at_exposure(3000.0)
    with pytest.raises(SourceLostError, match=r"lost after 3 of 4 frames of 'dark at 750 µs': the simulated camera"):
        run_plan(plan, rig, tmp_path / "draft", out=tmp_path / "cal.h5", fit=FakeFit())
    assert find_drafts(tmp_path) == [tmp_path / "draft"]


def test_a_capture_of_a_draft_is_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "draft"
    with pytest.raises(CalibrationInvalidError, match=r"the fit is not good enough: registration 0\.4 px"):
        run_plan(PLAN, SimulatedRig(bench()), folder, out=tmp_path / "cal.h5", fit=FakeFit((BAD,)))
    steps: list[str] = []
    watch = RunWatch(step=lambda step, _number, _of: steps.append(step.title))
    with pytest.raises(
        CalibrationInvalidError, match=r"no capture 'line 700' to repeat; it has 'dark', .*'line 532 nm'"
    ):
        run_plan(None, SimulatedRig(bench()), folder, watch, repeat=["line 700"], fit=FakeFit())
    fit = FakeFit()
    run_plan(
        None, SimulatedRig(bench()), folder, watch, out=tmp_path / "cal.h5", repeat=["532", "verify 640 nm"], fit=fit
    )
    assert steps == ["line 532 nm", "verify 640 nm"]
    assert len(fit.captures) == CAPTURES


class LitDarks(SimulatedRig):
    """Somebody leaves the cap off while the darks are taken."""

    def __init__(self, prototype: Prototype) -> None:
        super().__init__(prototype)
        self.bench = prototype

    def prepare(self, step: CaptureStep) -> None:
        super().prepare(step)
        if step.kind is CaptureKind.DARK:
            self.bench.set_state(BenchState())


def test_a_capture_that_cannot_be_used_ends_the_run_and_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "draft"
    with pytest.raises(CalibrationInvalidError, match=r"'dark at .*' cannot be used: .*is the cap on\?.*--resume"):
        run_plan(PLAN, LitDarks(bench()), folder, out=tmp_path / "cal.h5", fit=FakeFit())
    with Draft.open(folder) as draft:
        assert (len(draft.captures), len(draft.removed)) == (0, 1)
    run_plan(PLAN, SimulatedRig(bench()), folder, out=tmp_path / "cal.h5", fit=FakeFit())
    assert (tmp_path / "cal.h5").is_file()


def test_a_reason_to_go_on_is_kept_in_the_calibration(tmp_path: Path) -> None:
    fitted, _ = run_plan(
        PLAN, LitDarks(bench()), tmp_path / "draft", out=tmp_path / "cal.h5", fit=FakeFit((BAD,)), anyway="a rehearsal"
    )
    record = fitted.calibration.header.record
    assert record is not None
    assert any(words.startswith("dark at") and words.endswith("because a rehearsal") for words in record.overrides)
    assert "registration: continued anyway because a rehearsal" in record.overrides


def test_a_fit_that_is_not_good_enough_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(
        CalibrationInvalidError, match=r"registration 0\.4 px, allowed 0\.1 px: repeat the mask.*--resume"
    ):
        run_plan(PLAN, SimulatedRig(bench()), tmp_path / "draft", out=tmp_path / "cal.h5", fit=FakeFit((BAD,)))
    assert not (tmp_path / "cal.h5").exists()
    assert find_drafts(tmp_path) == [tmp_path / "draft"]


def test_room_can_be_made_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = os.fsync

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def judged(step: CaptureStep, _checks: tuple[Check, ...]) -> None:
        if step.kind is CaptureKind.MASK:
            monkeypatch.setattr(os, "fsync", refuse)

    def make_room(error: CalibrationError) -> bool:
        asked.append(str(error))
        if len(asked) == 2:
            monkeypatch.setattr(os, "fsync", real)
        return True

    fit = FakeFit()
    watch = RunWatch(judged=judged, disk_refused=make_room)
    run_plan(PLAN, SimulatedRig(bench()), tmp_path / "draft", watch, out=tmp_path / "cal.h5", fit=fit)
    assert len(asked) == 2
    assert "kept in memory: line 460 nm" in asked[0]
    assert len(fit.captures) == CAPTURES


def test_captures_out_of_files_need_no_camera(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    names = ("dark", "flat", "mask", "white", "l1", "l2")
    picture = np.kron(rng.random((24, 32)) > 0.5, np.ones((2, 2)))
    for number, name in enumerate(names):
        light = {"dark": 0.0, "flat": 2000.0}.get(name, 2500.0 * np.roll(picture, number, axis=1))
        np.save(tmp_path / f"{name}.npy", (48 + light + rng.normal(0, 4, (4, 48, 64))).clip(0).astype(np.uint16))
    four = {
        name: StepPlan(frames=4, frames_from=tmp_path / f"{name}.npy") for name in ("dark", "flat", "mask", "white")
    }
    plan = CalibrationPlan(
        system=System.DD_CASSI,
        bit_depth=12,
        line=tuple(LinePlan(nm=n, frames=4, frames_from=tmp_path / f"l{k}.npy") for k, n in ((1, 450), (2, 600))),
        **four,
    )
    fit = FakeFit()
    run_plan(plan, None, tmp_path / "draft", out=tmp_path / "cal.h5", fit=fit)
    assert [capture.kind for capture in fit.captures] == ["dark", "flat", "mask", "line", "line", "white"]
    assert {capture.bit_depth for capture in fit.captures} == {12}
    with pytest.raises(CalibrationInvalidError, match="needs a camera and none was named"):
        run_plan(PLAN, None, tmp_path / "other", out=tmp_path / "cal.h5", fit=fit)


def test_a_corrected_plan_goes_on_with_the_draft(tmp_path: Path) -> None:
    folder, rig = tmp_path / "draft", SimulatedRig(bench())
    with pytest.raises(CalibrationInvalidError, match="registration"):
        run_plan(PLAN, rig, folder, out=tmp_path / "cal.h5", fit=FakeFit((BAD,)))
    corrected = PLAN.model_copy(
        update={"line": (LinePlan(nm=460, fwhm=8.0, expected_px=3.0), LinePlan(nm=546), LinePlan(nm=640, verify=True))}
    )
    steps: list[str] = []
    watch = RunWatch(step=lambda step, _number, _of: steps.append(step.title))
    fit = FakeFit()
    run_plan(corrected, rig, folder, watch, out=tmp_path / "cal.h5", fit=fit)
    assert steps == ["line 546 nm"]  # everything else was captured already
    lines = [capture.line for capture in fit.captures if capture.kind is CaptureKind.LINE]
    assert lines == [Line(460, 8.0, expected_px=3.0), Line(546)]


def test_a_draft_goes_on_by_its_own_plan(tmp_path: Path) -> None:
    folder, rig = tmp_path / "draft", SimulatedRig(bench())
    with pytest.raises(CalibrationInvalidError, match="registration"):
        run_plan(PLAN, rig, folder, out=tmp_path / "cal.h5", fit=FakeFit((BAD,)))
    fit = FakeFit()
    run_plan(None, None, folder, out=tmp_path / "cal.h5", fit=fit)
    assert (len(fit.captures), fit.settings[0].name) == (CAPTURES, "bench")
    with pytest.raises(CalibrationInvalidError, match="is no draft of a calibration"):
        run_plan(None, None, folder, fit=fit)
