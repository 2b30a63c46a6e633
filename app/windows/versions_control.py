"""Versions from the main window: another one is used once the source has opened with it, and not before."""

import logging
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from livecassi.app.calibrating.library import Library, Version
from livecassi.app.session import Session
from livecassi.app.windows.background import POLL_MS, Background
from livecassi.app.windows.session_switch import SessionSwitch
from livecassi.app.windows.versions_dialog import VersionsDialog
from livecassi.drivers import LivecassiError, SourceUnsupportedError

log = logging.getLogger(__name__)

CLOSING_PATIENCE_S = 10.0


class VersionsControl(QObject):
    """At most one dialog, made when it is first asked for; `calibrate` opens the wizard."""

    def __init__(
        self,
        current: Callable[[], Session],
        switch: SessionSwitch,
        tell: Callable[[Exception], None],
        calibrate: Callable[[], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._current, self._switch, self._tell, self._calibrate = current, switch, tell, calibrate
        self._parent = parent
        self.dialog: VersionsDialog | None = None
        self._activating = False

    def open(self) -> None:
        """Show the versions of the library as it is now."""
        if self.dialog is None:
            self.dialog = VersionsDialog(Library(), self._tell, self._parent)
            self.dialog.use_pressed.connect(self._use)
            self.dialog.calibrate_pressed.connect(self._calibrate)
        self.dialog.say("")
        self.dialog.show_screen(self._current().calibration)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    def adopt(self, session: Session) -> None:
        """Another session is on the screen; perhaps a new version was saved before it."""
        if self.dialog is not None and self.dialog.isVisible():
            self.dialog.say("")
            self.dialog.show_screen(session.calibration)

    def close(self) -> None:
        """The main window closes."""
        if self.dialog is not None:
            self.dialog.close()

    def when_idle(self, then: Callable[[], None], patience_s: float = CLOSING_PATIENCE_S) -> None:
        """Call `then` when no file is being read or drawn any more, at the latest after `patience_s`."""
        if patience_s <= 0 or not (self._activating or (self.dialog is not None and self.dialog.working)):
            then()
        else:
            QTimer.singleShot(POLL_MS, self, lambda: self.when_idle(then, patience_s - POLL_MS / 1000))

    def _use(self, calibration_id: str) -> None:
        """A source that refuses the version leaves the library as it was; the switch tells why it refuses."""
        version = self.dialog.shelf.find(calibration_id) if self.dialog is not None else None
        request, refused = self._switch.request, self._refusal()
        if refused is not None:
            self._tell(refused)
        elif request is not None and version is not None and self.dialog is not None:
            self.dialog.say("Opening…")
            self._switch.open(
                replace(request, calibration=version.path), lambda session: self._on_opened(version, session)
            )

    def _refusal(self) -> LivecassiError | None:
        if self._switch.busy:
            return SourceUnsupportedError(f"the source is in use ({self._switch.busy}); wait for that, or end it")
        if self._current().recording:
            return SourceUnsupportedError("a recording is being made with the present calibration; stop it first")
        if self._switch.request is None or not self._switch.can_open:
            return SourceUnsupportedError(
                "this source cannot be opened again with another calibration; open one from the File menu first"
            )
        return None

    def _on_opened(self, version: Version, session: Session | None) -> None:
        if session is not None:
            self._activate(version)
        elif self.dialog is not None:
            self.dialog.say("")

    def _activate(self, version: Version) -> None:
        library = self.dialog.library if self.dialog is not None else Library()

        def done(active: Version | None, error: Exception | None) -> None:
            self._activating = False
            if error is not None:
                self._tell(error)
            elif active is not None:
                log.info("calibration in use from now on: '%s', id %s", active.name, active.id[:8])
            if self.dialog is not None:
                self.dialog.refresh()

        self._activating = True
        Background(lambda: library.activate(version.id), done, name="activating", parent=self)
