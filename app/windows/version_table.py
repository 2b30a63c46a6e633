"""The list of versions, newest first."""

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
)

from livecassi.app.calibrating.library import Version
from livecassi.app.versions import SHORT_ID, Shelf, made_text, parent_text, verdict_hint, verdict_text
from livecassi.app.windows.theme import ACCENT, DIM, TEXT, tabular
from livecassi.app.windows.wizard.look import verdict_colour

IN_USE = "in use"
COLUMNS = ("Name", "", "Made", "Verdict", "System", "Id", "Child of")
LEAST_PX = 60


class _OwnColours(QStyledItemDelegate):
    """A coloured word keeps its colour also where its row is selected."""

    def initStyleOption(  # noqa: N802
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        colour = index.data(Qt.ItemDataRole.ForegroundRole)
        if colour is not None:
            option.palette.setBrush(QPalette.ColorRole.HighlightedText, colour)


class VersionTable(QTableWidget):
    """One row per version; `chosen` comes with the id whenever another row is chosen."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setItemDelegate(_OwnColours(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setAccessibleName("Versions")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(30)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setMinimumSectionSize(LEAST_PX)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        tabular(self)
        self.itemSelectionChanged.connect(self._on_selection)
        self._versions: Sequence[Version] = ()

    def show_shelf(self, shelf: Shelf) -> None:
        """List what is there; the version that was chosen stays so, else the one in use is chosen."""
        before = self.current_id
        self.blockSignals(True)
        self._versions = shelf.versions
        self.setRowCount(len(shelf.versions))
        for row, version in enumerate(shelf.versions):
            for column, item in enumerate(_items(version, shelf)):
                self.setItem(row, column, item)
        self.clearSelection()
        self.blockSignals(False)
        active = shelf.active
        wanted = shelf.find(before) or active or (shelf.versions[0] if shelf.versions else None)
        if wanted is not None:
            self.choose(wanted.id)
        else:
            self.chosen.emit("")

    def choose(self, calibration_id: str) -> None:
        """Choose the version of this id."""
        for row, version in enumerate(self._versions):
            if version.id == calibration_id:
                self.selectRow(row)
                return

    @property
    def current_id(self) -> str:
        """The id of the version that is chosen, or empty."""
        rows = self.selectionModel().selectedRows()
        return self._versions[rows[0].row()].id if rows else ""

    def row_text(self, row: int) -> tuple[str, ...]:
        """What stands in a row."""
        return tuple(self.model().index(row, column).data() for column in range(self.columnCount()))

    def colour_of(self, row: int, column: str) -> str:
        """The colour of a word."""
        index = self.model().index(row, COLUMNS.index(column))
        return str(index.data(Qt.ItemDataRole.ForegroundRole).color().name())

    def _on_selection(self) -> None:
        self.chosen.emit(self.current_id)


def _items(version: Version, shelf: Shelf) -> list[QTableWidgetItem]:
    word, verdict = verdict_text(version)
    child_of = parent_text(version, shelf)
    texts = (
        (version.name or "without a name", TEXT if version.name else DIM, f"{version.name}\n{version.path}".strip()),
        (IN_USE if version.active else "", ACCENT, "The version that cameras are opened with"),
        (made_text(version.created), TEXT, f"Made {version.created or 'at an unknown time'}"),
        (word, verdict_colour(verdict) if verdict is not None else DIM, verdict_hint(version)),
        (version.system.upper(), DIM, ""),
        (version.id[:SHORT_ID], DIM, version.id),
        (version.parent_id[:SHORT_ID], DIM, child_of),
    )
    items = []
    for text, colour, hint in texts:
        item = QTableWidgetItem(text)
        item.setForeground(QColor(colour))
        item.setToolTip(hint if text else "")
        items.append(item)
    return items
