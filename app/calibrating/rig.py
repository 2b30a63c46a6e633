"""The rig: a source, and whoever brings the bench into the state that a step needs.

One exposure, that of the scene, serves every capture for which the plan says nothing else: then one dark serves too.
Where the plan leaves it open it is chosen before the first capture, on the white reference. What differs from line
to line is the light: the simulated bench sets its lamp, on a real bench the instruction of a step asks for it.
"""

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Protocol

import numpy as np

from livecassi.app.calibrating.steps import USUAL_FILL, CaptureStep
from livecassi.app.prototype import Prototype
from livecassi.calibration import Calibration
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.capture import CaptureKind
from livecassi.drivers import Frame, Source, SourceLostError, SourceSettings

BRIGHT_PERCENTILE = 99.9
NEAR_FILL = 0.1  # relative: so near to the wanted brightness is near enough
CLIPPED = 0.97  # of full scale: beyond it the brightest pixels tell nothing
MOST_PROBES = 6
LEVELS = (1e-4, 1e4)  # of the simulated lamp

Probe = Callable[[], Frame]


class Rig(Protocol):
    """A bench that can be brought into the state of a step."""

    @property
    def source(self) -> Source:
        """Where its frames come from."""
        ...

    @property
    def automatic(self) -> bool:
        """Whether `prepare` does it alone; else it asks a person."""
        ...

    @property
    def truth(self) -> Calibration | None:
        """The calibration that a simulated bench has; None where nobody knows."""
        ...

    def prepare(self, step: CaptureStep) -> None:
        """Bring the bench into the state of `step` and the camera to its exposure. Raises `SourceError`."""
        ...

    def choose_exposure(self) -> float | None:
        """The exposure in µs at which the white reference nearly fills the sensor, also set in the camera.

        None where the source has no exposure to set. Raises `SourceError`.
        """
        ...


class ManualRig:
    """A real bench: `ask(instruction)` returns when the person has done it.

    `probe()`: one frame that was exposed after the call, None: the source is started for it and stopped again.
    """

    automatic = False
    truth: Calibration | None = None

    def __init__(self, source: Source, ask: Callable[[str], None], probe: Probe | None = None) -> None:
        self.source = source
        self._ask = ask
        self._probe = probe or (lambda: one_frame(source))

    def prepare(self, step: CaptureStep) -> None:
        """Set exposure and gain, then ask: the person sees the light at the exposure that it is for."""
        self.source.configure(SourceSettings(exposure_us=step.exposure_us, gain_db=step.gain_db))
        self._ask(step.instruction)

    def choose_exposure(self) -> float | None:
        """Ask for the white reference, then set the exposure from a few frames."""
        if self.source.info.exposure_range_us is None:
            return None
        self._ask(CaptureStep(CaptureKind.WHITE, 1).instruction + " The exposure is chosen on it.")
        return fitting_exposure(self.source, self._probe)


class SimulatedRig:
    """The prototype: its lamp, cap, mask and disperser obey at once."""

    automatic = True

    def __init__(self, prototype: Prototype, probe: Probe | None = None) -> None:
        self.source = prototype.source
        self.truth: Calibration | None = prototype.calibration
        self._prototype = prototype
        self._probe = probe or (lambda: one_frame(prototype.source))
        self._levels: dict[tuple[BenchState, float], float] = {}

    def prepare(self, step: CaptureStep) -> None:
        """Set state, exposure and the light: the lamp of the scene as it is on the white reference, else for `fill`.

        The light of the flats is set once for the whole series, since `fill` follows their exposures.
        """
        applied = self.source.configure(SourceSettings(exposure_us=step.exposure_us, gain_db=step.gain_db))
        state = replace(state_for(step), drift_px=self._prototype.state.drift_px)
        self._prototype.set_state(state)
        if step.kind in (CaptureKind.DARK, CaptureKind.WHITE):
            return
        per_us = step.fill / (applied.exposure_us or 1.0)
        key = (state, float(f"{per_us:.3e}"))
        if key not in self._levels:
            self._levels[key] = self._level(state, step.fill)
        self._prototype.set_state(replace(state, level=self._levels[key]))

    def choose_exposure(self) -> float | None:
        """White reference under the lamp of the scene; a few frames."""
        white = state_for(CaptureStep(CaptureKind.WHITE, 1))
        self._prototype.set_state(replace(white, drift_px=self._prototype.state.drift_px))
        return fitting_exposure(self.source, self._probe)

    def _level(self, state: BenchState, fill: float) -> float:
        """The light at which the picture reaches `fill` at the exposure that is set."""
        level = 1.0
        for _ in range(MOST_PROBES):
            self._prototype.set_state(replace(state, level=level))
            factor = _to_fill(self._probe(), fill)
            if abs(factor - 1) < NEAR_FILL:
                break
            level = float(np.clip(level * factor, *LEVELS))
        return level


def state_for(step: CaptureStep) -> BenchState:
    """The simulated bench in the state of a step, its light at level 1."""
    match step.kind:
        case CaptureKind.DARK:
            return BenchState(target=Target.WHITE, cap_on=True)
        case CaptureKind.FLAT:
            return BenchState(target=Target.WHITE, mask_in=False)
        case CaptureKind.MASK:
            return BenchState(target=Target.WHITE, disperser_in=False)
        case CaptureKind.LINE | CaptureKind.VERIFY:
            return BenchState(target=Target.WHITE, line=step.line)
        case CaptureKind.CHART:
            return BenchState(target=Target.CHESSBOARD, mask_in=False, disperser_in=False, chart_pose=step.view)
        case CaptureKind.WHITE:
            return BenchState(target=Target.WHITE)


def one_frame(source: Source) -> Frame:
    """The first frame of a source, which is started for it and stopped again. Raises `SourceError`."""
    stop = Event()
    frames = source.frames(stop)
    try:
        for frame in frames:
            return frame
    finally:
        stop.set()
        for _ in frames:  # lets the source stop in order
            break
    raise SourceLostError(f"'{source.info.title}' ended before its first frame; choose a source that has frames")


def fitting_exposure(source: Source, probe: Probe, fill: float = USUAL_FILL) -> float | None:
    """Set the exposure at which the brightest 0.1 % of the pixels reach `fill` of full scale; returns it in µs.

    As near as the camera's range allows, within 10 % else. None where the source has no exposure.
    """
    applied = source.configure(SourceSettings())
    for _ in range(MOST_PROBES):
        if applied.exposure_us is None:
            return None
        factor = _to_fill(probe(), fill)
        if abs(factor - 1) < NEAR_FILL:
            break
        exposure_us = float(np.format_float_positional(applied.exposure_us * factor, 3, fractional=False))
        low, high = source.info.exposure_range_us or (exposure_us, exposure_us)
        applied = source.configure(SourceSettings(exposure_us=min(max(exposure_us, low), high)))
    return applied.exposure_us


def _to_fill(frame: Frame, fill: float) -> float:
    """How much more light brings the brightest pixels to `fill`; a quarter where they are clipped."""
    bright = float(np.percentile(frame.pixels, BRIGHT_PERCENTILE)) / frame.full_scale
    return 0.25 if bright >= CLIPPED else float(np.clip(fill / max(bright, 1e-3), 0.01, 100.0))
