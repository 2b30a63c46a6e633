"""A plan out of its TOML file."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from livecassi.app.calibrating.plan import CalibrationPlan, StepPlan
from livecassi.calibration.errors import CalibrationInvalidError


def load_plan(path: Path) -> CalibrationPlan:
    """Read a plan. Raises `CalibrationInvalidError` that names the line or key that is wrong."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationInvalidError(
            f"the plan {path} cannot be read ({error}); 'livecassi calibrate plan' prints one to begin with"
        ) from error
    return parse_plan(text, path)


def parse_plan(text: str, path: Path) -> CalibrationPlan:
    """A plan from its text; `path` names it in errors, and its folder is where relative paths begin.

    Raises `CalibrationInvalidError`.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CalibrationInvalidError(f"the plan {path} is no TOML: {error}; correct it there") from error
    try:
        plan = CalibrationPlan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"]) or "the plan"
        found = "" if first["type"] in ("missing", "value_error") else f", found {first['input']!r}"
        raise CalibrationInvalidError(
            f"the plan {path} is wrong at '{where}': {first['msg'].removeprefix('Value error, ')}{found}; "
            "'livecassi calibrate plan' prints a plan with every key"
        ) from error
    return _beside(plan, path.parent)


def _beside(plan: CalibrationPlan, folder: Path) -> CalibrationPlan:
    """Relative paths become paths beside the plan."""

    def part(of: StepPlan) -> StepPlan:
        return of.model_copy(update={"frames_from": folder / of.frames_from}) if of.frames_from is not None else of

    parts = {name: part(getattr(plan, name)) for name in ("dark", "flat", "mask", "white", "chart")}
    lines = tuple(
        line.model_copy(update={"frames_from": folder / line.frames_from}) if line.frames_from is not None else line
        for line in plan.line
    )
    files = {name: getattr(plan, name) for name in ("design", "white_spectrum")}
    beside = {name: folder / path for name, path in files.items() if path is not None}
    return plan.model_copy(update={**parts, "line": lines, **beside})
