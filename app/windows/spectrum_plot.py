"""The spectra of the pins and of the pixel under the pointer, over wavelength."""

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtWidgets import QGraphicsItem, QVBoxLayout, QWidget

from livecassi.app.picks import PICK_COLOURS, nearest_band
from livecassi.app.windows.theme import ACCENT, DIM, PANEL, TEXT

Spectrum = NDArray[np.float32]
SHRINK_BELOW = 0.55  # the axis shrinks only where the spectra fill less than this share of it


class SpectrumPlot(QWidget):
    """Curves over nanometres, and a line at the chosen band that can be dragged."""

    band_chosen = Signal(int)

    def __init__(self, wavelengths_nm: Spectrum) -> None:
        super().__init__()
        self._wavelengths_nm = wavelengths_nm
        self._band = 0
        self._top, self._bottom = 1.0, 0.0
        self._plot = pg.PlotWidget(background=PANEL)
        item = self._plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.showGrid(x=True, y=True, alpha=0.12)
        for side, text in (("bottom", "Wavelength (nm)"), ("left", "Value (relative)")):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(pg.mkPen(DIM, width=1))
            axis.setTextPen(pg.mkPen(DIM))
            axis.setLabel(text, color=DIM)
            axis.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)  # curves move, the axes seldom do
        item.getAxis("left").setWidth(58)
        self._curves: dict[int, pg.PlotDataItem] = {}
        self._hover = item.plot(pen=pg.mkPen(TEXT, width=1, style=Qt.PenStyle.DashLine), antialias=True)
        self._hover.hide()
        self._line = pg.InfiniteLine(
            angle=90,
            movable=True,
            pen=pg.mkPen(ACCENT, width=1.5),
            hoverPen=pg.mkPen(ACCENT, width=3),
            label="{value:.0f} nm",
            labelOpts={"position": 0.96, "color": ACCENT, "movable": False, "fill": pg.mkBrush(PANEL)},
        )
        item.addItem(self._line)
        self._line.sigDragged.connect(self._on_dragged)
        self._line.sigPositionChangeFinished.connect(lambda: self.show_band(self._band))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 8, 4)
        layout.addWidget(self._plot)
        self.set_wavelengths(wavelengths_nm)

    def set_wavelengths(self, wavelengths_nm: Spectrum) -> None:
        """Another set of bands: the curves are emptied."""
        self._wavelengths_nm = wavelengths_nm
        first, last = float(wavelengths_nm[0]), float(wavelengths_nm[-1])
        margin = max(0.03 * (last - first), 1.0)
        self._plot.setXRange(first - margin, last + margin, padding=0)
        self._line.setBounds((first, last))
        for curve in self._curves.values():
            curve.setData([], [])
        self._scale(0.0, 1.0)

    def show_band(self, band: int) -> None:
        """Put the line at the centre of a band."""
        self._band = band
        self._line.setValue(float(self._wavelengths_nm[band]))

    def show_spectra(self, spectra: Mapping[int, Spectrum], hover: Spectrum | None) -> None:
        """Draw the spectra `(C,)` by pin number, and that under the pointer."""
        for number in set(self._curves) - set(spectra):
            self._plot.removeItem(self._curves.pop(number))
        for number, spectrum in spectra.items():
            if number not in self._curves:
                pen = pg.mkPen(PICK_COLOURS[number - 1], width=2)
                self._curves[number] = self._plot.plot(pen=pen, antialias=True)
            self._curves[number].setData(self._wavelengths_nm, spectrum)
        if hover is not None:
            self._hover.setData(self._wavelengths_nm, hover)
        self._hover.setVisible(hover is not None)
        shown = [*spectra.values(), *([hover] if hover is not None else [])]
        if shown:
            self._follow(float(min(s.min() for s in shown)), float(max(s.max() for s in shown)))

    def curve(self, number: int) -> tuple[Spectrum, Spectrum]:
        """Wavelengths and values of the curve of a pin. Raises `KeyError`."""
        wavelengths, values = self._curves[number].getData()
        return wavelengths, values

    def place_of(self, wavelength_nm: float) -> QPoint:
        """A place on the screen at a wavelength, halfway up, in the coordinates of `surface`."""
        box = self._plot.getPlotItem().getViewBox()
        point: QPoint = self._plot.mapFromScene(
            box.mapViewToScene(QPointF(wavelength_nm, (self._bottom + self._top) / 2))
        )
        return point

    @property
    def surface(self) -> QWidget:
        """The widget that receives the mouse."""
        surface: QWidget = self._plot.viewport()
        return surface

    @property
    def curve_numbers(self) -> list[int]:
        """The pins that have a curve."""
        return sorted(self._curves)

    def _follow(self, low: float, high: float) -> None:
        if not (np.isfinite(low) and np.isfinite(high)):
            return
        low = min(low, 0.0)
        span = self._top - self._bottom
        if high > self._top or low < self._bottom or high - low < SHRINK_BELOW * span:
            self._scale(low, max(high, low + 1e-6))

    def _scale(self, low: float, high: float) -> None:
        margin = 0.12 * (high - low)
        self._bottom, self._top = low - (margin if low < 0 else 0.0), high + margin
        self._plot.setYRange(self._bottom, self._top, padding=0)

    def _on_dragged(self) -> None:
        band = nearest_band(self._wavelengths_nm, float(self._line.value()))
        if band != self._band:
            self._band = band
            self.band_chosen.emit(band)
