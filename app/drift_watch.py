"""The drift watch: looks now and then, at a low priority, whether the mask stands where the calibration has it."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from livecassi.calibration import Calibration, Corrector
from livecassi.calibration.carriers import line_shift_px
from livecassi.calibration.checks import Verdict
from livecassi.calibration.drift import Drift, DriftKind, SceneDrift, drift_on_line, drift_on_white
from livecassi.calibration.errors import CalibrationMismatchError
from livecassi.drivers import Frame, LivecassiError

log = logging.getLogger(__name__)

EVERY_S = 30.0
FIRST_S = 5.0  # after the start: by then the picture has come up
NICENESS = 10  # behind all other work, yet a check ends also where every core is busy


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One check that was made: what it found, on which frame, and when by the session's clock."""

    drift: Drift
    frame_index: int
    checked_ns: int


@dataclass(frozen=True, slots=True)
class DriftState:
    """What the watch knows. `alarm`: the drift that two checks in a row agree on. `problem`: why the last check failed.

    `watching` is False where frames hold no mask that could be looked for again and again: floating-point files.
    """

    report: DriftReport | None = None
    alarm: Drift | None = None
    checking: bool = False
    problem: str = ""
    watching: bool = True


@dataclass(frozen=True, slots=True)
class _Wish:
    kind: DriftKind
    wavelength_nm: float


class DriftWatch:
    """`run` is the work of a thread of its own; all else may be called from any other.

    At most one frame is in work, and frames wait for nobody: it takes the newest one where it is and leaves the rest.
    A scheduled check looks at the scene; on demand the white reference or a line can be looked at, too.
    """

    def __init__(
        self,
        calibration: Calibration,
        newest: Callable[[], Frame | None],
        clock_ns: Callable[[], int],
        *,
        every_s: float = EVERY_S,
        first_s: float = FIRST_S,
        watching: bool = True,
    ) -> None:
        self._calibration, self._newest, self._clock_ns = calibration, newest, clock_ns
        self._every_s, self._first_s = every_s, first_s
        self._corrector = Corrector(calibration, pedestal=None)
        self._scene: SceneDrift | None = None
        self._wake = threading.Event()
        self._lock = threading.Lock()  # guards what follows
        self._state = DriftState(watching=watching)
        self._wish: _Wish | None = None

    @property
    def state(self) -> DriftState:
        """What is known now."""
        with self._lock:
            return self._state

    def check(self, kind: DriftKind, wavelength_nm: float | None = None) -> None:
        """Ask for a check of the newest frame; the state tells what it found, or why it could not be made.

        Raises `CalibrationMismatchError` for a line that the calibration does not know.
        """
        if kind is DriftKind.LINE:
            if wavelength_nm is None:
                raise CalibrationMismatchError("a check on a line needs its wavelength in nm, none was named")
            line_shift_px(self._calibration, wavelength_nm)
        with self._lock:
            self._wish = _Wish(kind, wavelength_nm or 0.0)
            self._state = replace(self._state, checking=True)
        self._wake.set()

    def wake(self) -> None:
        """Let a thread that waits see that it is to stop."""
        self._wake.set()

    # ---- the thread ----------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Check on the schedule and on demand, until `stop` is set and `wake` was called."""
        _give_way()
        wait_s = self._first_s
        while not stop.is_set():
            asked = self._wake.wait(wait_s)
            self._wake.clear()
            wait_s = self._every_s
            with self._lock:
                wish, self._wish = self._wish, None
            if stop.is_set():
                break
            if wish is not None:
                self._make(wish)
            elif not asked and self.state.watching and self._is_news():
                self._make(_Wish(DriftKind.SCENE, 0.0))
        with self._lock:
            self._state = replace(self._state, checking=False)

    def _is_news(self) -> bool:
        frame, report = self._newest(), self.state.report
        return frame is not None and (report is None or report.frame_index != frame.index)

    def _make(self, wish: _Wish) -> None:
        report, problem = None, ""
        try:
            report = self._report(wish)
        except LivecassiError as error:
            problem = str(error)
        except Exception as error:
            log.exception("unexpected error while looking for drift")
            problem = f"the check failed ({type(error).__name__}: {error})"
        if problem:
            log.warning("drift: %s", problem)
        with self._lock:
            before, alarm = self._state.report, self._state.alarm
            if report is not None:
                alarm = _agreed(before, report, alarm)
            self._state = replace(
                self._state, report=report or before, alarm=alarm, problem=problem, checking=self._wish is not None
            )

    def _report(self, wish: _Wish) -> DriftReport:
        frame = self._newest()
        if frame is None:
            raise CalibrationMismatchError("no frame has come yet that could be looked at; start the source")
        values = self._corrector.correct(frame).values
        if wish.kind is DriftKind.SCENE:
            self._scene = self._scene or SceneDrift(self._calibration)
            drift = self._scene.measure(values)
        elif wish.kind is DriftKind.WHITE:
            drift = drift_on_white(values, self._calibration)
        else:
            drift = drift_on_line(values, self._calibration, wish.wavelength_nm)
        return DriftReport(drift, frame.index, self._clock_ns())


def _agreed(before: DriftReport | None, now: DriftReport, alarm: Drift | None) -> Drift | None:
    """The drift to raise the alarm for: two checks in a row fail in the same direction.

    A check that cannot tell changes nothing; one that does not fail ends the alarm.
    """
    if now.drift.verdict is None:
        return alarm
    failing = _failing(now.drift)
    if not failing:
        return None
    return now.drift if before is not None and failing & _failing(before.drift) else alarm


def _failing(drift: Drift) -> set[tuple[str, bool]]:
    """The directions, by name and sign, in which a drift is beyond the alarm limit."""
    told = ((drift.across_check, drift.across_px), (drift.along_check, drift.along_px))
    return {
        (check.name, value > 0)
        for check, value in told
        if check is not None and value is not None and check.verdict is Verdict.FAIL
    }


def _give_way() -> None:
    """Low priority for the calling thread, where the system has priorities for single threads."""
    if sys.platform == "linux":
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        except OSError as error:
            log.debug("the priority of the drift watch stays as it is: %s", error)
