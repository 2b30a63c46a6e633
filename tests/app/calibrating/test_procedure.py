"""Capturing a step: from the camera, a live feed or files, and what is said where it goes wrong."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from captures import capture_of, noisy_frames
from fakes import FakeSource

from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan, StepPlan
from livecassi.app.calibrating.procedure import capture_step, missing_steps
from livecassi.app.calibrating.rig import ManualRig
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.capture import CaptureKind, Line
from livecassi.drivers import Frame, SourceError, SourceLostError


def rig(source: FakeSource) -> ManualRig:
    return ManualRig(source, lambda _words: None)


def test_frames_of_the_source_with_progress() -> None:
    source = FakeSource((8, 10))
    done: list[int] = []
    capture = capture_step(CaptureStep(CaptureKind.LINE, 3, Line(532)), rig(source), report=done.append)
    assert (capture.frames, capture.line, capture.camera_serial) == (3, Line(532), "F-1")
    assert done == [1, 2, 3]
    assert not source.running


def test_frames_that_were_exposed_before_the_change_are_passed_over() -> None:
    def feed() -> Iterator[Frame]:
        yield from noisy_frames(100.0, 3, exposure_us=9000.0)
        yield from noisy_frames(2000.0, 4, exposure_us=5000.0)

    step = CaptureStep(CaptureKind.FLAT, 4, exposure_us=5000.0)
    capture = capture_step(step, rig(FakeSource((8, 10))), frames=feed())
    assert capture.exposure_us == 5000.0
    assert capture.mean.mean() == pytest.approx(2000, abs=5)


def test_a_camera_that_never_takes_the_exposure() -> None:
    step = CaptureStep(CaptureKind.FLAT, 4, exposure_us=5000.0)
    with pytest.raises(CalibrationInvalidError, match=r"'flat at 5 ms' needs .* 5 ms, the camera gives 9 ms"):
        capture_step(step, rig(FakeSource((8, 10))), frames=noisy_frames(100.0, 60, exposure_us=9000.0))


def test_a_temperature_that_is_no_number_counts_as_none() -> None:
    frames = list(noisy_frames(100.0, 2, temperature_c=float("nan"))) + list(noisy_frames(100.0, 1, temperature_c=40.0))
    step = CaptureStep(CaptureKind.DARK, 3)
    assert capture_step(step, rig(FakeSource((8, 10))), frames=frames).temperature_c == 40.0
    assert capture_step(replace(step, frames=2), rig(FakeSource((8, 10))), frames=frames).temperature_c is None


def test_a_camera_that_never_takes_the_gain() -> None:
    step = CaptureStep(CaptureKind.LINE, 3, Line(532), gain_db=99.0)
    with pytest.raises(CalibrationInvalidError, match=r"needs a gain of 99 dB, the camera gives 0 dB"):
        capture_step(step, rig(FakeSource((8, 10))), frames=noisy_frames(100.0, 60))


def test_a_camera_lost_in_a_capture_says_how_far_it_came() -> None:
    source = FakeSource((8, 10), lose_at=2)
    with pytest.raises(SourceLostError, match=r"lost after 2 of 5 frames of 'dark': .*unplugged.* are kept; repeat"):
        capture_step(CaptureStep(CaptureKind.DARK, 5), rig(source))
    with pytest.raises(CalibrationInvalidError, match="needs a camera, and there is none"):
        capture_step(CaptureStep(CaptureKind.DARK, 5), None)


def test_frames_from_disk_take_what_they_do_not_tell_from_the_step(tmp_path: Path) -> None:
    frames = np.arange(5 * 6 * 8, dtype=np.uint16).reshape(5, 6, 8)
    np.save(tmp_path / "dark.npy", frames)
    step = CaptureStep(
        CaptureKind.DARK, 4, exposure_us=5000.0, gain_db=2.0, frames_from=tmp_path / "dark.npy", bit_depth=12
    )
    capture = capture_step(step, None)
    np.testing.assert_allclose(capture.mean, frames[:4].mean(axis=0))
    assert (capture.exposure_us, capture.gain_db, capture.bit_depth) == (5000.0, 2.0, 12)
    views = [
        capture_step(
            CaptureStep(CaptureKind.CHART, 1, frames_from=tmp_path / "dark.npy", view=view, bit_depth=12), None
        )
        for view in (0, 3)
    ]
    np.testing.assert_array_equal(views[1].mean, frames[3])
    with pytest.raises(CalibrationInvalidError, match="gave 5 frames of the 9"):
        capture_step(CaptureStep(CaptureKind.DARK, 9, frames_from=tmp_path / "dark.npy", bit_depth=12), None)
    with pytest.raises(
        CalibrationInvalidError, match=r"fit 8 bits, but a dark picture does not tell .* bit_depth = 12"
    ):
        capture_step(CaptureStep(CaptureKind.DARK, 4, frames_from=tmp_path / "dark.npy"), None)
    with pytest.raises(SourceError, match="does not exist"):
        capture_step(CaptureStep(CaptureKind.DARK, 9, frames_from=tmp_path / "none.npy"), None)


def test_what_is_missing_of_a_plan() -> None:
    plan = CalibrationPlan(
        system=System.SD_CASSI,
        exposure_us=5000,
        line=(LinePlan(nm=450), LinePlan(nm=532)),
        flat=StepPlan(exposures_us=(5000,)),
        mask=StepPlan(frames=0),
        chart=StepPlan(frames=2),
    )
    captures = [
        capture_of(CaptureKind.DARK, exposure_us=5001.0, frames=1),
        capture_of(CaptureKind.FLAT, exposure_us=9000.0, frames=1),
        capture_of(CaptureKind.LINE, nm=532.0, exposure_us=5000.0, frames=1),
        capture_of(CaptureKind.CHART, exposure_us=5000.0, frames=1),
    ]
    assert [step.title for step in missing_steps(plan, captures)] == [
        "flat at 5 ms",
        "line 450 nm",
        "chart, view 2",
        "white",
    ]
