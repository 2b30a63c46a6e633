"""The main window: wires screen and panels to a session, pulls the newest result, and closes without hanging."""

import logging
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from PySide6.QtCore import QSettings, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMainWindow, QMessageBox, QScrollArea, QSplitter, QVBoxLayout, QWidget

from livecassi.app.ahead import FrameAhead
from livecassi.app.engine_slot import EngineFailedError
from livecassi.app.log_lines import LogLines
from livecassi.app.notices import notice
from livecassi.app.opening import SourceRequest
from livecassi.app.pictures import View
from livecassi.app.rate import RateMeter
from livecassi.app.report import report_text
from livecassi.app.session import Session, SessionState, SessionStats
from livecassi.app.windows.background import Background
from livecassi.app.windows.calibration_panel import CalibrationPanel
from livecassi.app.windows.engine_control import EngineControl
from livecassi.app.windows.engine_panel import EnginePanel
from livecassi.app.windows.error_dialog import ErrorDialog, Remedy
from livecassi.app.windows.layout import Layout
from livecassi.app.windows.log_dock import LogDock
from livecassi.app.windows.menus import MenuActs, build_menus
from livecassi.app.windows.recording_control import RecordingControl
from livecassi.app.windows.recording_panel import RecordingPanel
from livecassi.app.windows.screen import Screen
from livecassi.app.windows.session_switch import SessionSwitch
from livecassi.app.windows.source_dialogs import BenchDialog, ask_calibration, ask_measurement, ask_recording
from livecassi.app.windows.source_panel import SourcePanel
from livecassi.app.windows.status import StatusReadings
from livecassi.app.windows.versions_control import VersionsControl
from livecassi.app.windows.wizard.control import WizardControl
from livecassi.calibration.drift import DriftKind
from livecassi.drivers import LivecassiError, SourceError, SourceSettings
from livecassi.engines import EngineError, EngineMismatchError, EngineSpec, EngineUnavailableError

log = logging.getLogger(__name__)

TICK_MS = 33
SLOW_TICKS = 6  # counters and errors are looked at five times a second
CLOSING_PATIENCE_S = 90.0  # longer than a session ever takes to stop; then its threads are left behind
REPORT_LINES = 60
HINT_S = 4.0


