"""What an exported network says about itself: a card inside the ONNX file."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from livecassi.calibration import System
from livecassi.engines.errors import NetworkFileError
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.onnx_tensors import metadata_entries
from livecassi.engines.weights import TrainingState
from livecassi.engines.weights.card import first_fault

if TYPE_CHECKING:
    import onnx

CARD_KEY = "livecassi_network"
SCHEMA_VERSION = 1
_AGAIN = "export it with 'livecassi export-network'"


class MaskPlace(StrEnum):
    """Where a network has the mask from: one mask is part of it, it is an input, or the network looks at none."""

    BAKED = "baked"
    INPUT = "input"
    NONE = "none"


class NetworkCard(BaseModel):
    """The card of an exported network for scenes of `height` x `width`.

    `bands`, `wavelengths_nm` and `step_px` are those of the calibration that it was exported for, else those of its
    weights; None where their makers did not publish them. `mask_id` is `livecassi.engines.weights.mask_id` of a mask
    that is baked in. A measurement of full scale is multiplied by `input_scale` before the network sees it: the inverse
    of the largest response of the calibration, 1 without. `weights_sha256` is that of the tensors on the card of the
    weights, and `weights_state` how far they were trained.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: int = SCHEMA_VERSION
    network: str
    system: System
    bands: int = Field(ge=1)
    wavelengths_nm: tuple[float, ...] | None = None
    step_px: float | None = Field(default=None, ge=0)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    precision: Precision
    opset: int = Field(ge=1)
    mask: MaskPlace
    mask_id: str | None = None
    calibration_id: str | None = None
    input_scale: float = Field(default=1.0, gt=0)
    weights: str
    weights_sha256: str
    weights_state: TrainingState
    livecassi: str
    created: AwareDatetime

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.wavelengths_nm is not None and len(self.wavelengths_nm) != self.bands:
            raise ValueError(f"{len(self.wavelengths_nm)} wavelengths were given for {self.bands} bands")
        if (self.mask is MaskPlace.BAKED) != (self.mask_id is not None):
            raise ValueError(f"mask is '{self.mask}' and mask_id {self.mask_id}; a baked mask has an id, no other has")
        return self


def add_card(model: "onnx.ModelProto", card: NetworkCard) -> None:
    """Write the card into a network; one that is there is replaced."""
    others = [entry for entry in model.metadata_props if entry.key != CARD_KEY]
    kept = [(entry.key, entry.value) for entry in others]
    del model.metadata_props[:]
    for key, value in (*kept, (CARD_KEY, card.model_dump_json())):
        model.metadata_props.add(key=key, value=value)


def read_network_card(network: Path | bytes) -> NetworkCard:
    """The card of an exported network, a file or its bytes, read without any package for ONNX.

    Raises `NetworkFileError`: not there, no ONNX, cut off, without a card, with one of another schema, or one that is
    not valid.
    """
    title = "the network" if isinstance(network, bytes) else str(network)
    try:
        content = network if isinstance(network, bytes) else network.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"{title} cannot be read ({error.strerror or error}); choose another file") from error
    text = metadata_entries(content, title).get(CARD_KEY)
    if text is None:
        raise NetworkFileError(f"{title} has no card of livecassi, another program made it; {_AGAIN}")
    return _parsed(text, title)


def _parsed(text: str, title: str) -> NetworkCard:
    try:
        version = from_json(text)["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise NetworkFileError(f"the card in {title} names no schema_version; {_AGAIN}") from error
    if version != SCHEMA_VERSION:
        raise NetworkFileError(
            f"the card in {title} has schema version {version!r}, this livecassi reads {SCHEMA_VERSION}; {_AGAIN}"
        )
    try:
        return NetworkCard.model_validate_json(text)
    except ValidationError as error:
        raise NetworkFileError(f"the card in {title} is not valid ({first_fault(error)}); {_AGAIN}") from error
