"""Dispersion: lines of known wavelength, where each lands, and the curve through them after every capture."""

from collections.abc import Mapping, Sequence
from threading import Event

from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from livecassi.app.calibrating.plan import LinePlan
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.windows.theme import LINE, RED
from livecassi.app.windows.wizard.capture_page import CapturePage
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.curve_plot import CurvePlot
from livecassi.app.windows.wizard.desk import Desk, Trouble, captures_of_line
from livecassi.app.windows.wizard.latest import Latest
from livecassi.app.windows.wizard.line_presets import added, farthest_gap_nm, presets
from livecassi.app.windows.wizard.line_table import LineRow, LineTable
from livecassi.app.windows.wizard.look import verdict_colour
from livecassi.app.windows.wizard.quick_curve import LineFigures, QuickCurve, quick_curve
from livecassi.app.windows.wizard.titles import title_of
from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.checks import Check, worst

SIDE_PX = (408, 460)
LEAST_LINES = 2


class DispersionPage(CapturePage):
    """The lines of the fit. `curve` is what the lines captured so far tell; the fit itself comes a page later."""

    most_lights = 4

    def __init__(self, desk: Desk, capturing: Capturing) -> None:
        self.lines, self.plot = LineTable(), CurvePlot()
        self.add_preset, self.add_line, self.remove_line = (
            QPushButton("Presets"),
            QPushButton("Add line"),
            QPushButton("Remove line"),
        )
        super().__init__(desk, capturing, "Dispersion", "Dispersion: where each line lands", CaptureKind.LINE)
        self.curve = QuickCurve()
        self._measuring: Latest[QuickCurve] = Latest("curve", self)
        self._asked: tuple[str, ...] | None = None
        self._menu = QMenu(self)
        self.add_preset.setMenu(self._menu)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.add_line.clicked.connect(self.new_line)
        self.remove_line.clicked.connect(self._remove_chosen)
        self.lines.edited.connect(self._on_edited)
        self.lines.refused.connect(lambda words: self.desk.tell(Trouble(words)))
        self.lines.itemSelectionChanged.connect(self._on_selection)

    def lay_out(self) -> None:
        """Picture and curve on the left; lines, captures and lights on the right."""
        left = self.side()
        left.addWidget(self.live, 5)
        left.addWidget(self.plot, 4)
        self.fill_side(self.side(*SIDE_PX))

    def fill_side(self, column: QVBoxLayout) -> None:
        """Lines first."""
        row = QHBoxLayout()
        for button in (self.add_preset, self.add_line, self.remove_line):
            row.addWidget(button)
        row.addStretch(1)
        column.addWidget(self.lines, 5)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.lights)
        column.addWidget(self.table, 4)

    # ---- lines ---------------------------------------------------------------------------------------------------

    @property
    def fit_lines(self) -> list[LinePlan]:
        """The lines of the plan that the fit uses."""
        return [line for line in self.desk.plan.line if not line.verify] if self.desk.begun else []

    def add_lines(self, lines: Sequence[LinePlan], text: str) -> None:
        """More lines; one edit."""
        self.desk.edit_plan(text, line=added(self.desk.plan.line, lines))
        self.enter()

    def _add_preset(self, name: str, lines: Sequence[LinePlan]) -> None:
        self.add_lines(lines, f"add {name}")
        self.ready.emit()

    def new_line(self) -> None:
        """A line in the widest gap, to be corrected in the table."""
        nm = farthest_gap_nm(self.desk.plan)
        known = {line.nm for line in self.desk.plan.line}
        while nm in known:
            nm += 1.0
        self.add_lines([LinePlan(nm=nm)], f"add line {nm:g} nm")
        self.lines.selectRow([line.nm for line in self.fit_lines].index(nm))

    def _remove_chosen(self) -> None:
        row = self.lines.chosen
        if row is None:
            return
        line = self.fit_lines[row]
        self.desk.undo.beginMacro(f"remove line {line.nm:g} nm")
        for capture in captures_of_line(self.captures, line):
            self.desk.remove(capture)
        self.desk.edit_plan("remove line", line=tuple(known for known in self.desk.plan.line if known is not line))
        self.desk.undo.endMacro()

    def _on_edited(self, row: int, line: LinePlan) -> None:
        was = self.fit_lines[row]
        try:
            checked = LinePlan.model_validate(dict(line))
            self.desk.edit_line(self.desk.plan.line.index(was), checked)
        except (CalibrationInvalidError, ValueError) as error:
            first = str(error).splitlines()[0] if isinstance(error, CalibrationInvalidError) else _words(error)
            self.desk.tell(Trouble(f"{first}; the line stays {was.nm:g} nm"))

    def _fill_menu(self) -> None:
        self._menu.clear()
        for name, lines in presets(self.desk.plan).items():
            words = ", ".join(f"{line.nm:g}" for line in lines)
            action = self._menu.addAction(f"{name}: {words} nm")
            action.triggered.connect(lambda _=False, n=name, more=lines: self._add_preset(n, more))

    # ---- captures ------------------------------------------------------------------------------------------------

    @property
    def next_steps(self) -> tuple[CaptureStep, ...]:
        """The chosen line if it is not captured yet, else the first that is missing."""
        missing, row = self.missing, self.lines.chosen
        if row is not None and row < len(self.fit_lines):
            nm = self.fit_lines[row].nm
            chosen = [step for step in missing if step.line is not None and step.line.wavelength_nm == nm]
            if chosen:
                return tuple(chosen[:1])
        return missing[:1]

    @property
    def nothing(self) -> str:
        """Without lines there is nothing to capture."""
        return "All captured" if self.fit_lines else "No lines yet: enter them above"

    @property
    def first(self) -> QWidget:
        """Where the keyboard begins."""
        return self.bar.capture if self.fit_lines else self.add_preset

    def capture_next(self) -> None:
        """Take the chosen line, or the next one."""
        self.capturing.take(self.next_steps)

    def _on_selection(self) -> None:
        row = self.lines.chosen
        self.remove_line.setEnabled(row is not None and not self.desk.locked)
        if row is None or row >= len(self.fit_lines):
            return
        found = captures_of_line(self.captures, self.fit_lines[row])
        if found:
            self.table.select(found[-1].id)
        step = next(iter(self.next_steps), None)
        if step is not None:
            self.show_next(step)
            self.instruction.setText(self.words(step))
            self.capturing.prepare(step)

    # ---- what the page says --------------------------------------------------------------------------------------

    def checks(self) -> Sequence[Check]:
        """Of the captures, and of the curve."""
        return [*super().checks(), *self.curve.checks]

    def working(self) -> bool:
        """Also while shifts are being measured."""
        return super().working() or self._measuring.busy

    def main_checks(self) -> Sequence[Check]:
        """What tells how well the curve is known."""
        return [check for check in self.curve.checks if check.unit.startswith("px") and not check.higher_is_better]

    def lacks(self) -> str:
        """Lines, then captures of them."""
        lines = self.fit_lines
        if len(lines) < LEAST_LINES:
            return f"{len(lines) or 'no'} line{'' if len(lines) == 1 else 's'} entered, {LEAST_LINES} are needed"
        if missing := super().lacks():
            return missing
        titles = {capture.id: title_of(capture) for capture in self.captures}
        unknown = [f"{titles[key]}: {words}" for key, words in self.curve.problems.items() if key in titles]
        return "; ".join(unknown[:1]) + (f"; and {len(unknown) - 1} lines more" if len(unknown) > 1 else "")

    def refresh(self) -> None:
        """Lines, curve and the rest; measure what is new."""
        super().refresh()
        if self.desk.begun:
            self._measure()
            repeats = self.desk.plan.system in (System.PMVIS, System.NDSSI)
            self.lines.show_lines(self.fit_lines, self._rows(), repeats=repeats)
        step = next(iter(self.next_steps), None) if self.desk.begun else None
        if step is not None and self.capturing.step is None:
            self.show_next(step)
            self.instruction.setText(self.words(step))
        elif self.desk.begun and not self.fit_lines:
            self.instruction.setText(
                "Enter the narrow lines that you have: at least 2, better 7 or more, spread over the band, with one at "
                "its blue end. Measure each filter or line with the spectrometer: 1 nm is up to 0.5 px."
            )
        elif self.curve.problems and self.capturing.step is None:
            self.instruction.setText(f"{_sentence(self.lacks())}.")
        for button in (self.add_preset, self.add_line):
            button.setEnabled(not self.desk.locked)
        self.remove_line.setEnabled(self.lines.chosen is not None and not self.desk.locked)
        self.plot.show_lines(
            self.curve.lines,
            self.curve.fit.curve if self.curve.fit is not None else None,
            [line.nm for line in self.fit_lines],
        )

    def _measure(self) -> None:
        captures = self.desk.captures(CaptureKind.DARK, CaptureKind.LINE)
        wanted = tuple(capture.id for capture in captures)
        if wanted == self._asked:
            return
        self._asked = wanted
        system, known = self.desk.plan.system, self.curve.measured

        def act(cancelled: Event) -> QuickCurve:
            return quick_curve(captures, system, known, cancelled)

        def done(found: QuickCurve | None, error: Exception | None) -> None:
            if found is not None:
                self.curve = found
            if error is not None:
                self.desk.tell(Trouble(f"The shifts of the lines cannot be measured: {error}"))
            self.desk.changed.emit()

        self._measuring.ask(act, done)

    def _rows(self) -> Mapping[float, LineRow]:
        rows = {}
        for line in self.fit_lines:
            found = captures_of_line(self.captures, line)
            if not found:
                continue
            capture = found[-1]
            checks = self.desk.judgement(capture.id)
            problem = self.curve.problems.get(capture.id, "")
            words = "\n".join([*(check.words for check in checks or ()), *([problem] if problem else [])])
            colour = verdict_colour(worst(checks)) if checks is not None else LINE
            figures = self.curve.of(capture.id)
            rows[line.nm] = LineRow(RED if problem else colour, words or "being judged…", *_measured(figures))
        return rows


def _measured(figures: LineFigures | None) -> tuple[float | None, ...]:
    if figures is None:
        return ()
    left_out = figures.left_out_px, figures.left_out_counted_px
    return figures.shift_px, figures.sigma_px, figures.residual_px, *left_out


def _words(error: Exception) -> str:
    """The first complaint of pydantic, or what was said."""
    complaints = getattr(error, "errors", None)
    return str(complaints()[0]["msg"]) if callable(complaints) else str(error)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