class MainWindow(QMainWindow):
    """Shows one session at a time; `open_session` makes another one for File > Open.

    The session is started here and closed with the window. `settings` keeps the layout; without it nothing is kept.
    `cubes_shown` and `errors_told` count what the operator has seen. `closed` comes when everything has stopped.
    """

    closed = Signal()

    def __init__(
        self,
        session: Session,
        engine_specs: Mapping[str, EngineSpec],
        *,
        engine_name: str,
        recordings_folder: Path,
        open_session: Callable[[SourceRequest], Session] | None = None,
        engine_options: Mapping[str, str] | None = None,
        request: SourceRequest | None = None,
        settings: QSettings | None = None,
    ) -> None:
        super().__init__()
        self._session = session
        self._switch = SessionSwitch(lambda: self._session, open_session, request, self._adopt, self._tell, self)
        self.cubes_shown = self.pictures_shown = self.errors_told = 0
        self._display_rate = RateMeter()
        self._ticks = 0
        self._hint_text, self._hint_until = "", 0.0
        self._closing = self._closed = False
        self.log_lines = LogLines()
        self.log_lines.attach()
        self.display = Screen(session.calibration)
        self.source, self.engines = SourcePanel(), EnginePanel()
        self.recording, self.calibration = RecordingPanel(recordings_folder), CalibrationPanel()
        self.engine_control = EngineControl(
            session, self.engines, engine_specs, engine_name, engine_options or {}, self
        )
        self.record_control = RecordingControl(session, self.recording, self._tell_note, self)
        self.wizard_control = WizardControl(lambda: self._session, self._switch, self._tell, self._configure, self)
        self.versions_control = VersionsControl(
            lambda: self._session, self._switch, self._tell, self.wizard_control.open, self
        )
        self.status = StatusReadings(self.statusBar())
        self.log_dock = LogDock(self.log_lines)
        self.errors = ErrorDialog(self._report, self)
        self._lay_out()
        self._connect()
        self._layout = Layout(settings, self, self._body, self.display)
        self._layout.restore()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._adopt(session)
        self._timer.start(TICK_MS)

    def _lay_out(self) -> None:
        panels = QWidget()
        column = QVBoxLayout(panels)
        column.setContentsMargins(10, 10, 2, 10)
        column.setSpacing(10)
        for panel in (self.source, self.engines, self.recording, self.calibration):
            column.addWidget(panel)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(panels)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setMinimumWidth(panels.minimumSizeHint().width() + scroll.verticalScrollBar().sizeHint().width())
        self._body = QSplitter(Qt.Orientation.Horizontal)
        self._body.setHandleWidth(4)
        self._body.setChildrenCollapsible(False)
        self._body.addWidget(scroll)
        self._body.addWidget(self.display)
        self._body.setStretchFactor(1, 1)
        self._body.setSizes([264, 1100])
        self.setCentralWidget(self._body)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.log_dock)
        self.log_dock.hide()
        self.resize(1380, 860)

    def _connect(self) -> None:
        self.source.play_pressed.connect(self.toggle_play)
        self.source.settings_entered.connect(self._configure)
        self.calibration.check_pressed.connect(lambda kind, nm: self.check_drift(DriftKind(kind), nm))
        self.calibration.calibrate_pressed.connect(self.wizard_control.open)
        self.calibration.versions_pressed.connect(self.versions_control.open)
        self.display.told.connect(self._hint)
        acts = MenuActs(
            open_recording=lambda: self._switch.open(ask_recording(self, self.recording.destination)),
            open_measurement=lambda: self._switch.open(ask_measurement(self, Path.home())),
            open_bench=self._ask_bench,
            open_calibration=self._ask_calibration,
            calibrate=self.wizard_control.open,
            versions=self.versions_control.open,
            restart=self.restart,
            close=self.close,
            choose_view=lambda text: self.display.choose_view(View(text)),
            step_band=self.display.step_band,
            toggle_overlay=self.display.bar.overlay.toggle,
            clear_pins=self.display.clear_pins,
            fit=self.display.image.fit,
            toggle_play=self.toggle_play,
            toggle_record=self.record_control.toggle,
            check_drift=self.check_drift,
            about=self._about,
        )
        actions = build_menus(self, acts, self.log_dock.toggleViewAction())
        for text in ("Open recording", "Open measurement", "Simulated bench"):
            actions[text].setEnabled(self._switch.can_open)
        self._open_calibration = actions["Open calibration for this source"]

    # ---- the session ---------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The session on the screen."""
        return self._session

    def _adopt(self, session: Session) -> None:
        self._session = self.record_control.session = session
        info = session.source.info
        self.setWindowTitle(f"{info.title} — livecassi")
        self.display.set_calibration(session.calibration)
        self._ahead = FrameAhead()
        self.source.show_source(info)
        self.source.show_settings(session.stats().settings)
        self.calibration.show_calibration(session.calibration)
        self.engine_control.adopt(session)
        self.versions_control.adopt(session)
        self._open_calibration.setEnabled(self._switch.can_open and self._switch.request is not None)
        session.start()
        self._slow_tick()

    def choose_engine(self, name: str) -> None:
        """Build another engine; the present one goes on until it is ready."""
        self.engine_control.choose(name)

    def toggle_play(self) -> None:
        """Pause or go on; start again what ended or failed."""
        state = self._session.stats().state
        if state is SessionState.RUNNING:
            self._session.pause()
        elif state is SessionState.PAUSED:
            self._session.resume()
        else:
            self.restart()
        self._slow_tick()

    def restart(self) -> None:
        """Start the source again from the beginning."""
        self._switch.restart()

    def _configure(self, settings: SourceSettings) -> None:
        try:
            applied = self._session.configure(settings)
        except LivecassiError as error:
            self._tell(error)
            self.source.show_settings(self._session.stats().settings)
        else:
            self.source.show_settings(applied, settings)

    def check_drift(self, kind: DriftKind = DriftKind.SCENE, wavelength_nm: float | None = None) -> None:
        """Look whether the mask still stands where the calibration has it; the panel tells what is found."""
        try:
            self._session.check_drift(kind, wavelength_nm)
        except LivecassiError as error:
            self._tell(error)

    # ---- the timer -----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        result, newest = self._session.take_result(), self._session.newest_frame
        frame = self._ahead.choose(result, newest)
        before, seen = self.display.result, self.display.seen
        if result is not None:
            self.display.show_result(result, frame)
            self.cubes_shown += result.cube is not None and (before is None or result.cube is not before.cube)
        elif frame is not None and frame is not self.display.frame:
            self.display.show_frame(frame)
        self._session.want(self.display.wanted)
        if self.display.seen is not seen:
            self._display_rate.tick(time.monotonic_ns())
            self.pictures_shown += 1
        self._ticks += 1
        if self._ticks % SLOW_TICKS == 0:
            self._slow_tick()

    def _slow_tick(self) -> None:
        error = self._session.take_error()
        stats = self._session.stats()  # after the error: what was done about it is seen too
        self.engine_control.watch(stats)
        if error is not None and not self._switch.busy:
            self._tell(
                error,
                self._remedy(error),
                self.record_control.note_of_loss() if stats.state is SessionState.FAILED else "",
            )
        self.status.show_stats(stats, self._display_rate.hz(time.monotonic_ns()), self.record_control.recording)
        self.source.show_state(stats.state)
        self.record_control.watch(stats)
        self.calibration.show_drift(stats.drift, time.monotonic_ns())
        self.display.image.show_notice(self._notice(stats))
        self.log_dock.refresh()

    def _hint(self, text: str) -> None:
        self._hint_text, self._hint_until = text, time.monotonic() + HINT_S
        self.display.image.show_notice(text)

    def _notice(self, stats: SessionStats) -> str:
        if self._closing:
            return "Closing: the recording is being finished…" if self.record_control.recording else "Closing…"
        if self._switch.busy:
            return self._switch.busy
        if time.monotonic() < self._hint_until:
            return self._hint_text
        return notice(stats, self.display.result)

    # ---- trouble -------------------------------------------------------------------------------------------------

    def _remedy(self, error: Exception) -> Remedy | None:
        if isinstance(error, SourceError) and self._session.stats().state is SessionState.FAILED:
            return Remedy("Reconnect", self.restart)
        broke = isinstance(error, EngineError) or not isinstance(error, LivecassiError)
        cause = error.__cause__ if isinstance(error, EngineFailedError) else error
        hopeless = isinstance(cause, EngineUnavailableError | EngineMismatchError)
        name = error.engine if isinstance(error, EngineFailedError) else self.engine_control.name
        if hopeless and self.engine_control.wanted_file(name):
            return Remedy(f"Options of {name}…", lambda: self.engine_control.open_options(name))
        if isinstance(error, EngineFailedError) and not hopeless and self.engine_control.can_try_again(error):
            failed = error.engine
            return Remedy(f"Try {failed} again", lambda: self.choose_engine(failed))
        if broke and not hopeless and not self._session.stats().engine:
            return Remedy("Start the engine again", lambda: self.choose_engine(self.engine_control.name))
        return None

    def _tell_note(self, error: Exception, note: str) -> None:
        self._tell(error, None, note)

    def _tell(self, error: Exception, remedy: Remedy | None = None, note: str = "") -> None:
        self.errors_told += 1
        log.error("%s: %s", type(error).__name__, error)
        self.errors.tell(error, remedy, note)

    def _report(self, error: Exception) -> str:
        return report_text(error, self._session.stats(), self._session.source.info, self.log_lines.last(REPORT_LINES))

    # ---- dialogs -------------------------------------------------------------------------------------------------

    def _ask_bench(self) -> None:
        dialog = BenchDialog(self)
        if dialog.exec():
            self._switch.open(dialog.request())
        dialog.deleteLater()

    def _ask_calibration(self) -> None:
        if self._switch.request is not None:
            self._switch.open(ask_calibration(self, self._switch.request))

    def _about(self) -> None:
        QMessageBox.about(
            self,
            "About livecassi",
            f"<h3>livecassi {version('livecassi')}</h3><p>Live hyperspectral video from coded-aperture snapshot "
            "spectral imagers.</p>",
        )

    # ---- closing and layout --------------------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Finish the recording and stop everything beside the window, then close."""
        if self._closed:
            super().closeEvent(event)
            return
        event.ignore()
        if self._closing:
            return
        self._closing = self._switch.closing = True
        self._timer.stop()
        self._layout.save()
        self.errors.forget_all()
        self.engine_control.close_options()
        self.wizard_control.close()
        self.versions_control.close()
        self.display.image.show_notice(self._notice(self._session.stats()))
        if self.record_control.recording:
            log.info("the window closes: finishing the recording in %s", self.record_control.last_folder)
        Background(self._session.close, self._on_closed, name="closing", parent=self, patience_s=CLOSING_PATIENCE_S)

    def _on_closed(self, _: None, error: Exception | None) -> None:
        if error is not None:
            log.error("closing: %s", error)
        self.versions_control.when_idle(self._on_stopped)

    def _on_stopped(self) -> None:
        self.log_lines.detach()
        self._closed = True
        self.close()
        self.closed.emit()
