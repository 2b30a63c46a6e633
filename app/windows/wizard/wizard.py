"""The calibration wizard: nine pages over one desk, each step kept on disk as soon as it is done."""

import logging
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QColor, QPalette
from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit, QWidget, QWizard

from livecassi.app.calibrating.draft import drafts_folder
from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.windows.theme import LINE
from livecassi.app.windows.wizard.benches import Workbench
from livecassi.app.windows.wizard.camera_page import CameraPage
from livecassi.app.windows.wizard.capture_page import CapturePage
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.desk import Desk
from livecassi.app.windows.wizard.dispersion_page import DispersionPage
from livecassi.app.windows.wizard.fitting import Fitting
from livecassi.app.windows.wizard.look import WIZARD_STYLE
from livecassi.app.windows.wizard.mask_page import MaskPage
from livecassi.app.windows.wizard.page import StepPage
from livecassi.app.windows.wizard.questions import Closing, Dialogs, Questions
from livecassi.app.windows.wizard.refine_page import RefinePage
from livecassi.app.windows.wizard.save_page import SavePage
from livecassi.app.windows.wizard.start_page import StartPage
from livecassi.app.windows.wizard.step_list import StepList
from livecassi.app.windows.wizard.verify_page import VerifyPage
from livecassi.app.windows.wizard.white_page import WhitePage
from livecassi.calibration import System
from livecassi.calibration.capture import CaptureKind

log = logging.getLogger(__name__)

TICK_MS = 100
SLOW_TICKS = 5
RULE_PX = 2


