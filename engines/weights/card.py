"""What a file of weights says about itself: whose, made for what, how far to be trusted."""

import hashlib
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from livecassi.calibration import System
from livecassi.engines.errors import WeightsError

CARD_KEY = "livecassi_weights"
SCHEMA_VERSION = 1


class TrainingState(StrEnum):
    """How far weights were trained. What is not fully trained is never shown without saying so."""

    TRAINED = "trained"
    PARTLY_TRAINED = "partly trained"
    UNTRAINED = "untrained"


class _CardPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SourceFile(_CardPart):
    """The file that weights were imported from: its name and the SHA-256 of its bytes."""

    name: str
    sha256: str


class ModelCard(_CardPart):
    """How weights came about: data, optimiser steps, hours, scores of the validation by name, and known limits."""

    training_data: str = ""
    steps: int | None = Field(default=None, ge=0)
    hours: float | None = Field(default=None, ge=0)
    validation: dict[str, float] = Field(default_factory=dict)
    limits: str = ""


class WeightsCard(_CardPart):
    """The card that every file of weights carries.

    `bands`, `step_px` and `system` are those that the weights were trained for; `wavelengths_nm` the band centres, or
    None where their makers did not publish them; `mask_id` that of the coded aperture (`mask_id`), where one mask was
    trained for. `tensors_sha256` covers names, types, shapes and bytes of all tensors; it is filled in on saving.
    """

    schema_version: int = SCHEMA_VERSION
    network: str
    system: System
    bands: int = Field(ge=1)
    step_px: float = Field(ge=0)
    wavelengths_nm: tuple[float, ...] | None = None
    mask_id: str | None = None
    tensors_sha256: str = ""
    source: SourceFile | None = None
    licence: str = ""
    created: AwareDatetime
    state: TrainingState
    model_card: ModelCard | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.wavelengths_nm is not None:
            if len(self.wavelengths_nm) != self.bands:
                raise ValueError(f"{len(self.wavelengths_nm)} wavelengths were given for {self.bands} bands")
            if np.any(np.diff(self.wavelengths_nm) <= 0) or self.wavelengths_nm[0] <= 0:
                raise ValueError("the wavelengths must ascend and be above 0 nm")
        return self

    @property
    def trained(self) -> bool:
        """Whether cubes may be shown without a warning."""
        return self.state is TrainingState.TRAINED


def parse_card(text: str, where: object) -> WeightsCard:
    """The card in JSON; `where` names the file in errors.

    Raises `WeightsError`: no JSON, of a newer livecassi, or with entries that are missing, unknown or senseless.
    """
    try:
        content = from_json(text)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"the card in {where} names no schema_version; it was not written by livecassi, import the original again"
        ) from error
    if version != SCHEMA_VERSION:
        raise WeightsError(
            f"the card in {where} has schema version {version!r}, this livecassi reads {SCHEMA_VERSION}; "
            "update livecassi, or import the original again"
        )
    try:
        return WeightsCard.model_validate_json(text)
    except ValidationError as error:
        raise WeightsError(
            f"the card in {where} is not valid ({first_fault(error)}); import the original again"
        ) from error


def first_fault(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    fault = first["msg"].removeprefix("Value error, ")
    return f"{field}: {fault}" if field else fault


def mask_id(mask: NDArray[np.float32]) -> str:
    """Identifies a coded aperture by its values: SHA-256 over the shape and the float32 grey values `(H, Wm)`.

    The same pattern has the same id whatever file it came from: compare with `mask_id(calibration.mask)`.
    """
    values = np.ascontiguousarray(mask, "<f4")
    return hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).hexdigest()
