"""Which values are shown as black and white: followed automatically, or fixed."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QPushButton, QWidget

from livecassi.app.levels import Levels
from livecassi.app.pictures import View
from livecassi.app.windows.theme import dim_label, number_box

SMALLEST_RANGE = 1e-3


class LevelBar(QWidget):
    """Two numbers and a switch."""

    fixed_levels = Signal(float, float)
    auto_levels = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = self._spin("Shown as black"), self._spin("Shown as white")
        self.auto = QPushButton("Auto")
        self.auto.setCheckable(True)
        self.auto.setChecked(True)
        self.auto.setToolTip("Let black and white follow the picture; off: keep them fixed")
        self.auto.toggled.connect(self._on_auto)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (dim_label("Levels"), self.low, self.high, self.auto):
            row.addWidget(widget)

    def _spin(self, hint: str) -> QDoubleSpinBox:
        spin = number_box("", 3)
        spin.setRange(-1e6, 1e6)
        spin.setToolTip(f"{hint}; switch Auto off to set it")
        spin.setFixedWidth(84)
        spin.setEnabled(False)
        spin.valueChanged.connect(self._on_level)
        return spin

    def show_levels(self, view: View, levels: Levels, fixed: bool) -> None:
        """Show the levels in use; a person who is typing is not disturbed."""
        for spin, value in ((self.low, levels.low), (self.high, levels.high)):
            if not spin.hasFocus():
                spin.blockSignals(True)
                spin.setDecimals(0 if view is View.RAW and levels.high > 10 else 3)
                spin.setValue(value)
                spin.blockSignals(False)
        self.auto.blockSignals(True)
        self.auto.setChecked(not fixed)
        self.auto.blockSignals(False)
        self.high.setEnabled(fixed)
        self.low.setEnabled(fixed and view is not View.COLOUR)

    def _on_auto(self, automatic: bool) -> None:
        if automatic:
            self.auto_levels.emit()
        else:
            self._on_level()

    def _on_level(self) -> None:
        self.fixed_levels.emit(self.low.value(), max(self.high.value(), self.low.value() + SMALLEST_RANGE))
