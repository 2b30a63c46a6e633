"""The procedure: capture, judge, fit, verify, save. The wizard and `livecassi calibrate run` both follow it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from threading import Event

import numpy as np

from livecassi.app.calibrating.judging import judge_capture
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.calibrating.rig import Rig
from livecassi.app.calibrating.steps import CaptureStep, exposure_text
from livecassi.calibration.capture import Capture, CaptureKind, capture_frames
from livecassi.calibration.correct import EXPOSURE_TOLERANCE, GAIN_TOLERANCE_DB
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.drivers import Frame, SourceLostError

__all__ = ["capture_step", "judge_capture", "missing_steps", "stands_for"]

STALE_FRAMES = 30  # so many frames of the exposure before may still come after the camera was set
SAME_LINE_NM = 1e-3  # what a wavelength may lose on its way through a file


def capture_step(
    step: CaptureStep,
    rig: Rig | None,
    *,
    frames: Iterable[Frame] | None = None,
    report: Callable[[int], None] = lambda _done: None,
) -> Capture:
    """Take the capture of a step: from `step.frames_from`, a live feed's `frames`, or the rig's source.

    The rig must have been prepared; None serves where the frames come from disk. Raises `SourceError` (lost, with how
    far it came) or `CalibrationError`.
    """
    done = 0

    def count(number: int) -> None:
        nonlocal done
        done = number
        report(number)

    stop = Event()
    with ExitStack() as ending:
        if step.frames_from is not None:
            chosen, serial = _frames_on_disk(step, ending)
        elif rig is None:
            raise CalibrationInvalidError(f"'{step.title}' needs a camera, and there is none; connect or name one")
        elif frames is not None:
            chosen, serial = _settled(frames, step), rig.source.info.serial
        else:
            ending.callback(stop.set)
            chosen, serial = _settled(rig.source.frames(stop), step), rig.source.info.serial
        try:
            return capture_frames(chosen, step.kind, step.frames, line=step.line, camera_serial=serial, report=count)
        except SourceLostError as error:
            raise SourceLostError(
                f"lost after {done} of {step.frames} frames of '{step.title}': {error}. The captures before it are "
                "kept; repeat this one"
            ) from error


def missing_steps(plan: CalibrationPlan, captures: Sequence[Capture]) -> tuple[CaptureStep, ...]:
    """The steps of the plan that no capture stands for, in order, optional ones too."""
    free = list(captures)
    missing = []
    for step in plan.steps():
        found = next((capture for capture in free if stands_for(capture, step)), None)
        if found is None:
            missing.append(step)
        else:
            free = [capture for capture in free if capture is not found]
    return tuple(missing)


def stands_for(capture: Capture, step: CaptureStep) -> bool:
    """Whether a capture is that of a step: of its kind, its line, its exposure and its gain."""
    if capture.kind is not step.kind:
        return False
    if step.line is not None and (
        capture.line is None or abs(capture.line.wavelength_nm - step.line.wavelength_nm) > SAME_LINE_NM
    ):
        return False
    if step.frames_from is not None:
        return True
    exposure_off = (
        step.exposure_us is not None
        and abs(capture.exposure_us - step.exposure_us) > EXPOSURE_TOLERANCE * step.exposure_us
    )
    gain_off = step.gain_db is not None and abs(capture.gain_db - step.gain_db) > GAIN_TOLERANCE_DB
    return not exposure_off and not gain_off


def _settled(frames: Iterable[Frame], step: CaptureStep) -> Iterator[Frame]:
    """Without the first frames that were still exposed or amplified as before. Raises `CalibrationInvalidError`."""
    stale = 0
    for frame in frames:
        off = _off(frame, step)
        if off and stale >= 0:
            stale += 1
            if stale > STALE_FRAMES:
                raise CalibrationInvalidError(f"'{step.title}' needs {off}; set it, or change the plan")
            continue
        stale = -1
        yield frame


def _off(frame: Frame, step: CaptureStep) -> str:
    """In words which setting of a frame is not that of the step; empty where all are."""
    if (
        step.exposure_us is not None
        and abs(frame.exposure_us - step.exposure_us) > EXPOSURE_TOLERANCE * step.exposure_us
    ):
        return f"an exposure of {exposure_text(step.exposure_us)}, the camera gives {exposure_text(frame.exposure_us)}"
    if step.gain_db is not None and abs(frame.gain_db - step.gain_db) > GAIN_TOLERANCE_DB:
        return f"a gain of {step.gain_db:g} dB, the camera gives {frame.gain_db:g} dB"
    return ""


def _frames_on_disk(step: CaptureStep, ending: ExitStack) -> tuple[Iterator[Frame], str]:
    """The frames of a step's files, with the exposure and gain of the step where the files tell none."""
    from livecassi.app.opening import open_sequence
    from livecassi.app.recording import Recording

    assert step.frames_from is not None
    sequence = open_sequence(step.frames_from, bit_depth=step.bit_depth)
    if isinstance(sequence, Recording):
        ending.callback(sequence.close)
    elif step.bit_depth is None and sequence.info.bit_depth and sequence.frame(0).pixels.dtype != np.uint8:
        raise CalibrationInvalidError(
            f"the numbers in {step.frames_from} fit {sequence.info.bit_depth} bits, but a dark picture does not tell "
            "how many the camera has; write bit_depth = 12 (or what it has) into the plan"
        )
    first = step.view * step.frames if step.kind is CaptureKind.CHART else 0

    def told(frame: Frame) -> Frame:
        if frame.exposure_us:
            return frame
        return replace(frame, exposure_us=step.exposure_us or 0.0, gain_db=step.gain_db or 0.0)

    return (told(sequence.frame(position)) for position in range(first, len(sequence))), sequence.info.serial
