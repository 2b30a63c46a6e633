"""The calibration in use: which it is, how it was judged, and whether the mask still stands where it has it."""

from datetime import UTC, datetime

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QInputDialog, QLabel, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from livecassi.app.drift_watch import DriftState
from livecassi.app.drift_words import drift_words, judgement, made_words
from livecassi.app.windows.elided_label import ElidedLabel
from livecassi.app.windows.theme import AMBER, DIM, RED, TEXT, as_panel, dim_label, section_label, tabular
from livecassi.calibration import Calibration
from livecassi.calibration.checks import Verdict
from livecassi.calibration.drift import DriftKind

COLOURS = {Verdict.PASS: TEXT, Verdict.WARN: AMBER, Verdict.FAIL: RED, None: DIM}


class CalibrationPanel(QWidget):
    """Shows and asks; the window does the rest."""

    check_pressed = Signal(str, float)  # DriftKind and, for a line, its wavelength in nm
    calibrate_pressed = Signal()
    versions_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        as_panel(self)
        self._calibration: Calibration | None = None
        self._colours: dict[QLabel, str] = {}
        self._name, self._made, self._other = ElidedLabel(), ElidedLabel(), ElidedLabel()
        self._name.setObjectName("")
        self._day, self._verdict, self._moved = dim_label(), QLabel(), QLabel()
        tabular(self._moved)
        self.check = QPushButton("Check")
        self.check.setToolTip(
            "Look whether the mask still stands where the calibration has it (Ctrl+M: with the scene)"
        )
        self.check.setMenu(self._check_menu())
        self.calibrate = QPushButton("Calibrate…")
        self.calibrate.setToolTip("Make a new calibration of this bench, step by step")
        self.calibrate.clicked.connect(self.calibrate_pressed)
        self.versions = QToolButton()
        self.versions.setText("Versions…")
        self.versions.setToolTip("Earlier calibrations: compare them, and go back to one")
        self.versions.clicked.connect(self.versions_pressed)
        self._lay_out()

    def _check_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction("With the &scene as it is", lambda: self.check_pressed.emit(DriftKind.SCENE, 0.0))
        menu.addAction("With the &white reference", lambda: self.check_pressed.emit(DriftKind.WHITE, 0.0))
        menu.addAction("With one &line of light…", self._ask_line)
        return menu

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(6)
        for widgets in (
            (section_label("Calibration"), None, self.versions),
            (self._name, self._day),
            (self._made, self._verdict),
            (dim_label("Mask moved"), None, self._moved),
            (self._other,),
            (self.check, self.calibrate),
        ):
            row = QHBoxLayout()
            row.setSpacing(6)
            for widget in widgets:
                if widget is None:
                    row.addStretch(1)
                else:
                    row.addWidget(widget, 1 if isinstance(widget, ElidedLabel | QPushButton) else 0)
            column.addLayout(row)

    def show_calibration(self, calibration: Calibration) -> None:
        """Another calibration is in use."""
        self._calibration = calibration
        header = calibration.header
        self._name.show_line(header.name or "without a name")
        self._name.setToolTip(f"{header.name}\n{header.notes}".strip())
        day, age = made_words(calibration, datetime.now(UTC))
        self._day.setText(day)
        self._made.show_line(age)
        self._made.setToolTip(f"Made {header.created or 'at an unknown time'}, id {calibration.id}")
        text, verdict = judgement(calibration)
        self._verdict.setText(text)
        record = header.record
        checks = record.checks if record is not None else ()
        self._verdict.setToolTip("\n".join(check.words for check in checks if check.verdict is not Verdict.PASS))
        self._colour(self._verdict, COLOURS[verdict])

    def show_drift(self, state: DriftState, now_ns: int) -> None:
        """What the session knows about the place of the mask."""
        words = drift_words(state, now_ns)
        self._moved.setText(words.headline)
        self._other.show_line(words.detail)
        for label in (self._moved, self._other):
            label.setToolTip(words.hint)
        self._colour(self._moved, COLOURS[words.verdict])
        self.check.setEnabled(not state.checking)

    def _colour(self, label: QLabel, colour: str) -> None:
        if self._colours.get(label) != colour:
            self._colours[label] = colour
            label.setStyleSheet(f"color: {colour}; font-weight: {600 if colour in (AMBER, RED) else 400};")

    def _ask_line(self) -> None:
        if self._calibration is None:
            return
        bands = self._calibration.wavelengths_nm
        first, last = float(bands[0]), float(bands[-1])
        middle = 546.07 if first < 546.07 < last else (first + last) / 2
        wavelength, sure = QInputDialog.getDouble(
            self, "Check with one line", "Wavelength of the line, nm", middle, first, last, 2
        )
        if sure:
            self.check_pressed.emit(DriftKind.LINE, wavelength)

    @property
    def drift_text(self) -> str:
        """What is said about the place of the mask."""
        return " · ".join(text for text in (self._moved.text(), self._other.whole) if text)

    @property
    def drift_colour(self) -> str:
        """The colour in which that is said."""
        return self._colours.get(self._moved, TEXT)

    @property
    def calibration_text(self) -> str:
        """What is said about the calibration."""
        parts = (self._name.whole, self._day.text(), self._made.whole, self._verdict.text())
        return " · ".join(part for part in parts if part)
