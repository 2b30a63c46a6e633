"""Opening the wizard from the main window: the camera changes hands, and comes back with the new calibration."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.opening import USUAL_RATE_HZ, SourceKind, SourceRequest
from livecassi.app.session import Session
from livecassi.app.windows.background import Background
from livecassi.app.windows.session_switch import SessionSwitch
from livecassi.drivers import LivecassiError, SourceSettings, SourceUnsupportedError

if TYPE_CHECKING:  # what the wizard needs is loaded when it is opened, not with the window
    from livecassi.app.windows.wizard.benches import Workbench
    from livecassi.app.windows.wizard.wizard import CalibrationWizard

log = logging.getLogger(__name__)

BUSY = "Calibrating: the wizard has the camera"


class WizardControl(QObject):
    """At most one wizard. While it is open the session is stopped and no other source can be opened.

    Afterwards the camera is set as it was before, or as the new calibration was made; `configure` sets and shows it.
    """

    def __init__(
        self,
        current: Callable[[], Session],
        switch: SessionSwitch,
        tell: Callable[[Exception], None],
        configure: Callable[[SourceSettings], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._current, self._switch, self._tell, self._configure = current, switch, tell, configure
        self._before = SourceSettings()
        self.wizard: CalibrationWizard | None = None

    def open(self) -> None:
        """Stop the session, then show the wizard on its camera; a wizard that is open comes to the front."""
        if self.wizard is not None:
            self.wizard.raise_()
            self.wizard.activateWindow()
            return
        if self._switch.busy or self._switch.closing:
            return
        session, request = self._current(), self._switch.request
        self._before = session.stats().settings
        refused = _refusal(session, request)
        if refused is not None:
            self._tell(refused)
            return
        self._switch.busy = BUSY

        def take_over() -> "Workbench":
            session.stop()
            return _bench(session, request)

        def taken_over(bench: "Workbench | None", error: Exception | None) -> None:
            if bench is None or self._switch.closing:
                self._give_back()
                if error is not None:
                    self._tell(error)
                return
            self._show(bench, session)

        Background(take_over, taken_over, name="wizard", parent=self)

    def close(self) -> None:
        """The main window closes: the draft stays on disk."""
        if self.wizard is not None:
            self.wizard.leave()

    def _show(self, bench: "Workbench", session: Session) -> None:
        from livecassi.app.windows.wizard.wizard import CalibrationWizard

        try:
            self.wizard = CalibrationWizard(bench, template=CalibrationPlan(system=session.calibration.system))
        except LivecassiError as error:
            self._give_back()
            self._tell(error)
            return
        self.wizard.ended.connect(self._on_ended)
        self.wizard.show()

    def _on_ended(self) -> None:
        wizard, self.wizard = self.wizard, None
        request = self._switch.request
        self._switch.busy = ""
        if wizard is None:
            return
        wizard.deleteLater()
        if wizard.opens is not None and request is not None:
            self._switch.open(replace(request, calibration=wizard.opens), self._as_calibrated)
        else:
            self._as_before(wizard)
            self._switch.restart()

    def _as_calibrated(self, session: Session | None) -> None:
        """What was just calibrated is looked at as it was calibrated."""
        if session is not None:
            header = session.calibration.header
            self._configure(SourceSettings(exposure_us=header.exposure_us, gain_db=header.gain_db))

    def _as_before(self, wizard: "CalibrationWizard") -> None:
        """The captures had exposures of their own."""
        exposure_us, gain_db = self._before.exposure_us, self._before.gain_db
        try:
            wizard.desk.rig.source.configure(SourceSettings(exposure_us=exposure_us, gain_db=gain_db))
        except LivecassiError as error:  # a lost camera: to start it again says so too
            log.warning("the camera cannot be set as it was before: %s", error)

    def _give_back(self) -> None:
        self._switch.busy = ""
        self._switch.restart()


def _refusal(session: Session, request: SourceRequest | None) -> LivecassiError | None:
    if session.recording:
        return SourceUnsupportedError("a recording is being made; stop it before calibrating")
    if session.source.info.waits or (request is not None and request.kind is SourceKind.FILE):
        return SourceUnsupportedError(
            "frames from a file cannot be calibrated in the wizard, which needs a camera; open a camera or the "
            "simulated bench, or use 'livecassi calibrate run' with frames_from in a plan"
        )
    return None


def _bench(session: Session, request: SourceRequest | None) -> "Workbench":
    """The camera of the session; of the simulated bench a twin, whose lamp, cap and mask obey."""
    from livecassi.app.windows.wizard.benches import manual_bench, simulated_bench

    if request is None or request.kind is not SourceKind.PROTOTYPE:
        return manual_bench(session.source)
    from livecassi.app.prototype import open_prototype

    return simulated_bench(
        open_prototype(
            request.system,
            request.height,
            request.width,
            seed=request.seed,
            bands=request.bands,
            frame_rate_hz=request.frame_rate_hz or USUAL_RATE_HZ,
        )
    )
