"""Recording from the window: start, stop without freezing the picture, and notice when it ended by itself."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QObject

from livecassi.app.recording import RecorderStats, RecordingError
from livecassi.app.session import Session, SessionState, SessionStats
from livecassi.app.windows.background import Background
from livecassi.app.windows.recording_panel import RecordingPanel, new_recording_folder
from livecassi.app.wording import bytes_text
from livecassi.drivers import LivecassiError

log = logging.getLogger(__name__)


class RecordingControl(QObject):
    """Between the recording panel and the session. `tell(error, note)` shows an error."""

    def __init__(
        self, session: Session, panel: RecordingPanel, tell: Callable[[Exception, str], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self.session = session
        self._panel, self._tell = panel, tell
        self._folder: Path | None = None
        self._last_folder: Path | None = None
        self._stopping = False
        panel.record_pressed.connect(self.toggle)

    @property
    def recording(self) -> bool:
        """Whether a recording runs or is being closed."""
        return self._folder is not None

    @property
    def last_folder(self) -> Path | None:
        """The newest recording's folder."""
        return self._last_folder

    def toggle(self) -> None:
        """Start a recording, or stop the running one."""
        if self._stopping:
            return
        if self.recording:
            self.stop()
        else:
            self.start()

    def start(self) -> None:
        """Record every frame from now on into a new folder."""
        folder = new_recording_folder(self._panel.destination, self.session.source.info.kind, datetime.now())
        try:
            if self.session.stats().state not in (SessionState.RUNNING, SessionState.PAUSED):
                raise RecordingError("there is nothing to record, no frames are coming; start the source, then record")
            _make(folder.parent)
            self.session.start_recording(folder, self._panel.options())
        except LivecassiError as error:
            self._panel.show_stopped()
            self._tell(error, "")
            return
        self._folder = self._last_folder = folder
        log.info("recording into %s", folder)
        self._panel.show_started()

    def stop(self) -> None:
        """Write what is queued and close the files; the picture goes on meanwhile."""
        if not self.recording or self._stopping:
            return
        self._stopping = True
        self._panel.show_stopping()
        Background(self.session.stop_recording, self._on_stopped, name="finishing", parent=self)

    def _on_stopped(self, stats: RecorderStats | None, error: Exception | None) -> None:
        self._stopping = False
        if error is not None:
            self._tell(error, "")
        self._conclude(stats or self.session.stats().recorder)

    def _conclude(self, stats: RecorderStats | None) -> None:
        folder, self._folder = self._folder, None
        if folder is None:
            return
        text = folder.name
        if stats is not None:
            text += f"\n{stats.frames_written} frames, {bytes_text(stats.bytes_written)}"
            if stats.dropped or stats.lost:
                text += f"; {stats.dropped} dropped, {stats.lost} lost"
        log.info("recording closed: %s", text.replace("\n", ": "))
        self._panel.show_stopped(f"Saved {text}")

    def watch(self, stats: SessionStats) -> None:
        """Show the counters, and what the session or the disk ended; called some times a second."""
        if self.recording and not self._stopping:
            if stats.recorder is not None and stats.recorder.error:
                self._tell(RecordingError(stats.recorder.error), f"What was written is in {self._folder}")
                self.stop()
            elif not self.session.recording:
                self._conclude(stats.recorder)
        self._panel.show_counters(stats.recorder if self.recording else None, self._bytes_per_s(stats))

    def note_of_loss(self) -> str:
        """What to tell about the recording when the source vanished."""
        return f"The recording was closed and is safe in {self._folder}" if self._folder is not None else ""

    def _bytes_per_s(self, stats: SessionStats) -> float | None:
        if not stats.camera_hz:
            return None
        info, calibration = self.session.source.info, self.session.calibration
        per_s = stats.camera_hz * info.frame_shape[0] * info.frame_shape[1] * (1 if info.bit_depth == 8 else 2)
        if self._panel.options().cubes:
            bands, height, width = calibration.cube_shape
            per_s += stats.reconstruction_hz * bands * height * width * 2
        return per_s


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"the folder for recordings {folder} cannot be made ({error.strerror}); choose another with Change…"
        ) from error
