"""The live picture of a page: levels, saturated pixels in red, how full the sensor is, and a histogram on demand."""

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from livecassi.app.calibrating.feed import Feed
from livecassi.app.levels import AutoLevels, robust_levels, thinned
from livecassi.app.pictures import Picture
from livecassi.app.windows.image_view import ImageView
from livecassi.app.windows.theme import ACCENT, DIM, PANEL, RED, TEXT, dim_label, tabular
from livecassi.drivers import Frame

SATURATED_LIMIT = 1e-4  # of all pixels (specification: 0.01 %)
BRIGHT_PERCENTILE = 99.9
BINS = 128


class LivePanel(QWidget):
    """Shows the newest frame whenever `show_frame` is called; measures what every page tells about it."""

    def __init__(self, histogram: bool = False) -> None:
        super().__init__()
        self.image = ImageView()
        self.image.setMinimumSize(240, 160)
        self._auto = AutoLevels()
        self._frame: Frame | None = None
        self.saturated, self.bright = QLabel(), dim_label()
        tabular(self.saturated)
        self.overlay = QCheckBox("Mark them")
        self.overlay.setChecked(True)
        self.overlay.setToolTip("Show saturated pixels in red")
        row = QHBoxLayout()
        row.setSpacing(8)
        figures = QVBoxLayout()
        figures.setSpacing(2)
        figures.addWidget(self.saturated)
        figures.addWidget(self.bright)
        row.addLayout(figures, 1)
        row.addWidget(self.overlay)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.image, 1)
        column.addLayout(row)
        self.histogram = Histogram() if histogram else None
        if self.histogram is not None:
            column.addWidget(self.histogram)
        self._say(None)

    @property
    def frame(self) -> Frame | None:
        """What is on the screen."""
        return self._frame

    def show_frame(self, frame: Frame | None, problem: str = "") -> None:
        """Show a frame; `problem` stands over the picture where no frames come."""
        self.image.show_notice(problem or ("" if frame is not None else "Waiting for the first frame…"))
        if frame is None or frame is self._frame:
            return
        self._frame = frame
        levels = self._auto.follow(frame.shape, lambda: robust_levels(frame.pixels))
        self.image.show_picture(Picture(frame.pixels, levels, False))
        marked = (frame.pixels >= frame.full_scale).view(np.uint8) if frame.bit_depth else None
        self.image.show_saturation(marked if self.overlay.isChecked() else None)
        self._say(frame)
        if self.histogram is not None:
            self.histogram.show_frame(frame)

    def follow(self, feed: Feed) -> None:
        """Show the newest frame of a feed, or that none comes."""
        self.show_frame(feed.newest, "" if feed.running else "No frames: the camera is not connected")

    def _say(self, frame: Frame | None) -> None:
        if frame is None:
            self.saturated.setText("saturated –")
            self.bright.setText("")
            return
        share = frame.saturated_fraction() or 0.0
        self.saturated.setText(f"saturated {100 * share:.3g} % (at most {100 * SATURATED_LIMIT:g})")
        over = share > SATURATED_LIMIT
        self.saturated.setStyleSheet(f"color: {RED if over else TEXT}; font-weight: {600 if over else 400};")
        self.bright.setText(f"brightest {100 * brightness(frame):.0f} % of full scale")


class Histogram(QWidget):
    """How many pixels have which value; the number axis is logarithmic."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(120)
        self._plot = pg.PlotWidget(background=PANEL)
        item = self._plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        axis = item.getAxis("bottom")
        axis.enableAutoSIPrefix(False)
        axis.setLabel("Value (% of full scale); pixels, logarithmic", color=DIM)
        for side in ("bottom", "left"):
            item.getAxis(side).setPen(pg.mkPen(DIM))
            item.getAxis(side).setTextPen(pg.mkPen(DIM))
        item.hideAxis("left")
        item.setXRange(0, 100, padding=0.01)
        self._curve = item.plot(stepMode="center", fillLevel=0, brush=pg.mkBrush(ACCENT), pen=pg.mkPen(ACCENT))
        full = pg.InfiniteLine(100, pen=pg.mkPen(RED, width=1.5, style=Qt.PenStyle.DashLine))
        item.addItem(full)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._plot)

    def show_frame(self, frame: Frame) -> None:
        """Count all pixels of a frame."""
        counts, edges = np.histogram(frame.pixels, BINS, (0.0, frame.full_scale))
        self._curve.setData(edges * (100 / frame.full_scale), np.log10(1.0 + counts))


def brightness(frame: Frame) -> float:
    """What the brightest 0.1 % of the pixels reach, of full scale."""
    return float(np.percentile(np.asarray(thinned(frame.pixels), np.float32), BRIGHT_PERCENTILE)) / frame.full_scale
