"""The procedure: capture, judge, fit, verify, save. The wizard and `livecassi calibrate run` both follow it."""

from collections.abc import Callable, Iterable, Sequence

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.calibrating.rig import Rig
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check
from livecassi.drivers import Frame


def capture_step(
    step: CaptureStep,
    rig: Rig,
    *,
    frames: Iterable[Frame] | None = None,
    report: Callable[[int], None] = lambda _done: None,
) -> Capture:
    """Take the capture of a step: from `step.frames_from`, a live feed's `frames`, or the rig's source.

    The rig must have been prepared. Raises `SourceError` (lost, with what was saved so far) or `CalibrationError`.
    """
    raise NotImplementedError


def judge_capture(capture: Capture, others: Sequence[Capture], plan: CalibrationPlan) -> tuple[Check, ...]:
    """Everything that can be told of one capture beside the others: saturation, level, contrast, duplicates, motion.

    Specification 5 gives the limits. A duplicate (frames with hashes that another capture has) always fails.
    """
    raise NotImplementedError


def missing_steps(plan: CalibrationPlan, captures: Sequence[Capture]) -> tuple[CaptureStep, ...]:
    """The steps of the plan that no capture stands for, in order, optional ones too."""
    raise NotImplementedError