class CalibrationWizard(QWizard):
    """A window of its own that does not block others; it owns the bench's feed from here to its end.

    `template` says what the first page does not ask: numbers of frames, lines to begin with. `reconnect` opens a lost
    camera anew. `calibrated(path)` comes when a version was saved that the operator wants to see live;
    `ended` when the camera is free again.
    """

    calibrated = Signal(Path)
    ended = Signal()

    def __init__(
        self,
        bench: Workbench,
        *,
        template: CalibrationPlan | None = None,
        library: Library | None = None,
        drafts: Path | None = None,
        reconnect: Callable[[], Workbench] | None = None,
        questions: Questions | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._questions = questions or Dialogs(self)
        self.desk = Desk(bench, library or Library(), drafts or drafts_folder(), self)
        self.capturing, self.fitting = Capturing(self.desk, reconnect), Fitting(self.desk)
        self.saved: Path | None = None
        self.opens: Path | None = None  # what is to be seen live, known before `ended`
        self._ended = False
        self._ticks = 0
        self._focus_waits = False  # until the bench is ready, or what was captured is judged
        self._make_pages(template or CalibrationPlan(system=System.SD_CASSI))
        self._set_up()
        for signal in (self.desk.changed, self.capturing.changed, self.fitting.changed):
            signal.connect(self.show_desk)
        self.desk.undo.indexChanged.connect(lambda _: self.show_desk())
        self.capturing.taken.connect(self._take_focus)
        self.currentIdChanged.connect(self._on_page)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        bench.feed.start()
        self._timer.start(TICK_MS)

    def _make_pages(self, template: CalibrationPlan) -> None:
        desk, capturing = self.desk, self.capturing
        self.start_page = StartPage(desk, template, self._questions)
        self.camera_page = CameraPage(desk, capturing)
        self.dark_page = CapturePage(desk, capturing, "Dark", "Dark: no light at all", CaptureKind.DARK, one_state=True)
        self.white_page = WhitePage(desk, capturing)
        self.mask_page = MaskPage(desk, capturing)
        self.dispersion_page = DispersionPage(desk, capturing)
        self.refine_page = RefinePage(desk, capturing, self.fitting)
        self.verify_page = VerifyPage(desk, capturing, self.fitting)
        self.save_page = SavePage(desk, self.fitting, self._questions, lambda: self.start_page.imported)
        self.pages: tuple[StepPage, ...] = (
            self.start_page,
            self.camera_page,
            self.dark_page,
            self.white_page,
            self.mask_page,
            self.dispersion_page,
            self.refine_page,
            self.verify_page,
            self.save_page,
        )

    def _set_up(self) -> None:
        self.setWindowTitle("Calibrate — livecassi")
        self.setModal(False)
        self.setWizardStyle(QWizard.WizardStyle.ClassicStyle)
        self.setStyleSheet(WIZARD_STYLE)
        for option in (
            QWizard.WizardOption.IndependentPages,  # going back never forgets anything
            QWizard.WizardOption.NoDefaultButton,
            QWizard.WizardOption.NoBackButtonOnStartPage,
            QWizard.WizardOption.HaveCustomButton1,
        ):
            self.setOption(option, True)
        self.setButtonText(QWizard.WizardButton.CustomButton1, "Continue &anyway…")
        self.setButtonText(QWizard.WizardButton.BackButton, "&Back")
        self.setButtonText(QWizard.WizardButton.NextButton, "&Next")
        self.setButtonText(QWizard.WizardButton.CancelButton, "&Close")
        self.setButtonText(QWizard.WizardButton.FinishButton, "&Save")
        self.setButtonLayout(
            [
                QWizard.WizardButton.CustomButton1,
                QWizard.WizardButton.Stretch,
                QWizard.WizardButton.BackButton,
                QWizard.WizardButton.NextButton,
                QWizard.WizardButton.FinishButton,
                QWizard.WizardButton.CancelButton,
            ]
        )
        self.customButtonClicked.connect(lambda _: self.continue_anyway())
        for number, page in enumerate(self.pages):
            self.setPage(number, page)
            page.ready.connect(self._take_focus)
        self.steps = StepList(self.pages, self.desk.undo)
        self.setSideWidget(self.steps)
        self._darken_rule()
        self.setMinimumSize(960, 640)
        self.resize(1280, 800)

    def _darken_rule(self) -> None:
        """Qt paints the rule above the buttons white on a dark theme; it is the only child two pixels high."""
        palette = self.palette()
        for role in (QPalette.ColorRole.Mid, QPalette.ColorRole.Light, QPalette.ColorRole.Base):
            palette.setColor(role, QColor(LINE))
        for child in self.findChildren(QWidget):
            if child.maximumHeight() == RULE_PX:
                child.setPalette(palette)

    def nextId(self) -> int:  # noqa: N802
        """A mask that was imported goes straight to saving."""
        if self.currentPage() is self.start_page and self.start_page.imported is not None:
            return len(self.pages) - 1
        return super().nextId()

    # ---- what is shown -------------------------------------------------------------------------------------------

    @property
    def page_now(self) -> StepPage:
        """The page on the screen."""
        return next((page for page in self.pages if page is self.currentPage()), self.start_page)

    def show_desk(self) -> None:
        """Bring the page on the screen, the list and the buttons up to date."""
        if self._ended:
            return
        page = self.page_now
        page.show_desk()
        self._show_gate(page)
        if self._focus_waits and not isinstance(self.focusWidget(), QLineEdit | QAbstractSpinBox):  # nobody is typing
            self._take_focus()

    def _show_gate(self, page: StepPage) -> None:
        """The list, and the buttons that a page opens and closes; live figures change them too."""
        self.steps.show_state(page, self.desk.begun and not self.desk.locked)
        anyway = self.button(QWizard.WizardButton.CustomButton1)
        anyway.setVisible(page is not self.start_page)
        anyway.setEnabled(self.desk.begun and bool(page.problems) and not page.isComplete() and not page.working())
        anyway.setToolTip("\n".join(page.problems))
        self.button(QWizard.WizardButton.BackButton).setEnabled(page is not self.start_page and not self.desk.locked)

    def continue_anyway(self) -> None:
        """Ask why, keep the reason, and open the next page."""
        page = self.page_now
        reason = self._questions.reason("\n".join(page.problems))
        if reason:
            page.override(reason)
            self.show_desk()

    def _on_page(self, _: int) -> None:
        if self._ended or self.currentPage() is None:
            return
        if self.desk.begun or self.start_page.imported is not None:
            self.page_now.enter()
        self.show_desk()
        self._take_focus()

    def _tick(self) -> None:
        self.capturing.watch()
        self.page_now.tick()
        self._ticks += 1
        if self._ticks % SLOW_TICKS == 0:
            self._show_gate(self.page_now)

    def _take_focus(self) -> None:
        """The keyboard goes to what is to be done next: the page's own button, or the next page."""
        page = self.page_now
        following = self.button(
            QWizard.WizardButton.FinishButton if page is self.save_page else QWizard.WizardButton.NextButton
        )
        done = page.isComplete() and following.isEnabled() and page is not self.start_page
        wanted = following if done else page.first
        self._focus_waits = not wanted.isEnabled()
        if wanted.isEnabled():
            wanted.setFocus(Qt.FocusReason.OtherFocusReason)

    # ---- the end -------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Save the new version; the draft has served."""
        path = self.save_page.save()
        if path is None:
            return
        self.saved = path
        self.opens = path if self.save_page.open_live.isChecked() else None
        self._end(discard=True)
        super().accept()
        if self.opens is not None:
            self.calibrated.emit(path)

    def reject(self) -> None:
        """Ask what becomes of the draft, then close."""
        discard = False
        if self.desk.begun and not self._ended:
            unwritten = len(self.desk.draft.unwritten)
            if unwritten and self.desk.safely(self.desk.draft.retry):  # there may be room by now
                unwritten = 0
            closing = self._questions.closing(len(self.desk.captures()), unwritten)
            if closing is Closing.STAY:
                return
            discard = closing is Closing.DISCARD
        self._end(discard=discard)
        super().reject()

    def leave(self) -> None:
        """Close without asking; the draft stays on disk."""
        self._end(discard=False)
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Closing the window asks as the button does."""
        event.ignore()
        if self._ended:
            event.accept()
        else:
            self.reject()

    def _end(self, *, discard: bool) -> None:
        if self._ended:
            return
        self._ended = True
        self._timer.stop()
        self.capturing.cancel()
        self.fitting.cancel()
        self.desk.feed.stop()
        self.capturing.wait()
        if self.desk.begun:
            draft = self.desk.draft
            self.desk.forget()
            if discard:
                self.desk.safely(draft.discard)
        self.ended.emit()
