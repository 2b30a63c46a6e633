"""The captures of a page with their judged figures, and the buttons that delete or repeat one."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from livecassi.app.calibrating.steps import exposure_text
from livecassi.app.windows.wizard.lights import deciding, short_text
from livecassi.app.windows.wizard.look import verdict_colour
from livecassi.app.windows.wizard.titles import title_of
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check, worst

COLUMNS = ("", "Capture", "Exposure", "Judged")
DOT = "●"


class CaptureTable(QWidget):
    """One row per capture: light, title, exposure, and the figure that decides; hints tell the rest."""

    delete_pressed = Signal(str)
    repeat_pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.table = _Table(0, len(COLUMNS))
        self.table.deleted.connect(self._delete)
        self.table.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.itemSelectionChanged.connect(self._on_selection)
        self.delete, self.repeat = QPushButton("Delete"), QPushButton("Repeat")
        self.delete.setToolTip("Take the selected capture out; its file stays, and Ctrl+Z brings it back (Delete)")
        self.repeat.setToolTip("Take the selected capture again; the old one is restored with Ctrl+Z")
        self.delete.clicked.connect(self._delete)
        self.repeat.clicked.connect(self._repeat)
        row = QHBoxLayout()
        row.addWidget(self.repeat)
        row.addWidget(self.delete)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.table, 1)
        column.addLayout(row)
        self._ids: list[str] = []
        self._editable = True
        self._on_selection()

    @property
    def selected(self) -> str:
        """The id of the selected capture, or ''."""
        row = self.table.currentRow()
        return self._ids[row] if 0 <= row < len(self._ids) and self.table.selectedItems() else ""

    def select(self, capture_id: str) -> None:
        """Select a capture."""
        self.table.selectRow(self._ids.index(capture_id))

    def show_captures(self, captures: Sequence[tuple[Capture, Sequence[Check] | None]], editable: bool) -> None:
        """Show captures with what is known of them; None: being judged."""
        chosen = self.selected
        self._editable = editable
        self._ids = [capture.id for capture, _ in captures]
        self.table.setRowCount(len(captures))
        for row, (capture, checks) in enumerate(captures):
            for column, item in enumerate(_cells(capture, checks)):
                self.table.setItem(row, column, item)
        if chosen in self._ids:
            self.select(chosen)
        else:
            self.table.clearSelection()
        self._on_selection()

    def _on_selection(self) -> None:
        possible = bool(self.selected) and self._editable
        self.delete.setEnabled(possible)
        self.repeat.setEnabled(possible)

    def _delete(self) -> None:
        if self.selected and self._editable:
            self.delete_pressed.emit(self.selected)

    def _repeat(self) -> None:
        if self.selected and self._editable:
            self.repeat_pressed.emit(self.selected)


def _cells(capture: Capture, checks: Sequence[Check] | None) -> list[QTableWidgetItem]:
    light = QTableWidgetItem(DOT if checks is not None else "…")
    light.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
    if checks is None:
        figure, words = "being judged…", ""
    else:
        light.setForeground(QColor(verdict_colour(worst(tuple(checks)))))
        decisive = deciding(checks)
        figure = short_text(decisive) if decisive is not None else "nothing to judge"
        words = "\n".join(check.words for check in checks)
    title = QTableWidgetItem(title_of(capture))
    title.setToolTip(f"{title_of(capture)}, mean of {capture.frames} frames, {capture.captured}")
    exposure = QTableWidgetItem(exposure_text(capture.exposure_us))
    exposure.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    judged = QTableWidgetItem(figure)
    judged.setToolTip(words)
    return [light, title, exposure, judged]


class _Table(QTableWidget):
    """Rows that are selected whole; the Delete key is told."""

    deleted = Signal()

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(26)
        self.setShowGrid(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Delete takes the selected row out."""
        if event.key() == Qt.Key.Key_Delete:
            self.deleted.emit()
        else:
            super().keyPressEvent(event)
