"""The list of engines that an operator can choose from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from livecassi.calibration import Calibration, System
from livecassi.engines.engine import Engine
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError
from livecassi.engines.runtimes.preparation import Preparation


@dataclass(frozen=True, slots=True)
class OptionFiles:
    """The files that an option may name: what they are called, how their names end, and where to look first."""

    title: str
    suffixes: tuple[str, ...]
    folder: Callable[[], Path] = Path.home


@dataclass(frozen=True, slots=True)
class EngineOption:
    """One thing that can be set: parsed from text by `parse`, which raises ValueError for nonsense.

    `choices` names every text that is accepted, where they can be named; the default is one of them.
    `files` describes them where the text is the path of a file.
    """

    help: str
    default: str
    parse: Callable[[str], object]
    choices: tuple[str, ...] = ()
    files: OptionFiles | None = None


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """One line of the list: what an engine is, needs and costs, and how it is built.

    `build(calibration, options)` gets every option, parsed. `missing()` names what this machine lacks, or "";
    `unfit(calibration)` why the engine as it comes cannot serve a calibration of one of its systems, or "".
    `wanting(calibration)` names the option that would mend that with a file of the operator's, or "".
    `weights` says whether trained weights are needed and present ("none needed", "shipped", "missing: ...").
    `preparation(calibration, options)` is what must be made once before it starts quickly, or None; finding that out
    may take seconds. `runs_on()` says on which runtime it would run here, and why.
    """

    name: str
    title: str
    needs: str
    cost: str
    weights: str
    systems: frozenset[System]
    build: Callable[[Calibration, Mapping[str, object]], Engine]
    options: Mapping[str, EngineOption] = field(default_factory=dict)
    missing: Callable[[], str] = lambda: ""
    unfit: Callable[[Calibration], str] = lambda _: ""
    wanting: Callable[[Calibration], str] = lambda _: ""
    preparation: Callable[[Calibration, Mapping[str, object]], Preparation | None] = lambda _calibration, _options: None
    runs_on: Callable[[], str] = lambda: ""


def find_spec(specs: Mapping[str, EngineSpec], name: str) -> EngineSpec:
    """The engine `name` of the list. Raises `EngineUnavailableError`."""
    if name not in specs:
        raise EngineUnavailableError(f"there is no engine '{name}'; choose one of: {', '.join(specs)}")
    return specs[name]


def parsed_options(spec: EngineSpec, options: Mapping[str, str]) -> dict[str, object]:
    """Every option of an engine, parsed; what is not among `options` has its default.

    Raises `EngineUnavailableError` for an unknown option or nonsense.
    """
    parsed: dict[str, object] = {key: option.parse(option.default) for key, option in spec.options.items()}
    for key, text in options.items():
        if key not in spec.options:
            known = ", ".join(spec.options) or "none"
            raise EngineUnavailableError(f"engine '{spec.name}' has no option '{key}'; its options are: {known}")
        try:
            parsed[key] = spec.options[key].parse(text)
        except ValueError as error:
            raise EngineUnavailableError(
                f"option {key}={text} of engine '{spec.name}' is not valid: {error}. {spec.options[key].help}"
            ) from error
    return parsed


def build_engine(
    specs: Mapping[str, EngineSpec],
    name: str,
    calibration: Calibration,
    options: Mapping[str, str] | None = None,
) -> Engine:
    """The engine `name` made for `calibration`, with text options such as {"iterations": "80"}.

    Raises `EngineUnavailableError` (unknown name or option, something missing) or `EngineMismatchError`.
    """
    spec = find_spec(specs, name)
    if lacking := spec.missing():
        raise EngineUnavailableError(f"engine '{name}' cannot run here: {lacking}")
    if calibration.system not in spec.systems:
        made_for = ", ".join(sorted(spec.systems))
        raise EngineMismatchError(
            f"engine '{name}' is made for {made_for}, the calibration is for {calibration.system}; "
            "choose another engine"
        )
    return spec.build(calibration, parsed_options(spec, options or {}))
