"""The recipe of a training: a TOML file of people, read and checked before anything is drawn or built.

    [run]         network, system, length, batch, precision, optimiser, learning rate, how often to validate and keep
    [scenes]      where clips come from: a folder of real scenes, drawn ones, and their shares
    [validation]  the scenes that are scored
    [network]     what this network's own task reads

Keys that were left out have the defaults below.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from livecassi.calibration import System
from livecassi.engines.errors import TrainingError

Table = Mapping[str, object]

SECTIONS = ("run", "scenes", "validation", "network")
# What may change between the parts of one run: how long it is, where it runs, and how often it looks at itself.
FREE = frozenset(
    {
        "run.steps", "run.validate_every", "run.checkpoint_every", "run.log_every", "run.workers", "run.device",
        "run.compile", "run.start", "scenes.folder", "validation.folder", "network.cache",
    }
)  # fmt: skip


class RecipeError(TrainingError):
    """A recipe cannot be read, or asks for what is not there: correct the file."""


class RunPrecision(StrEnum):
    """What convolutions and matrix products of a training compute in; weights and loss stay in fp32.

    With fp32, NVIDIA GPUs may round what convolutions multiply to TF32, as torch does unless told otherwise.
    """

    FP32 = "fp32"
    BF16 = "bf16"


class Schedule(StrEnum):
    """How the learning rate goes on after the warm-up."""

    COSINE = "cosine"
    CONSTANT = "constant"


class Optimiser(StrEnum):
    """Which optimiser, both with the moments 0.9 and 0.999."""

    ADAM = "adam"
    ADAMW = "adamw"


class SamplesOn(StrEnum):
    """Where samples are made: in the loader's processes, or in the training's own on its device."""

    LOADER = "loader"
    DEVICE = "device"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RunRecipe(_Section):
    """How to train. `batch` is that of one process; `epoch`: the cosine changes the learning rate every so many steps;
    `floor`: the learning rate at its end; `start`: weights to begin with; `calibration`: the id of the bench that is
    adapted to, else empty; 0 switches clip, decay, EMA or validation off.
    """

    network: str
    system: System
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    precision: RunPrecision = RunPrecision.FP32
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")
    workers: int = Field(default=1, ge=0, le=256)
    samples_on: SamplesOn = SamplesOn.LOADER
    learning_rate: float = Field(gt=0)
    schedule: Schedule = Schedule.COSINE
    warmup: int = Field(default=0, ge=0)
    floor: float = Field(default=0.0, ge=0)
    epoch: int = Field(default=1, ge=1)
    optimiser: Optimiser = Optimiser.ADAM
    weight_decay: float = Field(default=0.0, ge=0)
    gradient_clip: float = Field(default=0.0, ge=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    validate_every: int = Field(default=1000, ge=0)
    checkpoint_every: int = Field(default=500, ge=1)
    log_every: int = Field(default=10, ge=1)
    channels_last: bool = False
    compile: bool = False
    start: Path | None = None
    calibration: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.warmup >= self.steps:
            raise ValueError(f"warmup is {self.warmup} steps of {self.steps}; expected fewer than all of them")
        if self.floor > self.learning_rate:
            raise ValueError(f"floor is {self.floor:g}, above learning_rate {self.learning_rate:g}")
        return self


class ScenesRecipe(_Section):
    """Where clips come from: `synthetic` is the share of drawn ones; without a `folder` all are drawn."""

    folder: Path | None = None
    synthetic: float = Field(default=0.3, ge=0, le=1)


class ValidationRecipe(_Section):
    """The folder with the validation scenes; without one a held-out drawn scene is scored."""

    folder: Path | None = None


class Recipe(_Section):
    """A whole recipe; `name` is that of its file."""

    name: str
    run: RunRecipe
    scenes: ScenesRecipe = Field(default_factory=ScenesRecipe)
    validation: ValidationRecipe = Field(default_factory=ValidationRecipe)
    network: dict[str, object] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """All keys but the name as JSON, always in the same order."""
        return json.dumps(self.model_dump(mode="json", exclude={"name"}), sort_keys=True)

    def differences(self, other_text: str) -> list[str]:
        """How this recipe differs from the text of another in keys that may not change within a run.

        Keys that the other, an older one, does not know yet have their defaults there.
        """
        own, other = flat(json.loads(self.text)), flat(json.loads(_completed(other_text)))
        return [
            f"{key} = {own.get(key, 'not given')}, there {other.get(key, 'not given')}"
            for key in sorted(own.keys() | other.keys())
            if key not in FREE and own.get(key) != other.get(key)
        ]


def _completed(text: str) -> str:
    try:
        return Recipe.model_validate({**json.loads(text), "name": ""}).text
    except ValidationError:
        return text


Parsed = TypeVar("Parsed", bound=BaseModel)


def read_recipe(path: Path, changes: Iterable[str] = ()) -> Recipe:
    """The recipe in a file, with `changes` such as `run.batch=4`.

    Raises `RecipeError`: not there, no TOML, or keys that are missing, unknown or senseless.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise RecipeError(
            f"the recipe {path} cannot be read ({reason}); see 'livecassi train --list', or name a .toml file"
        ) from error
    return parse_recipe(text, path.stem, path, changes)


def parse_recipe(text: str, name: str, where: object, changes: Iterable[str] = ()) -> Recipe:
    """The recipe in a TOML text; `where` names it in errors. Raises `RecipeError`."""
    try:
        content: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"the recipe {where} is not TOML ({error}); correct that place") from error
    if unknown := [key for key in content if key not in SECTIONS]:
        raise RecipeError(
            f"the recipe {where} has a section or key '{unknown[0]}' at its top; expected only the sections "
            f"{', '.join(f'[{section}]' for section in SECTIONS)}"
        )
    for change in changes:
        _change(content, change)
    return parse_table(Recipe, {**content, "name": name}, where)


def parse_table(model: type[Parsed], table: Table, where: object, section: str = "") -> Parsed:
    """A table as its model; tasks read the section [network] with it. Raises `RecipeError` with file and key."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        faults = "; ".join(_fault(dict(fault), section) for fault in error.errors()[:5])
        raise RecipeError(f"the recipe {where} cannot be used: {faults}; correct it") from error


def flat(table: Table, prefix: str = "") -> dict[str, object]:
    """The values of nested tables under keys such as `run.batch`."""
    values: dict[str, object] = {}
    for key, value in table.items():
        values |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return values


def _fault(fault: dict[str, object], section: str) -> str:
    place, kind, message = fault["loc"], fault["type"], str(fault["msg"]).removeprefix("Value error, ")
    key = ".".join(part for part in (section, *map(str, place if isinstance(place, tuple) else ())) if part)
    if kind == "extra_forbidden":
        return f"there is no key '{key}'"
    if kind == "missing":
        return f"the key '{key}' is missing"
    found = "" if kind == "value_error" else f", found {fault['input']!r}"
    return f"{key}: {message}{found}"


def _change(content: dict[str, object], change: str) -> None:
    """Apply `section.key=value`; a value that is no TOML is taken as text."""
    key, equals, value = change.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not sections or not last:
        raise RecipeError(f"'{change}' changes no recipe; expected SECTION.KEY=VALUE, such as run.batch=4")
    try:
        parsed: object = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table = content
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"'{change}' changes no recipe: '{section}' is a value, not a section")
        table = inner
    table[last] = parsed
