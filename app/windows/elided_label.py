"""A line of text that never widens its panel: what does not fit is left out of its middle."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy


class ElidedLabel(QLabel):
    """Takes the room that it is given. `whole` is what it says, `text()` what of that is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("dim")
        self.setTextFormat(Qt.TextFormat.PlainText)  # names of files are no markup
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.whole = ""

    def show_line(self, text: str) -> None:
        """Say something else."""
        if text != self.whole:
            self.whole = text
            self._elide()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As narrow as need be, and a line high also while empty."""
        return QSize(0, self.fontMetrics().lineSpacing())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Fits the text into the new width."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self.whole, Qt.TextElideMode.ElideMiddle, self.width()))
