"""A whole calibration without a window: capture, judge, fit, verify, save. Nothing captured is lost on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from livecassi.app.calibrating.draft import Draft
from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.calibrating.procedure import capture_step, judge_capture, missing_steps
from livecassi.app.calibrating.rig import Rig
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.calibration import Calibration, CalibrationError, CalibrationInvalidError
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check, Verdict, worst
from livecassi.calibration.fitting.fit import Fitted, fit_calibration
from livecassi.calibration.fitting.settings import FitSettings, FitWatch
from livecassi.calibration.fitting.sorting import LEAST_LINES
from livecassi.calibration.store import save_calibration
from livecassi.drivers import LivecassiError

Fit = Callable[[Sequence[Capture], FitSettings, FitWatch | None], Fitted]


@dataclass(frozen=True, slots=True)
class RunWatch:
    """What a run tells on its way.

    `step(step, number, of)` before each capture, `frames(done)` within it, `judged(step, checks)` after it;
    `fit` watches the fit; `disk_refused(error)` is asked whether to try again.
    """

    step: Callable[[CaptureStep, int, int], None] = lambda _step, _number, _of: None
    frames: Callable[[int], None] = lambda _done: None
    judged: Callable[[CaptureStep, tuple[Check, ...]], None] = lambda _step, _checks: None
    fit: FitWatch = field(default_factory=FitWatch)
    disk_refused: Callable[[CalibrationError], bool] = lambda _error: False


def run_plan(
    plan: CalibrationPlan | None,
    rig: Rig | None,
    draft_folder: Path,
    watch: RunWatch | None = None,
    *,
    out: Path | None = None,
    library: Library | None = None,
    parent_id: str = "",
    anyway: str = "",
    repeat: Sequence[str] = (),
    fit: Fit = fit_calibration,
) -> tuple[Fitted, Path]:
    """Follow a plan to a saved calibration: into `out`, or as the active version of the `library`.

    A draft that is there is gone on with, else one is made; it is removed once the calibration is saved. `plan` None:
    that of the draft; else it takes the place of the draft's, and captures of lines that it does not have are taken
    out. `rig` None serves where every capture comes from files. A capture or a fit that fails a check ends the run,
    unless `anyway` gives a reason to go on, which is noted in the calibration. `repeat`: titles of captures of the
    draft ("line 532 nm", or a part of it) that are taken out and anew.

    Raises `SourceError` (a lost camera), `CalibrationError`, each with how to go on; the draft is kept.
    """
    watch = watch or RunWatch()
    if plan is not None:
        require_sufficient(plan)
    if plan is None or draft_folder.exists():
        draft = Draft.open(draft_folder)
    else:
        draft = Draft.create(draft_folder, plan, parent_id)
    with draft:
        try:
            if plan is not None and plan != draft.plan:
                _follow(draft, plan, watch)
            require_sufficient(draft.plan)
            for title in repeat:
                _take_out(draft, title, watch)
            _capture_all(draft, rig, watch, anyway)
            camera = rig.source.info if rig is not None else None
            settings = draft.plan.fit_settings(draft.parent_id, draft.overrides, camera)
            fitted = fit(as_planned(draft.captures, draft.plan), settings, watch.fit)
            failed = [check for check in fitted.checks if check.verdict is Verdict.FAIL]
            if failed and not anyway:
                raise CalibrationInvalidError(f"the fit is not good enough: {_words(failed)}")
            if failed:
                _kept(draft, watch, partial(draft.override, ", ".join(check.name for check in failed), anyway))
            fitted = replace(fitted, calibration=stamped(fitted.calibration, draft))
            path = _saved(fitted.calibration, out, library)
        except LivecassiError as error:
            raise type(error)(f"{error}. Nothing captured is lost: go on with --resume {draft_folder}") from error
        draft.discard()
    return fitted, path


def stamped(calibration: Calibration, draft: Draft) -> Calibration:
    """The calibration with the plan that led to it and every "continue anyway" in its record: what is saved."""
    header = calibration.header
    if header.record is None:
        return calibration
    plan = draft.plan.model_dump(mode="json", exclude_defaults=True)
    overrides = tuple(dict.fromkeys((*header.record.overrides, *draft.overrides)))
    record = header.record.model_copy(update={"plan": plan, "overrides": overrides})
    return replace(calibration, header=header.model_copy(update={"record": record}))


def as_planned(captures: Sequence[Capture], plan: CalibrationPlan) -> list[Capture]:
    """The captures with what the plan says now of their lines: width, name, and where they are expected."""
    lines = {line.nm: line.line for line in plan.line}

    def planned(capture: Capture) -> Capture:
        known = lines.get(capture.line.wavelength_nm) if capture.line is not None else None
        return capture if known is None else replace(capture, line=known)

    return [planned(capture) for capture in captures]


def require_sufficient(plan: CalibrationPlan) -> None:
    """Before anything is captured: whether this plan can end in a calibration at all. Raises as `run_plan`."""
    missing = [name for name in ("dark", "flat", "white") if not getattr(plan, name).frames]
    lines = sum(not line.verify for line in plan.line)
    if lines < LEAST_LINES:
        missing.append(f"lines (it has {lines}, needed are {LEAST_LINES} or more besides that of the verification)")
    if missing:
        raise CalibrationInvalidError(f"the plan leaves out what a fit needs: {', '.join(missing)}; add it to the plan")
    plan.fit_settings()


def _take_out(draft: Draft, title: str, watch: RunWatch) -> None:
    """Captures with that title, or with titles that contain it where none has it."""
    wanted = title.strip().lower()
    found = [c for c in draft.captures if c.title.lower() == wanted] or [
        c for c in draft.captures if wanted in c.title.lower()
    ]
    if not found or not wanted:
        known = ", ".join(dict.fromkeys(f"'{capture.title}'" for capture in draft.captures)) or "none"
        raise CalibrationInvalidError(f"the draft has no capture '{title}' to repeat; it has {known}")
    for capture in found:
        _kept(draft, watch, partial(draft.remove, capture.id))


def _follow(draft: Draft, plan: CalibrationPlan, watch: RunWatch) -> None:
    """Another plan for a draft: its exposure stays where the plan leaves it open."""
    _kept(draft, watch, partial(draft.change_plan, plan.at_exposure(plan.exposure_us or draft.plan.exposure_us)))
    planned = {line.nm for line in plan.line}
    for capture in draft.captures:
        if capture.line is not None and capture.line.wavelength_nm not in planned:
            _kept(draft, watch, partial(draft.remove, capture.id))


def _capture_all(draft: Draft, rig: Rig | None, watch: RunWatch, anyway: str) -> None:
    _settle_exposure(draft, rig, watch)
    steps = missing_steps(draft.plan, draft.captures)
    for number, step in enumerate(steps, start=1):
        watch.step(step, number, len(steps))
        capture = _captured(step, rig, watch)
        _kept(draft, watch, partial(draft.add, capture))
        checks = judge_capture(capture, draft.captures, draft.plan)
        watch.judged(step, checks)
        if worst(checks) is not Verdict.FAIL:
            continue
        failed = [check for check in checks if check.verdict is Verdict.FAIL]
        if anyway:
            _kept(draft, watch, partial(draft.override, f"{step.title}, {failed[0].name}", anyway))
            continue
        _kept(draft, watch, partial(draft.remove, capture.id))
        raise CalibrationInvalidError(f"the capture '{step.title}' cannot be used: {_words(failed)}")


def _settle_exposure(draft: Draft, rig: Rig | None, watch: RunWatch) -> None:
    """Where the plan leaves the exposure open, the rig chooses it, before the first capture."""
    plan = draft.plan
    if plan.exposure_us is None and rig is not None and any(step.frames_from is None for step in plan.steps()):
        exposure_us = rig.choose_exposure()
        _kept(draft, watch, partial(draft.change_plan, plan.at_exposure(exposure_us)))


def _captured(step: CaptureStep, rig: Rig | None, watch: RunWatch) -> Capture:
    if step.frames_from is None:
        if rig is None:
            raise CalibrationInvalidError(
                f"'{step.title}' needs a camera and none was named; name one with --source, or give the step "
                "frames_from in the plan"
            )
        rig.prepare(step)
    return capture_step(step, rig, report=watch.frames)


def _kept(draft: Draft, watch: RunWatch, change: Callable[[], None]) -> None:
    """Change the draft; where the disk refuses, whoever watches may make room and have it tried again."""
    try:
        change()
    except CalibrationError as error:
        refused = error
        while watch.disk_refused(refused):
            try:
                draft.retry()
            except CalibrationError as again:
                refused = again
            else:
                return
        raise


def _saved(calibration: Calibration, out: Path | None, library: Library | None) -> Path:
    if out is None:
        return (library or Library()).save(calibration)
    save_calibration(calibration, out)
    return out


def _words(checks: Sequence[Check]) -> str:
    return "; ".join(check.words for check in checks)
