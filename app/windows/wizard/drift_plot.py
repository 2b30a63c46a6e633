"""Warm-up: the level of the live picture over time, how fast it drifts, and the camera's temperature."""

from collections import deque

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtWidgets import QVBoxLayout, QWidget

from livecassi.app.levels import thinned
from livecassi.app.windows.theme import ACCENT, DIM, PANEL
from livecassi.calibration.checks import Check
from livecassi.drivers import Frame

LONGEST = 2400  # readings: ten minutes at four a second
LEAST = 8
LEVEL_PERCENT, LEVEL_FAIL_PERCENT = 1.0, 5.0  # change of the level over a minute
TEMPERATURE_C, TEMPERATURE_FAIL_C = 0.5, 3.0  # change over a minute
WINDOW_S = 60.0


class Warmth:
    """Readings `(time_s, mean level in %, temperature)` of the live picture."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, float, float]] = deque(maxlen=LONGEST)

    def add(self, now_s: float, frame: Frame) -> None:
        """Read a frame."""
        level = 100 * float(thinned(frame.pixels).mean()) / frame.full_scale
        temperature = frame.temperature_c if frame.temperature_c is not None else float("nan")
        self._readings.append((now_s, level, temperature))

    def forget(self) -> None:
        """The camera was set anew: earlier readings tell nothing."""
        self._readings.clear()

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Seconds before now, and level in per cent of full scale."""
        readings = np.array(self._readings, np.float64).reshape(-1, 3)
        return readings[:, 0] - (readings[-1, 0] if len(readings) else 0.0), readings[:, 1]

    def checks(self) -> tuple[Check, ...]:
        """How much the level, and the temperature where the camera tells one, changed over the last minute."""
        readings = np.array(self._readings, np.float64).reshape(-1, 3)
        if len(readings) < LEAST:
            return ()
        recent = readings[readings[:, 0] >= readings[-1, 0] - WINDOW_S]
        part = max(len(recent) // 4, 1)
        first, last = recent[:part].mean(axis=0), recent[-part:].mean(axis=0)
        change = 100 * abs(last[1] - first[1]) / max(first[1], 1e-9)
        checks = [
            Check(
                name="drift of the level in a minute",
                value=change,
                unit="%",
                limit=LEVEL_PERCENT,
                fail_limit=LEVEL_FAIL_PERCENT,
                advice="wait until lamp and camera are warm",
            )
        ]
        if np.isfinite(recent[:, 2]).all():
            checks.append(
                Check(
                    name="drift of the temperature in a minute",
                    value=abs(last[2] - first[2]),
                    unit="°C",
                    limit=TEMPERATURE_C,
                    fail_limit=TEMPERATURE_FAIL_C,
                    advice="wait until the camera is warm",
                )
            )
        return tuple(checks)


class DriftPlot(QWidget):
    """The level over the last minutes."""

    def __init__(self) -> None:
        super().__init__()
        self._plot = pg.PlotWidget(background=PANEL)
        item = self._plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(x=False, y=False)
        item.showGrid(x=False, y=True, alpha=0.12)
        for side, text in (("bottom", "Seconds"), ("left", "Level (%)")):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(pg.mkPen(DIM))
            axis.setTextPen(pg.mkPen(DIM))
            axis.setLabel(text, color=DIM)
        self._curve = item.plot(pen=pg.mkPen(ACCENT, width=2))
        self.setMinimumHeight(110)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._plot)

    def show_warmth(self, warmth: Warmth) -> None:
        """Draw the readings; the level axis never shows less than two per cent."""
        seconds, levels = warmth.curve()
        self._curve.setData(seconds, levels)
        if len(levels):
            middle = (levels.max() + levels.min()) / 2
            half = max((levels.max() - levels.min()) / 2 * 1.2, 1.0)
            self._plot.setYRange(middle - half, middle + half, padding=0)
            self._plot.setXRange(min(float(seconds[0]), -10.0), 0, padding=0)
