"""The status bar: three rates told apart, what was lost, dropped or replaced, the queue, and the engine."""

from PySide6.QtWidgets import QHBoxLayout, QLabel, QStatusBar, QWidget

from livecassi.app.session import SessionStats
from livecassi.app.windows.theme import AMBER, TEXT, dim_label, tabular
from livecassi.app.wording import weights_words


class Reading(QWidget):
    """A dim caption and a number."""

    def __init__(self, caption: str, hint: str, widest: str) -> None:
        super().__init__()
        self._value = QLabel()
        tabular(self._value)
        self._value.setMinimumWidth(self._value.fontMetrics().horizontalAdvance(widest))
        self._alarm = False
        self.setToolTip(hint)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 4, 0)
        row.setSpacing(6)
        row.addWidget(dim_label(caption))
        row.addWidget(self._value)

    @property
    def text(self) -> str:
        """The number as shown."""
        return self._value.text()

    def show_text(self, text: str, alarm: bool = False) -> None:
        """Write the number; amber where the operator should look."""
        if text != self._value.text():
            self._value.setText(text)
        if alarm != self._alarm:
            self._alarm = alarm
            self._value.setStyleSheet(f"color: {AMBER if alarm else TEXT}; font-weight: {600 if alarm else 400};")


class StatusReadings:
    """The readings of a status bar."""

    def __init__(self, bar: QStatusBar) -> None:
        self.camera = Reading("camera", "Frames per second that the source delivers", "000.0 Hz")
        self.reconstruction = Reading(
            "reconstruction", "Cubes per second that the engine makes, and the time for one", "000.0 Hz  0000 ms"
        )
        self.display = Reading("display", "New pictures per second on the screen", "00.0 Hz")
        self.lost = Reading(
            "lost", "Frames that never arrived from the camera (gaps in its count): look at cable and bandwidth", "0000"
        )
        self.dropped = Reading("dropped", "Frames that arrived but could not be kept: the disk was too slow", "0000")
        self.replaced = Reading(
            "replaced", "Frames that the screen skipped because a newer one came; a recording keeps them", "000000"
        )
        self.queue = Reading("queue", "Frames that wait for the disk, of the most that may wait", "00 / 000")
        self.engine = Reading("engine", "What makes the cubes", "preparing…")
        for reading in (self.camera, self.reconstruction, self.display, self.lost, self.dropped, self.replaced):
            bar.addWidget(reading)
        bar.addPermanentWidget(self.queue)
        bar.addPermanentWidget(self.engine)
        bar.setSizeGripEnabled(False)

    def show_stats(self, stats: SessionStats, display_hz: float, recording: bool) -> None:
        """Write every reading."""
        self.camera.show_text(f"{stats.camera_hz:.1f} Hz")
        per_cube = f"  {stats.reconstruct_ms:.0f} ms" if stats.reconstruct_ms else ""
        self.reconstruction.show_text(f"{stats.reconstruction_hz:.1f} Hz{per_cube}")
        self.display.show_text(f"{display_hz:.1f} Hz")
        self.lost.show_text(str(stats.lost), alarm=stats.lost > 0)
        dropped = stats.recorder.dropped if stats.recorder is not None else 0
        self.dropped.show_text(str(dropped), alarm=dropped > 0)
        self.replaced.show_text(str(stats.replaced))
        self.queue.setVisible(recording and stats.recorder is not None)
        if stats.recorder is not None:
            fill, size = stats.recorder.queue_fill, stats.recorder.queue_frames
            self.queue.show_text(f"{fill} / {size}", alarm=fill > size // 2)
        self._show_engine(stats)

    def _show_engine(self, stats: SessionStats) -> None:
        if stats.building:
            self.engine.show_text(f"preparing {stats.building}…")
            return
        info = stats.present_engine
        _, caution = weights_words(info) if info is not None else ("", "")
        name = stats.engine or "none"
        self.engine.show_text(f"{name}, {caution}" if caution else name, alarm=bool(caution))
