"""The Capture button of a page, a button for all that is missing, and the progress of what is being captured."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.titles import title_of


class CaptureBar(QWidget):
    """Shows and asks; the page decides what is captured."""

    capture_pressed = Signal()
    all_pressed = Signal()

    def __init__(self, capturing: Capturing) -> None:
        super().__init__()
        self._capturing = capturing
        self.capture, self.all, self.stop = QPushButton("Capture"), QPushButton("All"), QPushButton("Stop")
        self.capture.setObjectName("capture")
        self.capture.clicked.connect(self.capture_pressed)
        self.all.clicked.connect(self.all_pressed)
        self.stop.clicked.connect(capturing.cancel)
        self.stop.setToolTip("Give up this capture; those before it stay")
        self.progress = QProgressBar()
        self.progress.setTextVisible(True)
        self.progress.setFixedHeight(20)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.capture, 1)
        row.addWidget(self.all)
        row.addWidget(self.stop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(row)
        column.addWidget(self.progress)
        self.show_state("", 0, False)

    def show_state(self, title: str, missing: int, possible: bool, nothing: str = "All captured") -> None:
        """`title` of the next capture (empty: none is missing, and `nothing` says why), how many are missing, and
        whether one can be taken."""
        busy = self._capturing.step is not None
        self.capture.setText(f"Capture {title}" if title else nothing)
        self.capture.setEnabled(bool(title) and possible and not self._capturing.busy)
        self.all.setText(f"Capture all {missing}")
        self.all.setVisible(missing > 1)
        self.all.setEnabled(possible and not self._capturing.busy)
        self.stop.setVisible(busy)
        self.tick()

    def tick(self) -> None:
        """Show how far the present capture is."""
        step = self._capturing.step
        self.progress.setVisible(step is not None)
        if step is None:
            return
        self.progress.setRange(0, step.frames)
        self.progress.setValue(self._capturing.frames_done)
        several = self._capturing.steps_wanted > 1
        place = f" ({self._capturing.steps_done + 1} of {self._capturing.steps_wanted})" if several else ""
        self.progress.setFormat(f"{title_of(step)}{place}: %v of %m frames")
