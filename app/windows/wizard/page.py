"""What every page of the wizard has: heading, instruction, trouble, lights, and the gate to the next page."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget, QWizardPage

from livecassi.app.windows.wizard.desk import Desk
from livecassi.app.windows.wizard.lights import deciding, short_text, worst_by_name
from livecassi.app.windows.wizard.look import PageState, page_state
from livecassi.app.windows.wizard.trouble_bar import TroubleBar
from livecassi.calibration.checks import Check, Verdict, worst


class StepPage(QWizardPage):
    """One step. A page says what it `checks`, what it still `lacks`, and shows itself in `refresh`.

    The next page opens where nothing is lacking and no check fails, or where somebody said why to go on all the same.
    """

    ready = Signal()  # for the next act: the keyboard may go to it

    def __init__(self, desk: Desk, name: str, heading: str) -> None:
        super().__init__()
        self.desk, self.name = desk, name
        self.heading, self.instruction = QLabel(heading), QLabel()
        self.heading.setObjectName("heading")
        self.instruction.setObjectName("instruction")
        self.instruction.setWordWrap(True)
        self.instruction.setTextFormat(Qt.TextFormat.PlainText)
        self.trouble = TroubleBar()
        self.body = QHBoxLayout()
        self.body.setSpacing(12)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 12, 18, 6)
        column.setSpacing(10)
        column.addWidget(self.heading)
        column.addWidget(self.instruction)
        column.addWidget(self.trouble)
        column.addLayout(self.body, 1)
        self._complete = False

    def side(self, narrowest: int = 0, widest: int | None = None) -> QVBoxLayout:
        """A column of the body, between two widths, or taking what is left."""
        holder = QWidget()
        holder.setMinimumWidth(narrowest)
        if widest is not None:
            holder.setMaximumWidth(widest)
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        self.body.addWidget(holder, 4 if widest is not None else 5)
        return column

    # ---- what a page says of itself ------------------------------------------------------------------------------

    def checks(self) -> Sequence[Check]:
        """What is judged here."""
        return ()

    def main_checks(self) -> Sequence[Check]:
        """Those that stand for the page where all pass."""
        return self.checks()

    def lacks(self) -> str:
        """What is still to be done here, in words; empty for nothing."""
        return ""

    def left_out(self) -> bool:
        """Whether the operator leaves this step out."""
        return False

    def working(self) -> bool:
        """Whether figures are still to come."""
        return False

    @property
    def first(self) -> QWidget:
        """Where the keyboard begins."""
        return self

    def enter(self) -> None:
        """The page comes onto the screen."""

    def tick(self) -> None:
        """Ten times a second while the page is on the screen."""

    def refresh(self) -> None:
        """Show what lies on the desk."""

    # ---- the gate ------------------------------------------------------------------------------------------------

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the next page closed: what is lacking, and the checks that fail."""
        lacking = self.lacks()
        failing = tuple(c.name for c in worst_by_name(self.checks()) if c.verdict is Verdict.FAIL)
        return (*((lacking,) if lacking else ()), *failing)

    @property
    def state(self) -> PageState:
        """What this step has come to."""
        if not self.desk.begun:
            return PageState.OPEN
        if self.left_out():
            return PageState.LEFT_OUT
        problems = self.problems
        if problems and self._said_why(problems):
            return PageState.OVERRIDDEN
        if self.working():
            return PageState.WORKING
        if self.lacks():
            return PageState.OPEN
        return page_state(worst(tuple(self.checks())))

    @property
    def summary(self) -> str:
        """The state in a few words: the figure that decides with its threshold, or what is lacking."""
        state = self.state
        if state is PageState.LEFT_OUT:
            return "left out"
        if state is PageState.WORKING:
            return "being judged…"
        if state is PageState.OPEN:
            return self.lacks() if self.desk.begun else ""
        check = deciding(self.main_checks() if state is PageState.PASS else self.checks())
        if state is PageState.OVERRIDDEN:
            return f"continued anyway: {self.lacks() or (short_text(check) if check is not None else '')}"
        return short_text(check) if check is not None else "done"

    def _said_why(self, problems: Sequence[str]) -> bool:
        if not self.desk.begun:
            return False
        said = [text for text in self.desk.draft.overrides if text.startswith(f"{self.name}: ")]
        return all(any(problem in text for text in said) for problem in problems)

    def override(self, reason: str) -> None:
        """Go on although something fails; the reason is kept in the draft and in the calibration."""
        what = f"{self.name}: {'; '.join(self.problems)}"
        self.desk.safely(lambda: self.desk.draft.override(what, reason))
        self.desk.changed.emit()

    def isComplete(self) -> bool:  # noqa: N802
        """Whether the next page may be opened."""
        return self.state.lets_go_on

    def show_desk(self) -> None:
        """Bring everything up to date, the gate too."""
        self.trouble.show_trouble(self.desk.trouble)
        self.refresh()
        complete = self.isComplete()
        if complete != self._complete:
            self._complete = complete
            self.completeChanged.emit()
