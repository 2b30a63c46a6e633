"""Taking captures beside the window: bring the bench into its state, average the frames, keep them in the draft."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from livecassi.app.calibrating.procedure import capture_step
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.windows.background import Background
from livecassi.app.windows.wizard.benches import Workbench
from livecassi.app.windows.wizard.desk import Desk, Trouble
from livecassi.calibration.capture import Capture
from livecassi.drivers import Frame, LivecassiError, SourceError

T = TypeVar("T")
PATIENCE_S = 5.0


class CaptureGivenUpError(LivecassiError):
    """The operator stopped a capture."""


class Capturing(QObject):
    """One capture after the other, in a thread. `step` and `frames_done` say how far it is.

    `reconnect` opens a lost camera anew; without it the same source is started again.
    """

    changed = Signal()
    taken = Signal()  # a series has ended, also one that was given up

    def __init__(self, desk: Desk, reconnect: Callable[[], Workbench] | None = None) -> None:
        super().__init__(desk)
        self._desk, self._open_again = desk, reconnect
        self._cancelled = Event()
        self._work: QObject | None = None
        self._taken: list[Capture] = []  # by the present series
        self._shown = 0
        self._idle = Event()
        self._idle.set()
        self.step: CaptureStep | None = None
        self.frames_done = self.steps_done = self.steps_wanted = 0

    @property
    def busy(self) -> bool:
        """Whether a capture, a change at the bench or a reconnection is going on."""
        return self._work is not None

    def take(self, steps: Sequence[CaptureStep], replacing: Capture | None = None) -> None:
        """Take these captures; a repeated one takes the place of `replacing`."""
        if self.busy or not steps:
            return
        desk, taken = self._desk, list[Capture]()
        self._taken, self._shown = taken, 0
        refused: list[LivecassiError] = []
        self._cancelled, self.steps_done, self.steps_wanted = Event(), 0, len(steps)
        desk.locked = True
        self._idle.clear()
        desk.tell(None)

        def act() -> None:
            try:
                for step in steps:
                    taken.append(self._take_one(step, refused))
                    self.steps_done += 1
            finally:
                self._idle.set()

        def done(_: None, error: Exception | None) -> None:
            self._work, self.step, desk.locked = None, None, False
            self._show_taken()
            if replacing is not None and taken:
                desk.replaced(replacing, taken)
            if refused:
                desk.tell(Trouble(str(refused[0]), "Try again", desk.retry))
            if error is not None and not isinstance(error, CaptureGivenUpError) and not self._cancelled.is_set():
                self._tell(error)
            self.changed.emit()
            self.taken.emit()

        self._work = Background(act, done, name="capturing", parent=self)
        self.changed.emit()

    def prepare(self, step: CaptureStep) -> None:
        """Where the bench obeys by itself: show what `step` will see. Does nothing while something else goes on."""
        if not self.busy and self._desk.rig.automatic:
            self.beside(lambda: self._desk.rig.prepare(step))

    def beside(self, act: Callable[[], T], then: Callable[[T], None] = lambda _: None) -> None:
        """Do something else at the bench, and `then` with what came of it; nothing while the bench is busy."""
        if self.busy:
            return

        def done(value: T | None, error: Exception | None) -> None:
            self._work = None
            if error is not None:
                self._tell(error)
            else:
                then(value)  # type: ignore[arg-type]
            self.changed.emit()

        self._work = Background(act, done, name="bench", parent=self)
        self.changed.emit()

    def cancel(self) -> None:
        """Give up the capture that is being taken; those before it stay."""
        self._cancelled.set()

    def wait(self) -> None:
        """Wait until the capture that was given up has let go of the draft."""
        self._idle.wait(PATIENCE_S)

    def reconnect(self) -> None:
        """Open the lost camera again; nothing that was captured is touched."""
        if self.busy:
            return
        desk, open_again = self._desk, self._open_again
        desk.tell(Trouble("Reconnecting…", logged=False))

        def act() -> None:
            if open_again is not None:
                desk.feed.stop()
                desk.bench = open_again()
            desk.feed.reconnect()

        def done(_: None, error: Exception | None) -> None:
            self._work = None
            if error is None:
                desk.tell(None)
            else:
                self._tell(error)
            self.changed.emit()

        self._work = Background(act, done, name="reconnecting", parent=self)

    def watch(self) -> None:
        """Show what a series has captured so far, and look whether the camera is lost; a few times a second."""
        self._show_taken()
        error = self._desk.feed.error
        if error is not None and not self.busy and self._desk.trouble is None:
            self._tell(error)

    def _show_taken(self) -> None:
        new = self._taken[self._shown :]
        self._shown += len(new)
        if new:
            self._desk.on_captured(new)

    def _tell(self, error: Exception) -> None:
        lost = isinstance(error, SourceError) or self._desk.feed.error is not None
        if lost:
            kept = len(self._desk.captures())
            safe = "The capture taken so far is safe." if kept == 1 else f"The {kept} captures taken so far are safe."
            text = f"{error}. {safe}" if kept else str(error)
            self._desk.tell(Trouble(text, "Reconnect", self.reconnect))
        else:
            self._desk.tell(Trouble(str(error)))

    def _take_one(self, step: CaptureStep, refused: list[LivecassiError]) -> Capture:
        self.step, self.frames_done = step, 0
        capture = self._captured(step)
        try:
            self._desk.draft.add(capture)
        except LivecassiError as error:  # it stays in memory, and goes to disk when there is room
            refused.append(error)
        return capture

    def _captured(self, step: CaptureStep) -> Capture:
        rig = self._desk.rig
        if step.frames_from is not None:
            return capture_step(step, rig, report=self._report)
        rig.prepare(step)
        lent = self._desk.feed.frames()
        try:
            return capture_step(step, rig, frames=self._until_cancelled(lent), report=self._report)
        finally:
            lent.close()

    def _until_cancelled(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._cancelled.is_set():
                raise CaptureGivenUpError("the capture was given up; nothing was changed")
            yield frame

    def _report(self, done: int) -> None:
        self.frames_done = done
