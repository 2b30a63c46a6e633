"""A page that takes captures of some kinds: live picture, instruction, button, lights and table."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from livecassi.app.calibrating.procedure import missing_steps, stands_for
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.windows.wizard.capture_bar import CaptureBar
from livecassi.app.windows.wizard.capture_table import CaptureTable
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.desk import Desk
from livecassi.app.windows.wizard.lights import LightList
from livecassi.app.windows.wizard.live_panel import LivePanel
from livecassi.app.windows.wizard.page import StepPage
from livecassi.app.windows.wizard.titles import title_of
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check

TWO_LINES_PX = 38  # of an instruction: what stands below does not jump with its length
SIDE_PX = (360, 400)  # narrowest and widest


class CapturePage(StepPage):
    """Takes what the plan asks for of `kinds`. `one_state`: all of them are taken with the bench as it stands."""

    most_lights = 8  # more would leave no room for the rest of the page

    def __init__(
        self,
        desk: Desk,
        capturing: Capturing,
        name: str,
        heading: str,
        *kinds: CaptureKind,
        one_state: bool = False,
    ) -> None:
        super().__init__(desk, name, heading)
        self.capturing, self.kinds, self._one_state = capturing, kinds, one_state
        self.live = LivePanel()
        self.bar, self.lights, self.table = CaptureBar(capturing), LightList(self.most_lights), CaptureTable()
        self.bar.capture_pressed.connect(self.capture_next)
        self.bar.all_pressed.connect(self.capture_all)
        self.table.delete_pressed.connect(self.delete)
        self.table.repeat_pressed.connect(self.repeat)
        self.instruction.setMinimumHeight(TWO_LINES_PX)
        self.instruction.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.lay_out()

    def lay_out(self) -> None:
        """Picture on the left, everything else on the right."""
        left = self.side()
        left.addWidget(self.live, 1)
        self.fill_side(self.side(*SIDE_PX))

    def fill_side(self, column: QVBoxLayout) -> None:
        """The right column, from top to bottom."""
        column.addWidget(self.bar)
        column.addWidget(self.lights)
        column.addWidget(self.table, 1)

    # ---- captures ------------------------------------------------------------------------------------------------

    @property
    def captures(self) -> list[Capture]:
        """Those of this page that count."""
        return self.desk.captures(*self.kinds)

    @property
    def missing(self) -> tuple[CaptureStep, ...]:
        """What the plan asks for here and no capture stands for."""
        if not self.desk.begun:
            return ()
        return tuple(s for s in missing_steps(self.desk.plan, self.desk.captures()) if s.kind in self.kinds)

    def capture_next(self) -> None:
        """Take the next capture that is missing."""
        self.capturing.take(self.missing[:1])

    def capture_all(self) -> None:
        """Take all that can be taken one after the other without anybody at the bench."""
        self.capturing.take(self.at_once)

    @property
    def at_once(self) -> tuple[CaptureStep, ...]:
        """What is missing and needs nobody at the bench in between."""
        missing = self.missing
        if self.desk.rig.automatic:
            return missing
        alike = tuple(step for step in missing if step.kind is missing[0].kind)
        return alike if self._one_state and alike[:1] and alike[0].kind is not CaptureKind.CHART else alike[:1]

    def delete(self, capture_id: str) -> None:
        """Take a capture out; it can be brought back."""
        self.desk.remove(self._capture(capture_id))

    def repeat(self, capture_id: str) -> None:
        """Take a capture again, in the place of this one."""
        capture = self._capture(capture_id)
        steps = [step for step in self.desk.steps(*self.kinds) if stands_for(capture, step)]
        self.capturing.take(steps[:1] or [_step_like(capture)], replacing=capture)

    def _capture(self, capture_id: str) -> Capture:
        return next(capture for capture in self.captures if capture.id == capture_id)

    # ---- what the page says --------------------------------------------------------------------------------------

    def checks(self) -> Sequence[Check]:
        """All that was judged of the captures here."""
        return [check for capture in self.captures for check in self.desk.judgement(capture.id) or ()]

    def lacks(self) -> str:
        """Which captures are missing."""
        missing = [step for step in self.missing if not step.optional]
        if not missing:
            return ""
        return f"missing: {title_of(missing[0])}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")

    def working(self) -> bool:
        """Whether a capture here is still being judged."""
        return any(self.desk.judgement(capture.id) is None for capture in self.captures)

    def enter(self) -> None:
        """Bring a bench that obeys by itself into the state of the next capture, so that it is seen."""
        steps = self.missing or self.desk.steps(*self.kinds)
        if steps:
            self.capturing.prepare(steps[0])

    @property
    def first(self) -> QWidget:
        """Where the keyboard begins."""
        return self.bar.capture

    def tick(self) -> None:
        """The newest frame, and how far a capture is."""
        self.live.follow(self.desk.feed)
        self.bar.tick()

    def refresh(self) -> None:
        """Instruction, button, lights and table."""
        missing = self.missing
        step = self.capturing.step or (missing[0] if missing else None)
        self.instruction.setText(self.words(step))
        self.show_next(missing[0] if missing else None)
        self.lights.show_checks(self.checks(), "Figures appear here after each capture.")
        captures = self.captures
        self.table.show_captures([(c, self.desk.judgement(c.id)) for c in captures], not self.desk.locked)

    def show_next(self, step: CaptureStep | None) -> None:
        """Write the next capture onto the button."""
        title = title_of(step) if step is not None else ""
        self.bar.show_state(title, len(self.at_once), self.desk.feed.running, self.nothing)

    @property
    def nothing(self) -> str:
        """What stands on the button where nothing is missing."""
        return "All captured"

    def words(self, step: CaptureStep | None) -> str:
        """What to do now."""
        if step is not None:
            return step.instruction
        return "All captures of this step are taken. Look at the figures; repeat what does not satisfy, or go on."


def _step_like(capture: Capture) -> CaptureStep:
    """A step that repeats a capture which the plan does not ask for any more."""
    return CaptureStep(capture.kind, capture.frames, capture.line, capture.exposure_us or None, gain_db=capture.gain_db)
