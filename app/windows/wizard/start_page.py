"""Start: a new calibration, a new version of an earlier one, a mask from a file, or a draft that was not finished."""

from datetime import datetime
from enum import Enum
from pathlib import Path

from pydantic import ValidationError
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QRadioButton,
    QWidget,
)

from livecassi.app.calibrating.draft import Draft, find_drafts, new_draft_folder
from livecassi.app.calibrating.draft_file import DraftFile, read_draft_file
from livecassi.app.calibrating.plan import BandsPlan, CalibrationPlan
from livecassi.app.windows.theme import dim_label, section_label
from livecassi.app.windows.wizard.desk import Desk, Trouble
from livecassi.app.windows.wizard.draft_camera import check_draft
from livecassi.app.windows.wizard.live_panel import LivePanel
from livecassi.app.windows.wizard.look import PageState
from livecassi.app.windows.wizard.page import StepPage
from livecassi.app.windows.wizard.plan_form import MASKS, PlanForm
from livecassi.app.windows.wizard.questions import Questions
from livecassi.calibration import Calibration, CalibrationError, CalibrationMismatchError
from livecassi.calibration.import_mask import import_mask, parse_wavelengths
from livecassi.calibration.store import load_calibration
from livecassi.drivers import LivecassiError

LOWEST_PICTURE_PX = 90
CALIBRATIONS = "Calibrations (*.h5 *.hdf5)"


class Beginning(Enum):
    """The ways to begin."""

    NEW = "A new calibration"
    VERSION = "A new version of an earlier calibration"
    IMPORT = "Import a mask, measure nothing"
    RESUME = "Go on with a draft"


