"""Two reconstructions of one frame, with a slider that draws the border between them, or blinking."""

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from livecassi.app.calibrating.compare import Comparison, Reconstructed
from livecassi.app.levels import Levels
from livecassi.app.pictures import Picture
from livecassi.app.windows.image_view import ImageView
from livecassi.app.windows.theme import dim_label

BLINK_MS = 700


class BeforeAfter(QWidget):
    """Left of the border before, right of it after."""

    def __init__(self) -> None:
        super().__init__()
        self.image = ImageView()
        self.image.setMinimumSize(240, 160)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 1000)
        self.slider.setValue(500)
        self.slider.setToolTip("Left of the border: before; right of it: after")
        self.blink = QCheckBox("Blink")
        self.before, self.after = dim_label("Before"), QLabel("After")
        for label, side in ((self.before, Qt.AlignmentFlag.AlignLeft), (self.after, Qt.AlignmentFlag.AlignRight)):
            label.setAlignment(side)
            label.setWordWrap(True)
        names = QHBoxLayout()
        names.addWidget(self.before, 1)
        names.addWidget(self.after, 1)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.slider, 1)
        row.addWidget(self.blink)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(names)
        column.addWidget(self.image, 1)
        column.addLayout(row)
        self._comparison: Comparison | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_blink)
        self.slider.valueChanged.connect(self._draw)
        self.blink.toggled.connect(self._on_blink_chosen)

    @property
    def comparison(self) -> Comparison | None:
        """What is shown."""
        return self._comparison

    def show_comparison(self, comparison: Comparison) -> None:
        """Show another pair."""
        self._comparison = comparison
        self.before.setText(f"Before: {_words(comparison.before)}")
        self.after.setText(f"After: {_words(comparison.after)}")
        self._draw()

    def _on_blink_chosen(self, wanted: bool) -> None:
        self.slider.setEnabled(not wanted)
        if wanted:
            self._timer.start(BLINK_MS)
        else:
            self._timer.stop()
            self._draw()

    def _on_blink(self) -> None:
        self.slider.setValue(0 if self.slider.value() else 1000)

    def _draw(self) -> None:
        if self._comparison is None:
            return
        before, after = self._comparison.before.picture, self._comparison.after.picture
        height, width = min(before.shape[0], after.shape[0]), min(before.shape[1], after.shape[1])
        border = round(self.slider.value() / 1000 * width)
        shown = np.concatenate([before[:height, :border], after[:height, border:width]], axis=1)
        if 0 < border < width:
            shown[:, border] = 255
        self.image.show_picture(Picture(shown, Levels(0, 255), True))


def _words(one: Reconstructed) -> str:
    return f"{one.name or 'unnamed'}, {one.unexplained_percent:.2f} % of the frame unexplained"
