"""The list of steps on the left: a light for each, the figure that decides with its threshold, undo and redo."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut, QUndoStack
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from livecassi.app.windows.elided_label import ElidedLabel
from livecassi.app.windows.wizard.lights import Dot
from livecassi.app.windows.wizard.page import StepPage

WIDTH_PX = 220
TWO_LINES = 1.7  # of the width: words are not cut, so that lines are not full
UNDO_KEYS, REDO_KEYS = "Ctrl+Z", "Ctrl+Shift+Z"


class StepList(QWidget):
    """One row per page. Below: two buttons for the stack of edits."""

    def __init__(self, pages: Sequence[StepPage], undo: QUndoStack) -> None:
        super().__init__()
        self.setObjectName("steps")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH_PX)
        self._undo = undo
        self.rows = [StepRow(page) for page in pages]
        self.undo, self.redo = QPushButton("Undo"), QPushButton("Redo")
        for button, act, keys in ((self.undo, undo.undo, UNDO_KEYS), (self.redo, undo.redo, REDO_KEYS)):
            button.clicked.connect(act)
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.activated.connect(button.click)  # at once, and not where the button is off
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.undo)
        buttons.addWidget(self.redo)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 10, 8, 10)
        column.setSpacing(2)
        for row in self.rows:
            column.addWidget(row)
        column.addStretch(1)
        column.addLayout(buttons)

    def show_state(self, present: StepPage, editable: bool) -> None:
        """Bring every light up to date; `present` is the page on the screen."""
        for row in self.rows:
            row.show_state(row.page is present)
        undo = self._undo
        for button, can, text, keys in (
            (self.undo, undo.canUndo(), undo.undoText(), UNDO_KEYS),
            (self.redo, undo.canRedo(), undo.redoText(), REDO_KEYS),
        ):
            button.setEnabled(can and editable)
            button.setToolTip(f"{button.text()}: {text} ({keys})" if text else "")


class TwoLines(ElidedLabel):
    """Text on at most two lines; of what is longer the end is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)

    def _elide(self) -> None:
        room = round(TWO_LINES * self.width())
        self.setText(self.fontMetrics().elidedText(self.whole, Qt.TextElideMode.ElideRight, room))


class StepRow(QWidget):
    """Light, name of the step, and its figure below."""

    def __init__(self, page: StepPage) -> None:
        super().__init__()
        self.page = page
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.dot, self.title, self.figure = Dot(), QLabel(page.name), TwoLines()
        font = self.figure.font()
        font.setPointSizeF(max(font.pointSizeF() - 1.5, 7))
        self.figure.setFont(font)
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 6, 6, 6)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(1)
        grid.addWidget(self.dot, 0, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self.title, 0, 1)
        grid.addWidget(self.figure, 1, 1)
        grid.setColumnStretch(1, 1)

    def show_state(self, present: bool) -> None:
        """The light and the figure as they are now."""
        state, summary = self.page.state, self.page.summary
        self.dot.show_colour(state.colour)
        self.figure.show_line(summary)
        self.setToolTip(f"{self.page.name}: {state.value}\n{summary}")
        name = "stepNow" if present else ""
        if name != self.objectName():
            self.setObjectName(name)
            self.style().polish(self)
        self.title.setStyleSheet("font-weight: 600;" if present else "")
