"""Fitting beside the window: the newest captures count, and a fit that is overtaken is given up."""

from threading import Event
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.windows.wizard.desk import Desk
from livecassi.app.windows.wizard.latest import Latest
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.checks import Check
from livecassi.calibration.fitting.settings import FitCancelledError, FitWatch

if TYPE_CHECKING:
    from livecassi.calibration.fitting.fit import Fitted

NEEDED = {CaptureKind.DARK: "a dark", CaptureKind.FLAT: "a flat", CaptureKind.WHITE: "the white reference"}
LEAST_LINES = 2
Key = tuple[tuple[str, ...], CalibrationPlan]


class Fitting(QObject):
    """Runs the fit over what lies on the desk. `what` and `share` say how far it is; `error` why there is none."""

    changed = Signal()

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._desk = desk
        self._latest: Latest[Fitted] = Latest("fitting", self)
        self._key: Key | None = None
        self._asked: Key | None = None
        self.fitted: Fitted | None = None
        self.error: Exception | None = None
        self.what, self.share = "", 0.0

    @property
    def busy(self) -> bool:
        """Whether a fit runs or waits."""
        return self._latest.busy

    @property
    def current(self) -> bool:
        """Whether `fitted` was made of what lies on the desk now."""
        return self.fitted is not None and self._key == self._now()

    @property
    def checks(self) -> tuple[Check, ...]:
        """What the fit of the present captures says of itself, without what a verification says."""
        verified = self.verification
        return tuple(check for check in self._all_checks if check not in verified)

    @property
    def verification(self) -> tuple[Check, ...]:
        """How far the lines that are not in the fit lie from their prediction."""
        titles = [capture.title for capture in self._desk.captures(CaptureKind.VERIFY)]
        return tuple(check for check in self._all_checks if any(title in check.name for title in titles))

    @property
    def _all_checks(self) -> tuple[Check, ...]:
        return self.fitted.checks if self.fitted is not None and self.current else ()

    @property
    def lacking(self) -> str:
        """What a fit still needs; empty where it can begin."""
        present = {capture.kind for capture in self._desk.captures()}
        missing = [words for kind, words in NEEDED.items() if kind not in present]
        lines = len(self._desk.captures(CaptureKind.LINE))
        if lines < LEAST_LINES:
            missing.append(f"{LEAST_LINES - lines} more {'line' if lines == LEAST_LINES - 1 else 'lines'}")
        return ", ".join(missing)

    def follow(self) -> None:
        """Fit anew where captures or plan have changed since, and all that is needed is there."""
        if self._desk.begun and not self.lacking and self._now() not in (self._asked, self._key):
            self.start()

    def start(self) -> None:
        """Fit now, whatever was fitted before."""
        desk = self._desk
        captures, key = tuple(desk.captures()), self._now()
        plan, draft = desk.plan, desk.draft
        parent_id, overrides, info = draft.parent_id, tuple(draft.overrides), desk.rig.source.info
        self._asked, self.error, self.what, self.share = key, None, "waiting", 0.0

        def act(cancelled: Event) -> "Fitted":
            from livecassi.calibration.fitting.fit import fit_calibration

            settings = plan.fit_settings(parent_id, overrides, info)
            return fit_calibration(captures, settings, FitWatch(self._tell, cancelled))

        def done(fitted: "Fitted | None", error: Exception | None) -> None:
            if isinstance(error, FitCancelledError):
                return
            self.error = error
            if fitted is not None:
                self.fitted, self._key = fitted, key
            self.changed.emit()

        self._latest.ask(act, done)
        self.changed.emit()

    def cancel(self) -> None:
        """Give up what runs; the last fit stays."""
        self._latest.cancel()
        self._asked = None
        self.changed.emit()

    def _tell(self, what: str, share: float) -> None:
        self.what, self.share = what, share

    def _now(self) -> Key:
        """What a fit depends on: words about a calibration can change without a new fit."""
        plan = self._desk.plan.model_copy(update={"name": "", "operator": "", "optics": "", "notes": ""})
        return tuple(capture.id for capture in self._desk.captures()), plan
