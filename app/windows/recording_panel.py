"""The record button, where recordings go, how large they are and how long the disk lasts."""

import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from livecassi.app.recording import RecorderStats, RecordingOptions
from livecassi.app.windows.theme import as_panel, dim_label, section_label, tabular
from livecassi.app.wording import bytes_text, clock_text, duration_text


def new_recording_folder(parent: Path, kind: str, now: datetime) -> Path:
    """A folder name that is not in use: date, time and kind of the source."""
    base = f"{now:%Y-%m-%d_%H-%M-%S}_{kind}"
    folder, count = parent / base, 1
    while folder.exists():
        count += 1
        folder = parent / f"{base}_{count}"
    return folder


def free_bytes(folder: Path) -> int | None:
    """Free space of the disk that `folder` lies on or will lie on; None where that cannot be told."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


class RecordingPanel(QWidget):
    """Shows and asks; the window does the recording."""

    record_pressed = Signal()

    def __init__(self, destination: Path, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        as_panel(self)
        self._clock_s = clock_s
        self._started_s: float | None = None
        self.destination = destination
        self.button = QPushButton()
        self.button.setObjectName("record")
        self.button.setCheckable(True)
        self.button.clicked.connect(self.record_pressed)
        tabular(self.button)
        self._path = QLabel()
        self._path.setMinimumWidth(40)
        choose = QPushButton("Change…")
        choose.setToolTip("Choose the folder that new recordings go into")
        choose.clicked.connect(self._choose)
        self.cubes = QCheckBox("Also keep cubes")
        self.cubes.setToolTip("Raw frames are always kept; this keeps the reconstructed cubes (float16) too")
        self._size, self._disk, self._saved = dim_label(), dim_label(), dim_label()
        self._saved.setWordWrap(True)
        self._saved.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._saved.hide()
        row = QHBoxLayout()
        row.addWidget(self._path, 1)
        row.addWidget(choose)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(section_label("Recording"))
        column.addWidget(self.button)
        column.addLayout(row)
        for widget in (self.cubes, self._size, self._disk, self._saved):
            column.addWidget(widget)
        self.show_stopped()
        self._show_path()

    def options(self) -> RecordingOptions:
        """What is chosen for the next recording."""
        return RecordingOptions(cubes=self.cubes.isChecked())

    def show_started(self) -> None:
        """A recording runs."""
        self._started_s = self._clock_s()
        self._saved.hide()
        self.cubes.setEnabled(False)
        self.button.setChecked(True)
        self.button.setToolTip("Stop and close the recording (R)")
        self.show_counters(None, None)

    def show_stopping(self) -> None:
        """What is queued is being written."""
        self.button.setEnabled(False)
        self.button.setText("Finishing…")

    def show_stopped(self, saved: str = "") -> None:
        """No recording runs; `saved` says where the last one is."""
        self._started_s = None
        self.cubes.setEnabled(True)
        self.button.setEnabled(True)
        self.button.setChecked(False)
        self.button.setText("●  Record")
        self.button.setToolTip("Keep every raw frame from now on (R)")
        self._size.setText("")
        self._size.hide()
        self._saved.setText(saved)
        self._saved.setVisible(bool(saved))

    def show_counters(self, stats: RecorderStats | None, bytes_per_s: float | None) -> None:
        """The running recording, or how long the disk would last at `bytes_per_s`."""
        free = free_bytes(self.destination)
        left_s = free / bytes_per_s if free is not None and bytes_per_s else None
        if self._started_s is not None and self.button.isEnabled():
            self.button.setText(f"■  Stop   {clock_text(self._clock_s() - self._started_s)}")
            if stats is not None:
                self._size.setText(f"{bytes_text(stats.bytes_written)} · {stats.frames_written} frames")
                self._size.show()
                free, left_s = stats.free_bytes, stats.seconds_left if stats.seconds_left is not None else left_s
        disk = "disk unknown" if free is None else f"{bytes_text(free)} free"
        if left_s is not None:
            disk += f" · {duration_text(left_s)} left"
        self._disk.setText(disk)
        self._disk.setToolTip("Free space at the destination and how long it lasts at the present rate")

    def _choose(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for new recordings", str(self.destination))
        if chosen:
            self.destination = Path(chosen)
            self._show_path()

    def _show_path(self) -> None:
        text = str(self.destination)
        self._path.setToolTip(text)
        width = max(self._path.width(), 60)
        self._path.setText(self._path.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, width))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Keeps the shortened path fitting."""
        super().resizeEvent(event)
        self._show_path()
