"""The log inside the window."""

from PySide6.QtWidgets import QApplication, QDockWidget, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from livecassi.app.log_lines import LINES_KEPT, LogLines
from livecassi.app.windows.theme import fixed_font


class LogDock(QDockWidget):
    """Shows the lines that came since it was last refreshed; bounded."""

    def __init__(self, lines: LogLines) -> None:
        super().__init__("Log")
        self.setObjectName("log")
        self._lines = lines
        self._text = QPlainTextEdit()
        self._text.setReadOnly(True)
        self._text.setMaximumBlockCount(LINES_KEPT)
        self._text.setFont(fixed_font())
        copy = QPushButton("Copy all")
        copy.clicked.connect(lambda: QApplication.clipboard().setText(self.text))
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(copy)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(10, 6, 10, 10)
        column.addWidget(self._text)
        column.addLayout(buttons)
        self.setWidget(body)

    @property
    def text(self) -> str:
        """Everything shown."""
        return self._text.toPlainText()

    def refresh(self) -> None:
        """Write what is new; called by the window's timer."""
        if new := self._lines.take_new():
            self._text.appendPlainText("\n".join(new))
