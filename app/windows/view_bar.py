"""How the picture is looked at: colour, band, spread or raw frame; and how much of it is saturated."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QWidget

from livecassi.app.pictures import View
from livecassi.app.windows.elided_label import ElidedLabel
from livecassi.app.windows.theme import RED, tabular

TITLES = {View.COLOUR: "Colour", View.BAND: "Band", View.SPREAD: "Spread", View.RAW: "Raw frame"}
HINTS = {
    View.COLOUR: "What the scene looks like, computed from all bands (1)",
    View.BAND: "One band of the cube (2)",
    View.SPREAD: "How far apart the results are that the cube is the mean of: bright is unsure (4)",
    View.RAW: "The coded frame as the camera delivered it (3)",
}


class ViewBar(QWidget):
    """The row above the picture."""

    view_chosen = Signal(str)
    overlay_toggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        self._buttons: dict[View, QPushButton] = {}
        for view, name in zip(View, ("left", "middle", "middle", "right"), strict=True):
            button = QPushButton(TITLES[view])
            button.setObjectName(name)
            button.setCheckable(True)
            button.setToolTip(HINTS[view])
            button.clicked.connect(lambda _checked, view=view: self.view_chosen.emit(view.value))
            self._group.addButton(button)
            self._buttons[view] = button
            row.addWidget(button)
        self._buttons[View.SPREAD].hide()
        self._label = self._correction = ""
        self._said = ElidedLabel()  # never widens
        row.addSpacing(12)
        row.addWidget(self._said, 1)
        row.addSpacing(12)
        self._saturation = QLabel()
        tabular(self._saturation)
        row.addWidget(self._saturation)
        row.addSpacing(10)
        self.overlay = QPushButton("Overlay")
        self.overlay.setCheckable(True)
        self.overlay.setChecked(True)
        self.overlay.setToolTip("Mark saturated pixels of the raw frame in red (S)")
        self.overlay.toggled.connect(self.overlay_toggled)
        row.addWidget(self.overlay)

    def show_view(self, view: View, label: str) -> None:
        """Press the button of a view and say what it is."""
        self._buttons[view].setChecked(True)
        self._label = label
        self._say()

    def offer_spread(self, offered: bool) -> None:
        """Whether the cube has a spread that can be looked at."""
        self._buttons[View.SPREAD].setVisible(offered)

    def show_correction(self, text: str, hint: str) -> None:
        """Say calmly how the frame was corrected, where an operator should know."""
        self._correction = text
        self._said.setToolTip(hint)
        self._say()

    def _say(self) -> None:
        self._said.show_line(" · ".join(text for text in (self._correction, self._label) if text))

    @property
    def correction_text(self) -> str:
        """What is said about the correction."""
        return self._correction

    @property
    def correction_hint(self) -> str:
        """What is said about it at length."""
        return self._said.toolTip()

    def show_saturation(self, fraction: float | None) -> None:
        """Say loudly how much of the raw frame is saturated."""
        saturated = bool(fraction)
        name = "saturation" if saturated else "dim"
        if fraction is None:
            text, hint = "", ""
        elif saturated:
            share = f"{100 * fraction:.1f} %" if fraction >= 0.001 else "< 0.1 %"
            text, hint = (
                f"SATURATED {share}",
                "Pixels of the newest raw frame at full scale: shorten the exposure or lower the gain",
            )
        else:
            text, hint = "not saturated", "No pixel of the newest raw frame is at full scale"
        if text != self._saturation.text():
            self._saturation.setText(text)
            self._saturation.setToolTip(hint)
        if name != self._saturation.objectName():
            self._saturation.setObjectName(name)
            self._saturation.setStyleSheet(f"color: white; background: {RED};" if saturated else "")
            self._saturation.style().polish(self._saturation)

    @property
    def saturation_text(self) -> str:
        """What is said about saturation."""
        return self._saturation.text()
