"""The list of pins below the spectra: colour, place, value at the chosen band, and how to be rid of one."""

from collections.abc import Iterable, Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from livecassi.app.picks import WINDOW_SIZES, Pick
from livecassi.app.windows.theme import dim_label, tabular


class _PinRow:
    """The widgets of one pin."""

    def __init__(self, number: int) -> None:
        self.badge = QLabel(str(number))
        self.place = QLabel()
        self.value = dim_label()
        self.remove = QToolButton()
        self.remove.setText("✕")
        self.remove.setToolTip(f"Remove pin {number}")
        tabular(self.place)

    def widgets(self) -> tuple[QWidget, ...]:
        return self.badge, self.place, self.value, self.remove


class PinPanel(QWidget):
    """One line per pin."""

    removed = Signal(int)
    cleared = Signal()
    window_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[int, _PinRow] = {}
        self._hint = dim_label("Click the picture to pin a pixel. Drag a pin to move it, right-click to remove it.")
        self._hint.setWordWrap(True)
        self._size = QComboBox()
        for size in WINDOW_SIZES:
            self._size.addItem(f"{size} × {size} px" if size > 1 else "1 px", size)
        self._size.setToolTip("Each spectrum is the mean over this window around its pixel")
        self._size.currentIndexChanged.connect(lambda: self.window_chosen.emit(self.window_size))
        self._clear = QPushButton("Clear")
        self._clear.setToolTip("Remove all pins")
        self._clear.clicked.connect(self.cleared)
        head = QHBoxLayout()
        head.addWidget(dim_label("Average over"))
        head.addWidget(self._size)
        head.addStretch(1)
        head.addWidget(self._clear)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 12, 10)
        column.setSpacing(8)
        column.addLayout(head)
        column.addWidget(self._hint)
        column.addLayout(self._grid)
        column.addStretch(1)
        self.show_picks([])

    @property
    def window_size(self) -> int:
        """Side of the averaging window in pixels."""
        return int(self._size.currentData())

    def choose_window(self, size: int) -> None:
        """Choose an averaging window; an unknown size is ignored."""
        if (index := self._size.findData(size)) >= 0:
            self._size.setCurrentIndex(index)

    def show_picks(self, picks: Iterable[Pick]) -> None:
        """List exactly these pins."""
        wanted = {pick.number: pick for pick in picks}
        for number in set(self._rows) - set(wanted):
            for widget in self._rows.pop(number).widgets():
                self._grid.removeWidget(widget)
                widget.deleteLater()
        for number, pick in wanted.items():
            if number not in self._rows:
                self._rows[number] = self._new_row(pick)
            self._rows[number].place.setText(f"row {pick.row}, column {pick.column}")
        self._hint.setVisible(not wanted)
        self._clear.setEnabled(bool(wanted))

    def show_values(self, values: Mapping[int, float]) -> None:
        """Write the values at the chosen band."""
        for number, value in values.items():
            if number in self._rows:
                self._rows[number].value.setText(f"{value:.4f}")

    def _new_row(self, pick: Pick) -> _PinRow:
        row = _PinRow(pick.number)
        row.badge.setStyleSheet(
            f"background: {pick.colour}; color: #0b0d11; font-weight: 700; border-radius: 4px; padding: 1px 6px;"
        )
        row.remove.clicked.connect(lambda: self.removed.emit(pick.number))
        for column, widget in enumerate(row.widgets()):
            self._grid.addWidget(widget, pick.number, column)
        return row
