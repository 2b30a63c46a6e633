"""The slider below the picture that chooses a band by its wavelength."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from livecassi.app.windows.theme import dim_label, tabular


class BandBar(QWidget):
    """Steps through the band centres; arrow keys step too."""

    band_chosen = Signal(int)

    def __init__(self, wavelengths_nm: NDArray[np.float32]) -> None:
        super().__init__()
        self._wavelengths_nm = wavelengths_nm
        self._first, self._last = dim_label(), dim_label()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Choose a band (left and right arrow)")
        self.slider.valueChanged.connect(self._on_value)
        self._value = QLabel()
        self._value.setMinimumWidth(86)
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._value.setStyleSheet("font-size: 13pt; font-weight: 600;")
        tabular(self._value)
        self._number = dim_label()
        self._number.setMinimumWidth(58)
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 2, 4, 2)
        row.setSpacing(10)
        for widget in (self._first, self.slider, self._last, self._value, self._number):
            row.addWidget(widget, 1 if widget is self.slider else 0)
        self.set_wavelengths(wavelengths_nm)

    def set_wavelengths(self, wavelengths_nm: NDArray[np.float32]) -> None:
        """Another set of bands; the middle one is chosen."""
        self._wavelengths_nm = wavelengths_nm
        self._first.setText(f"{wavelengths_nm[0]:.0f}")
        self._last.setText(f"{wavelengths_nm[-1]:.0f}")
        self.slider.setRange(0, len(wavelengths_nm) - 1)
        self.slider.setPageStep(max(1, len(wavelengths_nm) // 6))
        self.slider.setValue(len(wavelengths_nm) // 2)
        self._on_value(self.slider.value())

    @property
    def band(self) -> int:
        """The chosen band."""
        return self.slider.value()

    @property
    def text(self) -> str:
        """The chosen wavelength as shown."""
        return self._value.text()

    def choose(self, band: int) -> None:
        """Choose a band; beyond the ends nothing happens."""
        self.slider.setValue(band)

    def _on_value(self, band: int) -> None:
        self._value.setText(f"{self._wavelengths_nm[band]:.1f} nm")
        self._number.setText(f"{band + 1} of {len(self._wavelengths_nm)}")
        self.band_chosen.emit(band)
