"""An operator who presses the buttons of the calibration wizard, for tests."""

from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QWizard
from pytestqt.qtbot import QtBot

from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan, StepPlan
from livecassi.app.windows.wizard.page import StepPage
from livecassi.app.windows.wizard.questions import Closing
from livecassi.app.windows.wizard.wizard import CalibrationWizard
from livecassi.calibration import System

HEIGHT, WIDTH = 96, 128
LINES = tuple(LinePlan(nm=nm) for nm in (450.0, 473.0, 505.0, 532.0, 575.0, 610.0, 650.0))
SHORT = CalibrationPlan(
    system=System.SD_CASSI,
    name="small bench",
    exposure_us=3000.0,
    dark=StepPlan(frames=6),
    flat=StepPlan(frames=4),
    mask=StepPlan(frames=4),
    white=StepPlan(frames=6),
    line_frames=4,
)
PATIENCE_MS = 30_000


@dataclass
class Answers:
    """Answers in the operator's place; `asked` keeps what for."""

    why: str = "the bench is a simulation"
    at_the_end: Closing = Closing.KEEP
    file: Path | None = None
    asked: list[str] = field(default_factory=list)

    def reason(self, what: str) -> str:
        self.asked.append(what)
        return self.why

    def closing(self, captures: int, unwritten: int) -> Closing:
        self.asked.append(f"closing with {captures}" + (f", {unwritten} unwritten" if unwritten else ""))
        return self.at_the_end

    def open_file(self, title: str, kinds: str) -> Path | None:
        return self.file

    def save_file(self, title: str, suggested: Path, kinds: str) -> Path | None:
        return self.file


class Operator:
    """Presses buttons and waits until what they set off is done."""

    def __init__(self, qtbot: QtBot, wizard: CalibrationWizard) -> None:
        self.qtbot, self.wizard = qtbot, wizard

    @property
    def page(self) -> StepPage:
        return self.wizard.page_now

    def press(self, button: QPushButton) -> None:
        self.qtbot.waitUntil(button.isEnabled, timeout=PATIENCE_MS)
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def settled(self) -> None:
        """Wait until nothing is captured, judged, measured or fitted any more."""
        wizard = self.wizard

        def idle() -> bool:
            return not (wizard.capturing.busy or wizard.desk.judging or wizard.fitting.busy or self.page.working())

        self.qtbot.waitUntil(idle, timeout=2 * PATIENCE_MS)

    def wizard_button(self, which: QWizard.WizardButton) -> QPushButton:
        button = self.wizard.button(which)
        assert isinstance(button, QPushButton)
        return button

    def go_on(self) -> None:
        """Press Next and wait for the next page."""
        before = self.page
        self.press(self.wizard_button(QWizard.WizardButton.NextButton))
        self.qtbot.waitUntil(lambda: self.page is not before, timeout=PATIENCE_MS)
        self.settled()

    def go_to(self, page: StepPage) -> None:
        """Go on, where need be with a reason, until this page."""
        while self.page is not page:
            if not self.page.isComplete():
                self.press(self.wizard_button(QWizard.WizardButton.CustomButton1))
            self.go_on()
