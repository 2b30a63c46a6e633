"""White: even light with the mask out, at several exposures: uniformity, saturation, and how level follows exposure."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QVBoxLayout, QWidget

from livecassi.app.windows.theme import ACCENT, DIM, PANEL, TEXT
from livecassi.app.windows.wizard.capture_page import CapturePage
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.desk import Desk
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check

UNEVEN_PERCENT, UNEVEN_FAIL_PERCENT = 30.0, 60.0  # of the middle of the field; vignetting belongs to it
TILES = 8


class WhitePage(CapturePage):
    """The flats, and below the table what the series of exposures shows."""

    def __init__(self, desk: Desk, capturing: Capturing) -> None:
        self.series = SeriesPlot()
        super().__init__(
            desk, capturing, "White", "White: even light, mask out", CaptureKind.FLAT, CaptureKind.CHART, one_state=True
        )

    def fill_side(self, column: QVBoxLayout) -> None:
        """The plot comes last."""
        super().fill_side(column)
        column.addWidget(self.series)

    def checks(self) -> Sequence[Check]:
        """Also how even the light is."""
        flats = self.desk.captures(CaptureKind.FLAT)
        return [*super().checks(), *(_uneven(flat, self._dark_level) for flat in flats[-1:])]

    def refresh(self) -> None:
        """The series too."""
        super().refresh()
        self.series.show_flats(self.desk.captures(CaptureKind.FLAT), self._dark_level)

    @property
    def _dark_level(self) -> float:
        darks = self.desk.captures(CaptureKind.DARK)
        return float(darks[-1].mean.mean()) if darks else 0.0


def _uneven(flat: Capture, dark_level: float) -> Check:
    """How much the light falls off over the middle half of the columns and all rows, where every band arrives."""
    width = flat.shape[1]
    middle = flat.mean[:, width // 4 : width - width // 4] - dark_level
    rows, columns = middle.shape[0] // TILES * TILES, middle.shape[1] // TILES * TILES
    tiles = middle[:rows, :columns].reshape(TILES, rows // TILES, TILES, columns // TILES).mean(axis=(1, 3))
    return Check(
        name="fall-off over the field",
        value=float(100 * (1 - tiles.min() / max(tiles.max(), 1e-9))),
        unit="%",
        limit=UNEVEN_PERCENT,
        fail_limit=UNEVEN_FAIL_PERCENT,
        advice="light the target more evenly, or look for something that stands in the beam",
    )


class SeriesPlot(QWidget):
    """Level over exposure: a straight line where the sensor is linear."""

    def __init__(self) -> None:
        super().__init__()
        self._plot = pg.PlotWidget(background=PANEL)
        item = self._plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.showGrid(x=True, y=True, alpha=0.12)
        for side, text in (("bottom", "Exposure (ms)"), ("left", "Level (%)")):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(pg.mkPen(DIM))
            axis.setTextPen(pg.mkPen(DIM))
            axis.setLabel(text, color=DIM)
        self._line = item.plot(pen=pg.mkPen(ACCENT, width=1.5))
        self._points = item.plot(pen=None, symbol="o", symbolSize=8, symbolBrush=TEXT, symbolPen=DIM)
        item.setXRange(0, 10)
        item.setYRange(0, 100, padding=0)
        self.setFixedHeight(150)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._plot)

    def show_flats(self, flats: Sequence[Capture], dark_level: float) -> None:
        """Draw the level of every flat above dark, and the line through zero that fits them."""
        exposures = np.array([flat.exposure_us / 1000 for flat in flats])
        levels = np.array([100 * (float(f.mean.mean()) - dark_level) / f.full_scale for f in flats])
        self._points.setData(exposures, levels)
        if not len(flats):
            self._line.setData([], [])
            return
        longest = 1.1 * float(exposures.max())
        slope = float(exposures @ levels) / max(float(exposures @ exposures), 1e-12)
        self._line.setData([0.0, longest], [0.0, slope * longest])
        self._plot.setXRange(0, longest, padding=0)
        self._plot.setYRange(0, max(1.15 * float(levels.max()), 5.0), padding=0)
