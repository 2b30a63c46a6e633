"""What a fit leaves over on the tiles of the field, along and across the dispersion: it should look like noise."""

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QVBoxLayout, QWidget

from livecassi.app.windows.theme import ACCENT, AMBER, DIM, PANEL, dim_label
from livecassi.calibration.calibration import Array32

MIDDLE = "#353c4a"
EVEN_PX = 150  # both pictures alike
LEAST_PX = 0.1  # the colours span at least this much


class ResidualMap(QWidget):
    """Two small pictures with one scale, in px."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = pg.GraphicsLayoutWidget()
        self._layout.setBackground(PANEL)
        self._layout.ci.layout.setContentsMargins(4, 4, 4, 4)
        self._images = [self._add(column, title) for column, title in enumerate(("along", "across"))]
        for place in range(len(self._images)):
            self._layout.ci.layout.setColumnStretchFactor(place, 1)
            self._layout.ci.layout.setColumnPreferredWidth(place, EVEN_PX)
        colours = pg.ColorMap([0.0, 0.5, 1.0], [ACCENT, MIDDLE, AMBER])
        self._bar = pg.ColorBarItem(values=(-LEAST_PX, LEAST_PX), colorMap=colours, interactive=False, width=12)
        for side in ("left", "right"):
            self._bar.getAxis(side).setTextPen(pg.mkPen(DIM))
        self._bar.setImageItem(self._images)
        self._layout.addItem(self._bar, 0, 2)
        self.words = dim_label("Residual map: appears after the fit")
        self.setToolTip("What the fit leaves over on the tiles of the field, px: it should show no structure")
        self.setMinimumHeight(130)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.words)
        column.addWidget(self._layout, 1)

    def _add(self, column: int, title: str) -> pg.ImageItem:
        plot = self._layout.addPlot(0, column, title=title)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.hideAxis("left")
        plot.hideAxis("bottom")
        plot.invertY(True)
        plot.setAspectLocked(True)
        image = pg.ImageItem(axisOrder="row-major")
        plot.addItem(image)
        return image

    def show_residuals(self, residuals_px: Array32 | None) -> None:
        """`(2, P, Q)`: along and across."""
        if residuals_px is None or not residuals_px.size:
            for image in self._images:
                image.clear()
            self.words.setText("Residual map: appears after the fit")
            return
        reach = max(float(np.nanmax(np.abs(residuals_px))), LEAST_PX)
        for image, values in zip(self._images, residuals_px, strict=True):
            image.setImage(np.asarray(values), autoLevels=False, levels=(-reach, reach))
        self._bar.setLevels((-reach, reach))
        rms = [float(np.sqrt(np.nanmean(values**2))) for values in residuals_px]
        self.words.setText(f"Residual map: {rms[0]:.3f} px along, {rms[1]:.3f} px across, rms")