class StartPage(StepPage):
    """Asks what is going to be calibrated. `imported` is the calibration of a mask that was read from a file."""

    def __init__(self, desk: Desk, template: CalibrationPlan, questions: Questions) -> None:
        super().__init__(desk, "Start", "What is to be calibrated?")
        self._template, self._questions = template, questions
        self.imported: Calibration | None = None
        self._mask: Path | None = None
        self.instruction.setText("Everything entered here is kept in the calibration and its report.")
        self.choices = {beginning: QRadioButton(beginning.value) for beginning in Beginning}
        self._group = QButtonGroup(self)
        self.versions, self.drafts = QComboBox(), QListWidget()
        self.mask_name, self.mask_button = dim_label("no file chosen"), QPushButton("Choose…")
        self.form, self.live = PlanForm(questions), LivePanel()
        self.live.image.setMinimumSize(240, LOWEST_PICTURE_PX)
        self._lay_out()
        self._fill()
        self.form.show_plan(template)
        for button in self.choices.values():
            self._group.addButton(button)
            button.toggled.connect(self._on_choice)
        self.form.edited.connect(self.completeChanged)
        self.versions.activated.connect(self._on_version)
        self.drafts.itemSelectionChanged.connect(self._on_draft)
        self.mask_button.clicked.connect(self._choose_mask)
        beginning = Beginning.RESUME if self.drafts.count() else Beginning.NEW
        self.choices[beginning].setChecked(True)

    def _lay_out(self) -> None:
        left, right = self.side(300, 380), self.side()
        left.addWidget(section_label("Begin with"))
        left.addWidget(self.choices[Beginning.NEW])
        left.addWidget(self.choices[Beginning.VERSION])
        left.addWidget(_indented(self.versions))
        left.addWidget(self.choices[Beginning.IMPORT])
        mask = QWidget()
        row = QHBoxLayout(mask)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.mask_name, 1)
        row.addWidget(self.mask_button)
        left.addWidget(_indented(mask))
        left.addWidget(self.choices[Beginning.RESUME])
        self._drafts_place = _indented(self.drafts)
        left.addWidget(self._drafts_place, 4)
        left.addStretch(1)
        right.addWidget(section_label("About it"))
        right.addWidget(self.form)
        self.note = QLabel()
        self.note.setObjectName("dim")
        self.note.setWordWrap(True)
        right.addWidget(self.note)
        right.addWidget(self.live, 1)

    def _fill(self) -> None:
        for version in self.desk.library.versions():
            text = f"{version.name or version.id[:8]}, {_date(version.created)}"
            self.versions.addItem(text + (" (in use)" if version.active else ""), version.path)
            if version.active:
                self.versions.setCurrentIndex(self.versions.count() - 1)
        self.versions.addItem("from a file…", None)
        for folder in find_drafts(self.desk.drafts):
            try:
                draft = read_draft_file(folder)
            except CalibrationError as error:
                text, tip = f"{folder.name}: cannot be read", str(error)
            else:
                text, tip = _draft_words(draft), str(folder)
            item = QListWidgetItem(text)
            item.setToolTip(tip)
            item.setData(Qt.ItemDataRole.UserRole, folder)
            self.drafts.addItem(item)
        self._drafts_place.setVisible(self.drafts.count() > 0)
        self.choices[Beginning.RESUME].setEnabled(self.drafts.count() > 0)
        if self.drafts.count():
            self.drafts.setCurrentRow(0)

    # ---- choices -------------------------------------------------------------------------------------------------

    @property
    def beginning(self) -> Beginning:
        """The way that is chosen."""
        return next((b for b, button in self.choices.items() if button.isChecked()), Beginning.NEW)

    def _on_choice(self) -> None:
        beginning = self.beginning
        begun = self.desk.begun
        self.versions.setEnabled(beginning is Beginning.VERSION and not begun)
        self.drafts.setEnabled(beginning is Beginning.RESUME and not begun)
        self.mask_button.setEnabled(beginning is Beginning.IMPORT and not begun)
        for choice, button in self.choices.items():
            button.setEnabled(not begun and (choice is not Beginning.RESUME or self.drafts.count() > 0))
        self.form.setEnabled(begun or beginning is not Beginning.RESUME)
        if beginning is Beginning.RESUME and not begun:
            self._on_draft()
        self.note.setText(
            "The mask is taken as the camera's own, every band the same step further; nothing is measured. "
            "Bands: with equal steps, the wavelengths of the list are spread over them."
            if beginning is Beginning.IMPORT
            else ""
        )
        self.completeChanged.emit()

    def _on_version(self) -> None:
        path = self.versions.currentData()
        if path is None:
            chosen = self._questions.open_file("The calibration to begin with", CALIBRATIONS)
            if chosen is None:
                return
            self.versions.insertItem(0, chosen.name, chosen)
            self.versions.setCurrentIndex(0)
            path = chosen
        try:
            calibration = load_calibration(path)
        except LivecassiError as error:
            self.desk.tell(Trouble(str(error)))
            return
        self.desk.tell(None)
        self.form.show_plan(_plan_of(calibration, self._template))

    def _on_draft(self) -> None:
        folder = self._draft_folder
        if folder is None or self.beginning is not Beginning.RESUME:
            return
        try:
            self.form.show_plan(read_draft_file(folder).plan)
        except CalibrationError as error:
            self.desk.tell(Trouble(str(error)))
        self.completeChanged.emit()

    @property
    def _draft_folder(self) -> Path | None:
        item = self.drafts.currentItem()
        return Path(item.data(Qt.ItemDataRole.UserRole)) if item is not None else None

    def _choose_mask(self) -> None:
        path = self._questions.open_file("The mask to import", MASKS)
        if path is not None:
            self._mask = path
            self.mask_name.setText(path.name)
            self.completeChanged.emit()

    @property
    def first(self) -> QWidget:
        """Where the keyboard begins."""
        return self.drafts if self.beginning is Beginning.RESUME and not self.desk.begun else self.form.name

    def tick(self) -> None:
        """The newest frame: is it the camera that is meant?"""
        self.live.follow(self.desk.feed)

    # ---- the gate ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> PageState:
        """Done as soon as there is a draft or a mask."""
        return PageState.PASS if self.desk.begun or self.imported is not None else PageState.OPEN

    @property
    def summary(self) -> str:
        """What is being calibrated."""
        if self.desk.begun:
            return self.desk.plan.name or str(self.desk.plan.system)
        return "to be chosen"

    def isComplete(self) -> bool:  # noqa: N802
        """A new calibration needs nothing; the other ways need their file."""
        beginning = self.beginning
        if self.desk.begun or beginning is Beginning.NEW:
            return True
        if beginning is Beginning.VERSION:
            return self.versions.currentData() is not None
        return self._mask is not None if beginning is Beginning.IMPORT else self._draft_folder is not None

    def validatePage(self) -> bool:  # noqa: N802
        """Make or open the draft; stay here and say why where that cannot be."""
        try:
            self._begin()
        except LivecassiError as error:
            self.desk.tell(Trouble(str(error)))
            return False
        self._on_choice()
        return True

    def _begin(self) -> None:
        beginning, desk = self.beginning, self.desk
        self.imported = None
        if desk.begun:
            desk.set_plan(**dict(self.form.plan(desk.plan)))
            return
        desk.tell(None)
        if beginning is Beginning.IMPORT:
            self.imported = self._import()
        elif beginning is Beginning.RESUME:
            self._resume()
        else:
            parent = load_calibration(self.versions.currentData()) if beginning is Beginning.VERSION else None
            template = self._template if parent is None else _plan_of(parent, self._template)
            plan = self.form.plan(template)
            plan.fit_settings()  # refuses bands or a drawing that cannot be, before anything is captured
            desk.adopt(Draft.create(new_draft_folder(desk.drafts), plan, parent.id if parent else ""), parent)

    def _resume(self) -> None:
        folder = self._draft_folder
        assert folder is not None
        draft = Draft.open(folder)
        try:
            check_draft(draft, self.desk.rig.source.info)
        except CalibrationMismatchError:
            draft.close()
            raise
        parents = [v for v in self.desk.library.versions() if draft.parent_id and v.id == draft.parent_id]
        self.desk.adopt(draft, load_calibration(parents[0].path) if parents else None)
        if draft.plan.system is not self._template.system:
            self.desk.tell(
                Trouble(
                    f"This draft is of a {draft.plan.system} bench, open is a {self._template.system} bench: captures "
                    "of the two do not belong together. Close, and open its own bench, or begin a new calibration."
                )
            )
        if draft.damaged:
            self.desk.tell(Trouble("Not every capture could be read; take these again: " + "; ".join(draft.damaged)))

    def _import(self) -> Calibration:
        assert self._mask is not None
        plan = self.form.plan(self._template)
        choice = plan.fit_settings().bands
        wavelengths = choice.wavelengths_nm
        text = ",".join(f"{nm:g}" for nm in wavelengths) if wavelengths is not None else "tsa28"
        return import_mask(self._mask, plan.system, parse_wavelengths(text), plan.bands.step_px, name=plan.name)


def _plan_of(calibration: Calibration, template: CalibrationPlan) -> CalibrationPlan:
    """The plan behind a calibration, or what its header says."""
    header = calibration.header
    if header.record is not None and header.record.plan:
        try:
            return CalibrationPlan.model_validate(header.record.plan)
        except ValidationError:
            pass  # of another version of livecassi: its header says enough
    bands = BandsPlan(wavelengths=",".join(f"{nm:.2f}" for nm in calibration.wavelengths_nm))
    return template.model_copy(update={"system": header.system, "name": header.name, "bands": bands})


def _draft_words(draft: DraftFile) -> str:
    taken = sum(not entry.removed for entry in draft.captures)
    return f"{draft.plan.name or draft.plan.system}, {_date(draft.created)}, {taken} capture{'' if taken == 1 else 's'}"


def _date(iso: str) -> str:
    try:
        return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return iso or "undated"


def _indented(widget: QWidget) -> QWidget:
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(24, 0, 0, 0)
    row.addWidget(widget)
    return holder
