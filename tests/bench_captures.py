"""Captures of the simulated bench, as the whole procedure takes them, for tests of the whole fit."""

from dataclasses import dataclass, replace
from functools import lru_cache

from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan, StepPlan
from livecassi.app.calibrating.procedure import capture_step
from livecassi.app.calibrating.rig import SimulatedRig
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.calibration import System
from livecassi.calibration.bench import BenchDesign
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.fitting.settings import FitSettings
from livecassi.drivers.clock import ManualClock

HEIGHT, WIDTH = 96, 128
LINES = {
    System.SD_CASSI: ((452.0, 0.0), (490.0, 10.0), (532.0, 0.0), (570.0, 10.0), (610.0, 10.0), (645.0, 10.0)),
    System.DD_CASSI: ((412.0, 0.0), (455.0, 10.0), (505.0, 10.0), (560.0, 10.0), (630.0, 10.0), (690.0, 10.0)),
}


@dataclass(frozen=True)
class Taken:
    """The bench, and all captures of the plan that was followed."""

    prototype: Prototype
    rig: SimulatedRig
    plan: CalibrationPlan
    captures: tuple[Capture, ...]

    @property
    def settings(self) -> FitSettings:
        return self.plan.fit_settings()

    def of(self, *kinds: CaptureKind) -> list[Capture]:
        return [capture for capture in self.captures if capture.kind in kinds]

    def without(self, *kinds: CaptureKind) -> list[Capture]:
        return [capture for capture in self.captures if capture.kind not in kinds]

    def again(self, kind: CaptureKind, drift_px: tuple[float, float] = (0.0, 0.0), number: int = 0) -> Capture:
        """One more capture of a kind, after the mask drifted."""
        step = [step for step in self.plan.steps() if step.kind is kind][number]
        return taken_step(self.prototype, self.rig, step, drift_px)


def taken_step(
    prototype: Prototype, rig: SimulatedRig, step: CaptureStep, drift_px: tuple[float, float] = (0.0, 0.0)
) -> Capture:
    rig.prepare(step)
    prototype.set_state(replace(prototype.state, drift_px=drift_px))
    return capture_step(step, rig)


@lru_cache(maxsize=8)
def bench_captures(
    system: System = System.SD_CASSI,
    lines: tuple[tuple[float, float], ...] | None = None,
    *,
    verify: float | None = 540.0,
    mask_frames: int = 8,
    design: BenchDesign | None = None,
) -> Taken:
    """Dark, flats, mask, lines `(nm, fwhm)`, white and a line that no fit sees."""
    prototype = open_prototype(system, HEIGHT, WIDTH, clock=ManualClock(), design=design)
    rig = SimulatedRig(prototype)
    plans = [LinePlan(nm=nm, fwhm=fwhm) for nm, fwhm in lines or LINES[system]]
    if verify is not None:
        plans.append(LinePlan(nm=verify, verify=True))
    plan = CalibrationPlan(system=system, name="test", line=tuple(plans), mask=StepPlan(frames=mask_frames))
    plan = plan.at_exposure(rig.choose_exposure())
    return Taken(prototype, rig, plan, tuple(taken_step(prototype, rig, step) for step in plan.steps()))
