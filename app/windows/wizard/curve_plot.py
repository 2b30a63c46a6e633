"""The dispersion curve with its band of one and two standard errors, the lines on it, and what they leave over."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from livecassi.app.windows.theme import ACCENT, AMBER, DIM, LINE, PANEL, TEXT
from livecassi.app.windows.wizard.quick_curve import LineFigures
from livecassi.calibration.fitting.curve import Curve

SAMPLES = 160
SMALLEST_RESIDUAL_PX = 0.12


class CurvePlot(QWidget):
    """Above: shift over wavelength. Below: residuals with their errors, and the band of the curve about zero."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = pg.GraphicsLayoutWidget()
        self._layout.setBackground(PANEL)
        self._above = self._plot(0, "Shift (px)")
        self._below = self._plot(1, "Residual (px)")
        self._below.setXLink(self._above)
        self._below.setLabel("bottom", "Wavelength (nm)", color=DIM)
        self._layout.ci.layout.setRowStretchFactor(0, 3)
        self._layout.ci.layout.setRowStretchFactor(1, 2)
        for plot in (self._above, self._below):
            plot.getAxis("left").setWidth(52)
        self._curve = self._above.plot(pen=pg.mkPen(ACCENT, width=2))
        self._points = self._above.plot(pen=None, symbol="o", symbolSize=8, symbolBrush=TEXT, symbolPen=DIM)
        self._bands = [self._band(90), self._band(45)]
        self._zero = pg.InfiniteLine(0, angle=0, pen=pg.mkPen(LINE, width=1))
        self._below.addItem(self._zero)
        self._errors = pg.ErrorBarItem(x=np.zeros(0), y=np.zeros(0), height=np.zeros(0), pen=pg.mkPen(TEXT))
        self._below.addItem(self._errors)
        self._residuals = self._below.plot(pen=None, symbol="o", symbolSize=7, symbolBrush=TEXT, symbolPen=DIM)
        self._left_out = self._below.plot(pen=None, symbol="x", symbolSize=9, symbolBrush=AMBER, symbolPen=AMBER)
        self.setMinimumHeight(170)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._layout)
        self.setToolTip("Dots: lines. Shaded: one and two standard errors of the curve. Crosses: each line left out.")

    def _plot(self, row: int, text: str) -> pg.PlotItem:
        plot = self._layout.addPlot(row, 0)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.showGrid(x=True, y=True, alpha=0.12)
        for side in ("bottom", "left"):
            axis = plot.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(pg.mkPen(DIM))
            axis.setTextPen(pg.mkPen(DIM))
        plot.setLabel("left", text, color=DIM)
        return plot

    def _band(self, alpha: int) -> tuple[pg.PlotDataItem, pg.PlotDataItem, pg.FillBetweenItem]:
        colour = QColor(ACCENT)
        colour.setAlpha(alpha)
        low, high = pg.PlotDataItem(), pg.PlotDataItem()
        fill = pg.FillBetweenItem(low, high, brush=pg.mkBrush(colour))
        for item in (low, high):
            item.setPen(None)
            self._below.addItem(item)
        self._below.addItem(fill)
        return low, high, fill

    def show_lines(self, lines: Sequence[LineFigures], curve: Curve | None, planned_nm: Sequence[float] = ()) -> None:
        """Draw the lines, and the curve where there is one; `planned_nm` gives the axis before there are any."""
        nm = np.array([line.line.wavelength_nm for line in lines])
        self._points.setData(nm, np.array([line.shift_px for line in lines]))
        known = [line for line in lines if line.residual_px is not None]
        x = np.array([line.line.wavelength_nm for line in known])
        y = np.array([line.residual_px or 0.0 for line in known])
        self._residuals.setData(x, y)
        self._errors.setData(x=x, y=y, height=2 * np.array([line.sigma_px for line in known]))
        out = [line for line in lines if line.left_out_px is not None]
        self._left_out.setData([line.line.wavelength_nm for line in out], [line.left_out_px or 0.0 for line in out])
        self._draw_curve(curve, nm, planned_nm)
        shown = np.concatenate([y, [line.left_out_px or 0.0 for line in out]])
        reach = max(1.25 * float(np.abs(shown).max(initial=0.0)), SMALLEST_RESIDUAL_PX)
        self._below.setYRange(-reach, reach, padding=0)

    def _draw_curve(self, curve: Curve | None, nm: NDArray[np.float64], planned_nm: Sequence[float]) -> None:
        if curve is None or not len(nm):
            span = [*planned_nm, *nm] or [450.0, 650.0]
            self._above.setXRange(min(span) - 10, max(span) + 10, padding=0)
            self._curve.setData([], [])
            for low, high, _ in self._bands:
                low.setData([], [])
                high.setData([], [])
            return
        margin = 0.04 * (nm.max() - nm.min()) + 1
        grid = np.linspace(nm.min() - margin, nm.max() + margin, SAMPLES)
        sigma = curve.sigma_px(grid)
        self._curve.setData(grid, curve.shift_px(grid))
        for count, (low, high, _) in enumerate(self._bands, 1):
            low.setData(grid, -count * sigma)
            high.setData(grid, count * sigma)
        self._above.setXRange(grid[0], grid[-1], padding=0)
