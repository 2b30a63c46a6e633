"""The lines of a calibration: wavelength, width and name to be edited; what was measured of each beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from livecassi.app.calibrating.plan import LinePlan
from livecassi.app.windows.theme import AMBER, RED
from livecassi.app.windows.wizard.look import GREEN

COLUMNS = ("", "nm", "FWHM", "Name", "About", "Shift", "σ", "Residual", "Left out")
HINTS = (
    "Whether the line is captured, and how it was judged",
    "Centre of the line in nm, as the spectrometer reads it",
    "Full width at half maximum in nm; 0 for a laser or the line of a lamp",
    "What gives this light",
    "About where it lands, px: needed for a mask that repeats itself, so that the right place is found",
    "Where the line landed against the shortest one, px",
    "Standard error of the shift, px",
    "Measured less curve, px",
    "Distance to the curve that the other lines give, px: at most 0.2",
)
NM, FWHM, NAME, ABOUT = 1, 2, 3, 4
LEFT_OUT_PX = 0.2
NM_RANGE, FWHM_RANGE = (200.0, 2000.0), (0.0, 500.0)  # what a line can be before a camera


@dataclass(frozen=True, slots=True)
class LineRow:
    """What is known of one line of the plan. `light`: colour of its dot, empty before it is captured."""

    light: str = ""
    words: str = "not captured yet"
    shift_px: float | None = None
    sigma_px: float | None = None
    residual_px: float | None = None
    left_out_px: float | None = None
    left_out_counted_px: float | None = None  # what of it counts


class LineTable(QTableWidget):
    """`edited(row, line)` comes after a cell was changed; the desk then decides."""

    edited = Signal(int, object)  # LinePlan
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__(0, len(COLUMNS))
        self.setHorizontalHeaderLabels(list(COLUMNS))
        for column, hint in enumerate(HINTS):
            item = self.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(hint)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(25)
        self.setShowGrid(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAlternatingRowColors(True)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._lines: tuple[LinePlan, ...] = ()
        self._writing = False
        self.itemChanged.connect(self._on_changed)

    @property
    def chosen(self) -> int | None:
        """The selected row."""
        rows = {item.row() for item in self.selectedItems()}
        return min(rows) if rows else None

    def show_lines(self, lines: Sequence[LinePlan], rows: Mapping[float, LineRow], *, repeats: bool = False) -> None:
        """Show these lines; `rows` by wavelength what is known of them; `repeats`: the mask does, say where to look."""
        self.setColumnHidden(ABOUT, not repeats)
        chosen = self.chosen
        self._writing = True
        self._lines = tuple(lines)
        self.setRowCount(len(lines))
        for row, line in enumerate(lines):
            self._write(row, line, rows.get(line.nm, LineRow()))
        self._writing = False
        if chosen is not None and chosen < len(lines):
            self.selectRow(chosen)

    def _write(self, row: int, line: LinePlan, known: LineRow) -> None:
        about = f"{line.expected_px:g}" if line.expected_px is not None else ""
        texts = (f"{line.nm:g}", f"{line.fwhm:g}", line.name, about)
        figures = (
            (known.shift_px, "{:.2f}"),
            (known.sigma_px, "{:.3f}"),
            (known.residual_px, "{:+.3f}"),
            (known.left_out_px, "{:+.2f}"),
        )
        light = QTableWidgetItem("●" if known.light else "○")
        light.setForeground(QColor(known.light or "#5a6474"))
        light.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        light.setToolTip(known.words)
        light.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        self.setItem(row, 0, light)
        for column, text in enumerate(texts, NM):
            item = QTableWidgetItem(text)
            item.setToolTip(HINTS[column] + "; double click to change")
            self.setItem(row, column, item)
        for column, (value, form) in enumerate(figures, ABOUT + 1):
            item = QTableWidgetItem(form.format(value) if value is not None else "–")
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(HINTS[column])
            if column == len(COLUMNS) - 1 and value is not None:
                counted = known.left_out_counted_px
                item.setForeground(QColor(_left_out_colour(abs(value if counted is None else counted))))
            self.setItem(row, column, item)

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if self._writing:
            return
        row = item.row()
        was = self._lines[row]
        texts = [
            cell.text() if (cell := self.item(row, column)) is not None else "" for column in (NM, FWHM, NAME, ABOUT)
        ]
        try:
            nm, fwhm = (_number(text) for text in texts[:2])
            about = _number(texts[3]) if texts[3].strip() else None
        except ValueError:
            self.refused.emit(f"'{item.text()}' is no number; the line stays as it was, {was.nm:g} nm")
            return
        for value, what, (low, high) in ((nm, "wavelength", NM_RANGE), (fwhm, "width", FWHM_RANGE)):
            if not low <= value <= high:
                self.refused.emit(
                    f"a {what} of {value:g} nm was entered, expected {low:g} to {high:g} nm; correct it. "
                    f"The line stays as it was, {was.nm:g} nm"
                )
                return
        told = {"nm": nm, "fwhm": fwhm, "name": texts[2], "expected_px": about}
        self.edited.emit(row, was.model_copy(update=told))


def _number(text: str) -> float:
    return float(text.replace(",", ".").removesuffix("nm").removesuffix("px"))


def _left_out_colour(value: float) -> str:
    return GREEN if value <= LEFT_OUT_PX else AMBER if value <= 2 * LEFT_OUT_PX else RED
