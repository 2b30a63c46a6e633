"""A bar that says what went wrong, and the button that does something about it."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from livecassi.app.windows.wizard.desk import Trouble


class TroubleBar(QWidget):
    """Hidden while all goes well."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("trouble")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._trouble: Trouble | None = None
        self.label, self.remedy = QLabel(), QPushButton()
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.remedy.clicked.connect(self._act)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.addWidget(self.label, 1)
        row.addWidget(self.remedy, 0, Qt.AlignmentFlag.AlignTop)
        self.show_trouble(None)

    @property
    def text(self) -> str:
        """What is said; empty while all goes well."""
        return self._trouble.text if self._trouble is not None else ""

    def show_trouble(self, trouble: Trouble | None) -> None:
        """Say it, or hide."""
        self._trouble = trouble
        self.setVisible(trouble is not None)
        if trouble is not None:
            self.label.setText(trouble.text[:1].upper() + trouble.text[1:])
            self.remedy.setText(trouble.remedy)
            self.remedy.setVisible(bool(trouble.remedy))

    def _act(self) -> None:
        if self._trouble is not None:
            self._trouble.act()
