"""Verify: a line that no fit has seen, and how far the calibration's picture of it is from the camera's."""

from collections.abc import Sequence

from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from livecassi.app.calibrating.plan import LinePlan
from livecassi.app.windows.theme import dim_label, number_box
from livecassi.app.windows.wizard.capture_page import CapturePage
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.desk import Desk, Trouble
from livecassi.app.windows.wizard.fit_bar import FitBar
from livecassi.app.windows.wizard.fitting import Fitting
from livecassi.app.windows.wizard.line_presets import farthest_gap_nm
from livecassi.app.windows.wizard.line_table import FWHM_RANGE, NM_RANGE
from livecassi.calibration import CalibrationInvalidError
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.checks import Check


class VerifyPage(CapturePage):
    """Asks for one more line; the fit is judged by it, not changed."""

    def __init__(self, desk: Desk, capturing: Capturing, fitting: Fitting) -> None:
        self.fitting, self.fit_bar = fitting, FitBar(fitting)
        self.nm, self.fwhm = number_box(" nm", 2), number_box(" nm", 1)
        self.add = QPushButton("Use line")
        super().__init__(desk, capturing, "Verify", "Verify: a line that no fit has seen", CaptureKind.VERIFY)
        self.add.clicked.connect(self.use_line)

    def fill_side(self, column: QVBoxLayout) -> None:
        """The line first."""
        for box, limits in ((self.nm, NM_RANGE), (self.fwhm, FWHM_RANGE)):
            box.setRange(*limits)
            box.setStepType(QDoubleSpinBox.StepType.DefaultStepType)
        self.chooser = QWidget()
        row = QHBoxLayout(self.chooser)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (dim_label("Line"), self.nm, dim_label("FWHM"), self.fwhm, self.add):
            row.addWidget(widget)
        row.addStretch(1)
        column.addWidget(self.chooser)
        column.addWidget(self.bar)
        column.addWidget(self.fit_bar)
        column.addWidget(self.lights)
        column.addWidget(self.table, 1)

    @property
    def chosen(self) -> list[LinePlan]:
        """The lines of the plan that are kept for this page."""
        return [line for line in self.desk.plan.line if line.verify] if self.desk.begun else []

    def use_line(self) -> None:
        """Put the line into the plan, in the place of one that was chosen but not captured."""
        line = LinePlan(nm=self.nm.value(), fwhm=self.fwhm.value(), verify=True)
        captured = {capture.line.wavelength_nm for capture in self.captures if capture.line is not None}
        kept = tuple(known for known in self.desk.plan.line if not known.verify or known.nm in captured)
        try:
            self.desk.edit_plan(f"verify with {line.nm:g} nm", line=(*kept, line))
        except CalibrationInvalidError as error:
            self.desk.tell(Trouble(f"{error}. The fit has seen it; choose a line that it has not."))
        else:
            self.enter()
            self.ready.emit()

    # ---- what the page says --------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Propose the middle of the widest gap between the lines."""
        lines = self.chosen
        self.nm.setValue(lines[-1].nm if lines else farthest_gap_nm(self.desk.plan))
        self.fwhm.setValue(lines[-1].fwhm if lines else self._usual_fwhm)
        super().enter()
        self.fitting.follow()

    @property
    def _usual_fwhm(self) -> float:
        widths = sorted(line.fwhm for line in self.desk.plan.line)
        return widths[len(widths) // 2] if widths else 0.0

    def checks(self) -> Sequence[Check]:
        """Of the capture, and how far it lies from what the calibration predicts."""
        return [*super().checks(), *self.fitting.verification]

    def main_checks(self) -> Sequence[Check]:
        """The distances from the prediction."""
        return self.fitting.verification or self.checks()

    def lacks(self) -> str:
        """A capture, then a fit that was judged by it."""
        if not self.captures:
            return "no line to verify with"
        if not self.desk.begun or self.fitting.current:
            return ""
        return str(self.fitting.error) if self.fitting.error is not None else "not judged yet"

    def working(self) -> bool:
        """While the fit is judged."""
        return super().working() or self.fitting.busy

    @property
    def nothing(self) -> str:
        """First a line is chosen."""
        return "All captured" if self.chosen else "Choose a line above first"

    @property
    def first(self) -> QWidget:
        """Where the keyboard begins."""
        return self.bar.capture if self.chosen else self.add

    def tick(self) -> None:
        """Also the progress of the fit."""
        super().tick()
        self.fit_bar.tick()

    def refresh(self) -> None:
        """Judge as soon as a capture is there."""
        super().refresh()
        if self.captures and not self.desk.locked:
            self.fitting.follow()
        if not self.chosen:
            self.instruction.setText(
                "Choose one more line, as far as possible from the others. The calibration predicts its picture; how "
                "far the prediction lies from what the camera sees tells how good it is."
            )
        self.add.setEnabled(self.desk.begun and not self.desk.locked)
        self.fit_bar.show_state(self.desk.begun)
        self.fit_bar.setVisible(bool(self.captures) and (self.fitting.busy or not self.fitting.current))
