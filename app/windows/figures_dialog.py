"""The figures of one calibration, as `livecassi calibrate inspect` draws them: one tab each."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QDialog, QTabWidget, QVBoxLayout, QWidget

from livecassi.app.windows.versions_look import VERSIONS_STYLE
from livecassi.calibration import Calibration


class Figure(QWidget):
    """One picture on white, as large as there is room."""

    def __init__(self, picture: QPixmap) -> None:
        super().__init__()
        self._picture = picture

    def sizeHint(self) -> QSize:  # noqa: N802
        """As it was drawn."""
        return self._picture.size()

    def paintEvent(self, _: QPaintEvent) -> None:  # noqa: N802
        """Fit the picture into the tab."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.white)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self._picture.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        painter.drawPixmap(left, top, size.width(), size.height(), self._picture)
        painter.end()


class FiguresDialog(QDialog):
    """`figures` are PNGs by name, see `draw_figures`."""

    def __init__(self, title: str, figures: Mapping[str, bytes], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setStyleSheet(VERSIONS_STYLE)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        for name, png in figures.items():
            picture = QPixmap()
            picture.loadFromData(png, "PNG")
            self.tabs.addTab(Figure(picture), name.capitalize())
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 10, 14, 14)
        column.addWidget(self.tabs)
        self.resize(1040, 740)


def draw_figures(calibration: Calibration) -> dict[str, bytes]:
    """Every figure as PNG by name; takes a second or two and no Qt. Raises `CalibrationError` on a full disk."""
    from livecassi.app.calibration_plots import save_plots

    with TemporaryDirectory() as folder:
        return {path.stem: path.read_bytes() for path in save_plots(calibration, Path(folder))}
