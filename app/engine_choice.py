"""Which engines can run here, and which one runs where nobody named one."""

import logging
from collections.abc import Collection, Mapping
from itertools import pairwise

from livecassi.app.engine_slot import FirstSteps
from livecassi.calibration import Calibration
from livecassi.engines import Engine, EngineError, EngineSpec, build_engine
from livecassi.engines.registry import find_spec, parsed_options
from livecassi.engines.runtimes.preparation import Progress

log = logging.getLogger(__name__)

AUTO = "auto"
PREFERRED = ("live", "gap-tv")  # the better first; the last one serves every bench


def chosen_engine(
    specs: Mapping[str, EngineSpec], name: str, calibration: Calibration, options: Collection[str] = ()
) -> str:
    """`name`, or for "auto" the best engine that serves the calibration here and knows these options."""
    return _candidates(specs, calibration, options)[0] if name == AUTO else name


def build_chosen(
    specs: Mapping[str, EngineSpec], name: str, calibration: Calibration, options: Mapping[str, str] | None = None
) -> Engine:
    """The engine `name`; for "auto" the best that can be built, and the log says why a better one could not.

    Raises as `build_engine` does, for "auto" where the last candidate cannot be built either.
    """
    candidates = _candidates(specs, calibration, options or {}) if name == AUTO else [name]
    parsed_options(find_spec(specs, candidates[0]), options or {})  # nonsense is no reason for another engine
    for candidate, next_best in pairwise(candidates):
        try:
            return build_engine(specs, candidate, calibration, options)
        except EngineError as error:
            log.warning("engine '%s' could not be built: %s; '%s' takes its place", candidate, error, next_best)
    return build_engine(specs, candidates[-1], calibration, options)


def first_steps(
    specs: Mapping[str, EngineSpec],
    name: str,
    calibration: Calibration,
    options: Mapping[str, str] | None = None,
    needed_only: bool = False,
) -> FirstSteps | None:
    """What must be made once before the engine `name` starts quickly here, or None; may take seconds to find out.

    `needed_only`: leave out what would only make it faster. Raises as `build_engine` does.
    """
    spec = find_spec(specs, chosen_engine(specs, name, calibration, options or {}))
    if not serves(spec, calibration, options or {}) and not _may_by_file(spec, calibration, options or {}):
        return None  # `build_chosen` says why
    parsed = parsed_options(spec, options or {})
    preparation = spec.preparation(calibration, parsed)
    if preparation is None or (needed_only and not preparation.needed):
        return None
    instead = preparation.meanwhile
    meanwhile = None if instead is None else lambda: spec.build(calibration, {**parsed, **instead})
    return FirstSteps(preparation.run, meanwhile)


def prepare_engine(
    specs: Mapping[str, EngineSpec],
    name: str,
    calibration: Calibration,
    options: Mapping[str, str] | None,
    progress: Progress,
) -> None:
    """Make what `build_chosen` could not do without, at once. Raises `EngineError`."""
    steps = first_steps(specs, name, calibration, options, needed_only=True)
    if steps is not None:
        steps.prepare(progress)


def why_not(spec: EngineSpec, calibration: Calibration) -> str:
    """Why an engine cannot run as it comes, for this calibration on this machine; empty where it can."""
    if lacking := spec.missing():
        return lacking
    if calibration.system not in spec.systems:
        made_for = ", ".join(sorted(spec.systems))
        return f"made for {made_for}; this calibration is for {calibration.system}"
    return spec.unfit(calibration)


def wanted_file(spec: EngineSpec, calibration: Calibration) -> str:
    """The option that must name a file before an engine can serve this calibration; empty for none."""
    return spec.wanting(calibration) if not spec.missing() and calibration.system in spec.systems else ""


def serves(spec: EngineSpec, calibration: Calibration, options: Collection[str] = ()) -> bool:
    """Whether an engine runs here for this calibration: as it comes, or with the file that these options name."""
    return not why_not(spec, calibration) or wanted_file(spec, calibration) in options


def _may_by_file(spec: EngineSpec, calibration: Calibration, options: Collection[str]) -> bool:
    """Whether a file that these options name may do what none that is known here does; the engine itself tells."""
    named = any(spec.options[key].files is not None for key in options if key in spec.options)
    return named and not spec.missing() and calibration.system in spec.systems


def _candidates(specs: Mapping[str, EngineSpec], calibration: Calibration, options: Collection[str]) -> list[str]:
    """At least one, the best first."""
    preferred = [name for name in PREFERRED if name in specs] or list(specs)
    known = [name for name in preferred if set(options) <= specs[name].options.keys()]
    return [name for name in known if serves(specs[name], calibration, options)] or preferred[-1:]
