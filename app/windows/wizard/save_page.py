"""Save: every check once more, a name, a new version, and the report."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QPushButton, QScrollArea, QVBoxLayout, QWidget

from livecassi.app.windows.background import Background
from livecassi.app.windows.theme import dim_label, section_label
from livecassi.app.windows.wizard.desk import Desk, Trouble
from livecassi.app.windows.wizard.finish import finished
from livecassi.app.windows.wizard.fit_bar import FitBar
from livecassi.app.windows.wizard.fitting import Fitting
from livecassi.app.windows.wizard.lights import LightList
from livecassi.app.windows.wizard.live_panel import LivePanel
from livecassi.app.windows.wizard.look import PageState
from livecassi.app.windows.wizard.page import StepPage
from livecassi.app.windows.wizard.questions import Questions
from livecassi.calibration import Calibration
from livecassi.calibration.checks import Check

SIDE_PX = (250, 330)
LOWEST_PICTURE_PX = 120
REPORTS = "Reports (*.pdf)"


class SavePage(StepPage):
    """Shows what will be saved; the wizard's last button saves it. `imported` gives a calibration without a fit."""

    def __init__(
        self, desk: Desk, fitting: Fitting, questions: Questions, imported: Callable[[], Calibration | None]
    ) -> None:
        super().__init__(desk, "Save", "Save a new version")
        self.fitting, self._questions, self._imported = fitting, questions, imported
        self.instruction.setText(
            "A calibration is never changed afterwards: what is saved now is a new version beside the earlier ones."
        )
        self.lights = LightList(most=100)
        self.fit_bar = FitBar(fitting)
        self.version_name, self.live = QLineEdit(), LivePanel()
        self.live.image.setMinimumSize(LOWEST_PICTURE_PX, LOWEST_PICTURE_PX)
        self.activate = QCheckBox("Use it from now on")
        self.open_live = QCheckBox("Open it in the live view")
        self.activate.setToolTip("Whoever opens a camera without naming a calibration gets this one")
        self.open_live.setToolTip("The live view goes on with this calibration, at its exposure")
        self.activate.setChecked(True)
        self.open_live.setChecked(True)
        self.report = QPushButton("PDF report…")
        self.facts = dim_label()
        self.facts.setWordWrap(True)
        self._working_on_report = False
        self._lay_out()
        self.version_name.editingFinished.connect(self._on_name)
        self.report.clicked.connect(self.write_report)

    def _lay_out(self) -> None:
        left, right = self.side(), self.side(*SIDE_PX)
        holder = QWidget()
        holder.setObjectName("steps")
        column = QVBoxLayout(holder)
        column.setContentsMargins(14, 12, 14, 12)
        column.addWidget(self.lights)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(holder)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        left.addWidget(section_label("Everything that was judged"))
        left.addWidget(scroll, 1)
        form = QFormLayout()
        form.addRow("Name", self.version_name)
        right.addWidget(section_label("Version"))
        right.addLayout(form)
        right.addWidget(self.activate)
        right.addWidget(self.open_live)
        right.addWidget(self.fit_bar)
        right.addWidget(section_label("What is saved"))
        right.addWidget(self.facts)
        right.addWidget(self.report)
        right.addStretch(1)
        right.addWidget(self.live, 4)

    # ---- the calibration -----------------------------------------------------------------------------------------

    @property
    def calibration(self) -> Calibration | None:
        """What would be saved now."""
        imported = self._imported()
        if imported is not None:
            named = imported.header.model_copy(
                update={"name": self.version_name.text().strip() or imported.header.name}
            )
            return Calibration(named, **imported.arrays())
        if not self.desk.begun or self.fitting.fitted is None:
            return None
        return finished(self.fitting.fitted, self.desk.draft)

    def save(self) -> Path | None:
        """Write the new version; None where that failed, and the page says why."""
        self._on_name()
        calibration = self.calibration
        saved: list[Path] = []

        def act() -> None:
            if calibration is not None:
                saved.append(self.desk.library.save(calibration, activate=self.activate.isChecked()))

        if calibration is None or not self.desk.safely(act, lambda: self.desk.tell(None)):
            return None
        return saved[0]

    def write_report(self) -> None:
        """Ask for a file and write the report beside the window."""
        calibration = self.calibration
        if calibration is None:
            return
        suggested = Path.home() / f"{calibration.header.name or 'calibration'}.pdf"
        path = self._questions.save_file("Write the report", suggested, REPORTS)
        if path is None:
            return
        out = path if path.suffix else path.with_suffix(".pdf")
        self._working_on_report = True
        self.show_desk()

        def act() -> None:
            from livecassi.app.calibration_report import save_report

            save_report(calibration, out)

        def done(_: None, error: Exception | None) -> None:
            self._working_on_report = False
            if error is not None:
                self.desk.tell(Trouble(f"The report cannot be written: {error}"))
            else:
                self.facts.setText(f"The report lies in {out}.")
            self.show_desk()

        Background(act, done, name="report", parent=self)

    # ---- what the page says --------------------------------------------------------------------------------------

    def enter(self) -> None:
        """A fit of what is there now."""
        imported = self._imported()
        self.version_name.setText(imported.header.name if imported is not None else self.desk.plan.name)
        if imported is None:
            self.fitting.follow()

    def _on_name(self) -> None:
        if self.desk.begun:
            self.desk.set_plan(name=self.version_name.text().strip())

    def checks(self) -> Sequence[Check]:
        """Everything that the calibration says of itself."""
        if self._imported() is not None or not self.fitting.current or self.fitting.fitted is None:
            return ()
        return self.fitting.fitted.checks

    @property
    def state(self) -> PageState:
        """A mask that was imported has nothing to be judged."""
        return PageState.PASS if self._imported() is not None else super().state

    def lacks(self) -> str:
        """A fit of what is there now."""
        if self._imported() is not None or not self.desk.begun or self.fitting.current:
            return ""
        if self.fitting.lacking:
            return f"missing: {self.fitting.lacking}"
        return str(self.fitting.error) if self.fitting.error is not None else "not fitted yet"

    def working(self) -> bool:
        """While the fit runs."""
        return self._imported() is None and self.fitting.busy

    def _said_why(self, problems: Sequence[str]) -> bool:
        """What somebody explained on an earlier page needs no second reason."""
        if not self.desk.begun or not self.fitting.current:
            return False
        return all(any(problem in text for text in self.desk.draft.overrides) for problem in problems)

    def tick(self) -> None:
        """The newest frame, and the progress of a fit."""
        self.live.follow(self.desk.feed)
        self.fit_bar.tick()

    def refresh(self) -> None:
        """Checks and facts."""
        measured = self._imported() is None
        self.fit_bar.show_state(self.desk.begun)
        self.fit_bar.setVisible(measured and (self.fitting.busy or not self.fitting.current))
        empty = "Figures appear here after the fit." if measured else "Imported: nothing was measured."
        self.lights.show_checks(self.checks(), empty)
        calibration = self.calibration
        self.report.setEnabled(calibration is not None and not self._working_on_report and measured)
        self.report.setText("Writing the report…" if self._working_on_report else "PDF report…")
        if calibration is not None and not self.facts.text().startswith("The report"):
            self.facts.setText(_facts(calibration))


def _facts(calibration: Calibration) -> str:
    bands, height, width = calibration.cube_shape
    rows, columns = calibration.measurement_shape
    nm = calibration.wavelengths_nm
    lines = [
        f"{str(calibration.system).upper()}, {bands} bands from {nm[0]:.1f} to {nm[-1]:.1f} nm",
        f"scene {height} × {width}, frames {rows} × {columns} pixels",
    ]
    record = calibration.header.record
    if record is not None:
        lines.append(f"{len(record.captures)} captures, {len(record.lines)} lines")
        if record.parent_id:
            lines.append(f"follows version {record.parent_id[:8]}")
        lines += [f"{text}" for text in record.overrides]
    return "\n".join(lines)
