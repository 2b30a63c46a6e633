"""The form of the first page: who, what for, which optics, which bands, and the drawing of the mask."""

from enum import Enum
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from livecassi.app.calibrating.plan import USUAL_BANDS, BandsPlan, CalibrationPlan
from livecassi.app.windows.theme import dim_label, number_box
from livecassi.app.windows.wizard.desk import changed_plan
from livecassi.app.windows.wizard.questions import Questions
from livecassi.calibration import System

MASKS = "Masks (*.mat *.npy *.png *.tif *.tiff)"


class BandKind(Enum):
    """How bands are chosen."""

    USUAL = "as usual for this system"
    STEPS = "equal steps on the camera"
    LIST = "wavelengths that I name"


class PlanForm(QWidget):
    """Fills in a plan. `edited` comes after each change."""

    edited = Signal()

    def __init__(self, questions: Questions) -> None:
        super().__init__()
        self._questions = questions
        self.name, self.operator, self.optics, self.notes = (QLineEdit() for _ in range(4))
        self.name.setPlaceholderText("for example: prism bench, 100 mm lens")
        self.optics.setPlaceholderText("lens, prism, mask, slit of the relay…")
        self.system, self.bands = QComboBox(), QComboBox()
        for system in System:
            self.system.addItem(system.value.upper(), system)
        for kind in BandKind:
            self.bands.addItem(kind.value, kind)
        self.first, self.step, self.count = number_box(" nm", 1), number_box(" px", 2), QSpinBox()
        self.first.setRange(200, 2000)
        self.step.setRange(0.1, 100)
        self.step.setValue(2.0)
        self.count.setRange(2, 1000)
        self.count.setSuffix(" bands")
        self.wavelengths = QLineEdit("410:700:10")
        self.wavelengths.setToolTip("410:700:10, tsa28, or a list as 450,460.5,471")
        self.usual = dim_label()
        self.usual.setWordWrap(True)
        self._design: Path | None = None
        self.design = QLabel()
        self._lay_out()
        for edit in (self.name, self.operator, self.optics, self.notes, self.wavelengths):
            edit.textChanged.connect(self._on_edit)
        self.system.currentIndexChanged.connect(self._on_system)
        self.bands.currentIndexChanged.connect(self._on_edit)
        for box in (self.first, self.step, self.count):
            box.valueChanged.connect(self._on_edit)
        self._on_system()

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(9)
        form.setHorizontalSpacing(14)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Name", self.name)
        form.addRow("Operator", self.operator)
        form.addRow("Optics", self.optics)
        form.addRow("Notes", self.notes)
        form.addRow("System", self.system)
        form.addRow("Bands", self.bands)
        self._steps = QWidget()
        row = QHBoxLayout(self._steps)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (dim_label("from"), self.first, dim_label("step"), self.step, self.count):
            row.addWidget(widget)
        row.addStretch(1)
        form.addRow("", self._steps)
        form.addRow("", self.wavelengths)
        form.addRow("", self.usual)
        choose, clear = QPushButton("Choose…"), QPushButton("None")
        choose.setToolTip(
            "The drawing of the coded aperture in camera pixels, where there is one: the mask that is "
            "captured is registered against it, never replaced by it"
        )
        choose.clicked.connect(self._choose_design)
        clear.clicked.connect(lambda: self._set_design(None))
        holder = QWidget()
        design = QHBoxLayout(holder)
        design.setContentsMargins(0, 0, 0, 0)
        design.addWidget(self.design, 1)
        design.addWidget(choose)
        design.addWidget(clear)
        form.addRow("Mask drawing", holder)
        self._set_design(None)

    # ---- reading and writing -------------------------------------------------------------------------------------

    def show_plan(self, plan: CalibrationPlan) -> None:
        """Fill the form from a plan."""
        self.blockSignals(True)
        for edit, text in (
            (self.name, plan.name),
            (self.operator, plan.operator),
            (self.optics, plan.optics),
            (self.notes, plan.notes),
        ):
            edit.setText(text)
        self.system.setCurrentIndex(self.system.findData(plan.system))
        bands = plan.bands
        kind = BandKind.USUAL
        if bands.wavelengths is not None:
            kind = BandKind.LIST
            self.wavelengths.setText(bands.wavelengths)
        elif bands.first_nm is not None or bands.count is not None:
            kind = BandKind.STEPS
            usual = USUAL_BANDS[plan.system]
            self.first.setValue(bands.first_nm or usual.first_nm)
            self.step.setValue(bands.step_px)
            self.count.setValue(bands.count or usual.count)
        self.bands.setCurrentIndex(self.bands.findData(kind))
        self._set_design(plan.design)
        self.blockSignals(False)
        self._on_edit()

    def plan(self, template: CalibrationPlan) -> CalibrationPlan:
        """The plan that the form says; what it does not ask is the template's. Raises `CalibrationInvalidError`."""
        return changed_plan(
            template,
            name=self.name.text().strip(),
            operator=self.operator.text().strip(),
            optics=self.optics.text().strip(),
            notes=self.notes.text().strip(),
            system=self.chosen_system,
            bands=self._bands(),
            design=self._design,
        )

    @property
    def chosen_system(self) -> System:
        """The optical system."""
        return System(self.system.currentData())

    def _bands(self) -> BandsPlan:
        kind = self.bands.currentData()
        if kind is BandKind.LIST:
            return BandsPlan(wavelengths=self.wavelengths.text())
        if kind is BandKind.STEPS:
            return BandsPlan(first_nm=self.first.value(), step_px=self.step.value(), count=self.count.value())
        return BandsPlan()

    def _on_system(self) -> None:
        usual = USUAL_BANDS[self.chosen_system]
        if usual.wavelengths_nm is not None:
            first, last = usual.wavelengths_nm[0], usual.wavelengths_nm[-1]
            self.usual.setText(f"{len(usual.wavelengths_nm)} bands from {first:g} to {last:g} nm, where they fall")
        else:
            self.usual.setText(
                f"{usual.count} bands from {usual.first_nm:g} nm, {usual.step_px:g} columns apart on the camera"
            )
        self.first.setValue(usual.first_nm)
        self.count.setValue(usual.count)
        self._on_edit()

    def _on_edit(self) -> None:
        kind = self.bands.currentData()
        self._steps.setVisible(kind is BandKind.STEPS)
        self.wavelengths.setVisible(kind is BandKind.LIST)
        self.usual.setVisible(kind is BandKind.USUAL)
        self.edited.emit()

    def _choose_design(self) -> None:
        path = self._questions.open_file("The drawing of the coded aperture", MASKS)
        if path is not None:
            self._set_design(path)
            self.edited.emit()

    def _set_design(self, path: Path | None) -> None:
        self._design = path
        self.design.setText(path.name if path is not None else "none")
        self.design.setToolTip(str(path or ""))
