"""The Fit button, its progress, and giving up."""

from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from livecassi.app.windows.wizard.fitting import Fitting


class FitBar(QWidget):
    """Runs a fit and says how far it is."""

    def __init__(self, fitting: Fitting) -> None:
        super().__init__()
        self._fitting = fitting
        self.fit, self.cancel = QPushButton("Fit"), QPushButton("Cancel")
        self.fit.setObjectName("capture")
        self.fit.clicked.connect(fitting.start)
        self.cancel.clicked.connect(fitting.cancel)
        self.progress = QProgressBar()
        self.progress.setRange(0, 100)
        self.progress.setFixedHeight(20)
        self.words = QLabel()
        self.words.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.fit, 1)
        row.addWidget(self.cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(row)
        column.addWidget(self.progress)
        column.addWidget(self.words)

    def show_state(self, possible: bool) -> None:
        """What can be pressed, and what came of the last fit."""
        fitting = self._fitting
        lacking = fitting.lacking if possible else ""
        self.fit.setEnabled(possible and not fitting.busy and not lacking)
        self.fit.setText("Fit again" if fitting.current else "Fit")
        self.cancel.setVisible(fitting.busy)
        self.progress.setVisible(fitting.busy)
        if fitting.busy:
            words = ""
        elif lacking:
            words = f"For a fit there is still missing: {lacking}."
        elif fitting.error is not None:
            words = str(fitting.error)
        elif fitting.fitted is not None and not fitting.current:
            words = "Captures or plan have changed since the last fit."
        else:
            words = ""
        self.words.setText(words)
        self.words.setVisible(bool(words))
        self.tick()

    def tick(self) -> None:
        """How far the fit is."""
        if self._fitting.busy:
            self.progress.setValue(round(100 * self._fitting.share))
            self.progress.setFormat(f"{self._fitting.what} %p %")
