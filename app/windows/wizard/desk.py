"""The desk: what all pages of the wizard work on - the bench, the draft, and what was found out about its captures."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from pydantic import ValidationError
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from livecassi.app.calibrating.draft import Draft
from livecassi.app.calibrating.feed import Feed
from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan
from livecassi.app.calibrating.procedure import judge_capture
from livecassi.app.calibrating.rig import Rig
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.windows.wizard.benches import Workbench
from livecassi.app.windows.wizard.latest import Latest
from livecassi.calibration import Calibration, CalibrationInvalidError
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check, Verdict, worst
from livecassi.drivers import LivecassiError

log = logging.getLogger(__name__)

Judgement = tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that went wrong, in words, and a button that does something about it."""

    text: str
    remedy: str = ""
    act: Callable[[], None] = lambda: None
    logged: bool = True


class Desk(QObject):
    """Holds bench, draft, judgements and the stack of edits. Lives in the window's thread.

    `changed`: captures, plan, judgements, trouble or what runs are others now. While `locked`, a capture is being
    added by another thread and nothing may be edited. `parent_calibration` is the version that a new one begins from.
    """

    changed = Signal()

    def __init__(self, bench: Workbench, library: Library, drafts: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.bench, self.library, self.drafts = bench, library, drafts
        self.undo = QUndoStack(self)
        self.parent_calibration: Calibration | None = None
        self.locked = False
        self.trouble: Trouble | None = None
        self._draft: Draft | None = None
        self._judged: dict[str, Judgement] = {}
        self._stale: set[str] = set()
        self._judging: Latest[dict[str, Judgement]] = Latest("judging", self)

    @property
    def rig(self) -> Rig:
        """Who brings the bench into a state."""
        return self.bench.rig

    @property
    def feed(self) -> Feed:
        """Who reads the camera."""
        return self.bench.feed

    # ---- the draft -----------------------------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Whether there is a draft."""
        return self._draft is not None

    @property
    def draft(self) -> Draft:
        """What is being made. Raises `RuntimeError` before the first page was left."""
        if self._draft is None:
            raise RuntimeError("there is no draft yet")
        return self._draft

    @property
    def plan(self) -> CalibrationPlan:
        """What is to be captured, and in which way."""
        return self.draft.plan

    def adopt(self, draft: Draft, parent: Calibration | None = None) -> None:
        """Work on this draft from now on."""
        self._draft, self.parent_calibration = draft, parent
        self.undo.clear()
        self._judged.clear()
        self._judge({capture.id for capture in draft.captures})
        self.changed.emit()

    def forget(self) -> None:
        """Let go of the draft; it stays on disk."""
        if self._draft is not None:
            self._draft.close()
        self._draft = None
        self._judging.cancel()

    def captures(self, *kinds: CaptureKind) -> list[Capture]:
        """Those that count, oldest first; of these kinds, or all."""
        if self._draft is None:
            return []
        return [capture for capture in self._draft.captures if not kinds or capture.kind in kinds]

    def steps(self, *kinds: CaptureKind) -> tuple[CaptureStep, ...]:
        """The steps of the plan of these kinds, in order."""
        return tuple(step for step in self.plan.steps() if step.kind in kinds) if self.begun else ()

    def safely(self, act: Callable[[], None], again: Callable[[], None] | None = None) -> bool:
        """Change what lies on disk; where the disk refuses, say so and offer to try again; whether it went well.

        `again`: what the button does, where that is not to write the draft again.
        """
        try:
            act()
        except LivecassiError as error:
            self.tell(Trouble(str(error), "Try again" if again is None else "Close", again or self.retry))
            return False
        return True

    def retry(self) -> None:
        """Write again what the disk refused."""
        self.tell(None)
        self.safely(self.draft.retry)

    def tell(self, trouble: Trouble | None) -> None:
        """Show a trouble on every page, or none."""
        if trouble is not None and trouble.logged:
            log.error("%s", trouble.text)
        self.trouble = trouble
        self.changed.emit()

    # ---- judgement -----------------------------------------------------------------------------------------------

    def judgement(self, capture_id: str) -> Judgement | None:
        """What is known of a capture; None while it is being judged."""
        return self._judged.get(capture_id)

    @property
    def judging(self) -> bool:
        """Whether judgements are still to come."""
        return bool(self._stale)

    def on_captured(self, captures: Sequence[Capture]) -> None:
        """New captures lie in the draft: judge them."""
        everything = any(capture.kind is CaptureKind.DARK for capture in captures)
        self._judge({c.id for c in captures} | self._doubtful(everything))
        self.changed.emit()

    def _doubtful(self, everything: bool) -> set[str]:
        return {
            capture.id
            for capture in self.captures()
            if everything or worst(self._judged.get(capture.id, ())) is not Verdict.PASS
        }

    def _judge(self, capture_ids: Collection[str]) -> None:
        present = tuple(self.captures())
        self._stale = (self._stale | set(capture_ids)) & {capture.id for capture in present}
        wanted = [capture for capture in reversed(present) if capture.id in self._stale]
        if not wanted:
            return
        plan = self.plan

        def act(cancelled: Event) -> dict[str, Judgement]:
            found: dict[str, Judgement] = {}
            for capture in wanted:
                if cancelled.is_set():
                    break
                found[capture.id] = judge_capture(capture, [c for c in present if c.id != capture.id], plan)
            return found

        def done(found: dict[str, Judgement] | None, error: Exception | None) -> None:
            self._judged.update(found or {})
            self._stale -= set(found or {})
            if error is not None:
                self._stale.clear()
                self.tell(Trouble(f"A capture cannot be judged: {error}"))
            self.changed.emit()

        self._judging.ask(act, done)

    # ---- edits, each can be undone -------------------------------------------------------------------------------

    def remove(self, capture: Capture) -> None:
        """Take a capture out; its file stays."""
        self._push(f"delete {capture.title}", lambda: self._swap([], [capture]), lambda: self._swap([capture], []))

    def replaced(self, old: Capture, new: Sequence[Capture]) -> None:
        """A repeated capture takes the place of an older one."""
        self._push(
            f"repeat {old.title}",
            lambda: self._swap(new, [old]),
            lambda: self._swap([old], new),
        )

    def set_plan(self, **changes: object) -> None:
        """Other values in the plan, not on the stack of edits. Raises `CalibrationInvalidError` for what cannot be."""
        plan = changed_plan(self.plan, **changes)
        if plan != self.plan:
            self._change_plan(plan)

    def edit_plan(self, text: str, **changes: object) -> None:
        """Other values in the plan, which can be undone; captures stay. Raises as `set_plan`."""
        plan = changed_plan(self.plan, **changes)
        before = {name: getattr(self.plan, name) for name in changes}
        if plan != self.plan:
            self._push(text, lambda: self.set_plan(**changes), lambda: self.set_plan(**before))

    def edit_line(self, index: int, line: LinePlan) -> None:
        """Another wavelength, width or name for a line; what was captured under it is relabelled.

        Raises `CalibrationInvalidError` where the plan has such a line already.
        """
        before = self.plan.line
        was = before[index]
        lines = (*before[:index], line, *before[index + 1 :])
        changed_plan(self.plan, line=lines)
        old = captures_of_line(self.captures(CaptureKind.LINE, CaptureKind.VERIFY), was)
        new = [replace(capture, line=line.line) for capture in old]

        def redo() -> None:
            self.set_plan(line=lines)
            self._swap(new, old)

        def undo() -> None:
            self.set_plan(line=before)
            self._swap(old, new)

        self._push(f"change line {was.nm:g} nm", redo, undo)

    def _push(self, text: str, redo: Callable[[], None], undo: Callable[[], None]) -> None:
        if not self.locked:
            self.undo.push(_Edit(text, redo, undo))

    def _change_plan(self, plan: CalibrationPlan) -> None:
        self.safely(lambda: self.draft.change_plan(plan))
        self._judge({capture.id for capture in self.captures()})
        self.changed.emit()

    def _swap(self, wanted: Sequence[Capture], unwanted: Sequence[Capture]) -> None:
        present = {capture.id for capture in self.captures()}
        for capture in unwanted:
            if capture.id in present:
                self.safely(lambda c=capture: self.draft.remove(c.id))  # type: ignore[misc]
        for capture in wanted:
            if capture.id not in present:
                self.safely(lambda c=capture: self._bring_back(c))  # type: ignore[misc]
        dark = any(c.kind is CaptureKind.DARK for c in (*wanted, *unwanted))
        self._judge({c.id for c in wanted} | self._doubtful(dark))
        self.changed.emit()

    def _bring_back(self, capture: Capture) -> None:
        if capture.id in {removed.id for removed in self.draft.removed}:
            self.draft.restore(capture.id)
        else:
            self.draft.add(capture)


def changed_plan(plan: CalibrationPlan, **changes: object) -> CalibrationPlan:
    """The plan with other values. Raises `CalibrationInvalidError` in words for values that cannot be."""
    try:
        return CalibrationPlan.model_validate({**dict(plan), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise CalibrationInvalidError(first["msg"].removeprefix("Value error, ")) from error


class _Edit(QUndoCommand):
    """One edit as two acts; pushing it does it."""

    def __init__(self, text: str, redo: Callable[[], None], undo: Callable[[], None]) -> None:
        super().__init__(text)
        self._redo, self._undo = redo, undo

    def redo(self) -> None:
        self._redo()

    def undo(self) -> None:
        self._undo()


def captures_of_line(captures: Sequence[Capture], line: LinePlan) -> list[Capture]:
    """The captures that were taken under a line of the plan."""
    return [c for c in captures if c.line is not None and abs(c.line.wavelength_nm - line.nm) < 1e-6]
