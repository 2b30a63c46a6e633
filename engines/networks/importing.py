"""A checkpoint as its authors published it becomes tensors with a card."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from livecassi.calibration import System
from livecassi.engines.errors import WeightsError
from livecassi.engines.networks.loading import built, check_card, check_layout, require_torch
from livecassi.engines.networks.registry import NetworkSpec, find_network, network_specs
from livecassi.engines.weights import (
    SourceFile,
    TrainingState,
    WeightsCard,
    card_of,
    is_safetensors,
    load_state,
    read_checkpoint,
    read_header,
)
from livecassi.engines.weights.card import first_fault

if TYPE_CHECKING:
    from livecassi.engines.weights.tensors import State


@dataclass(frozen=True, slots=True)
class Imported:
    """What `save_weights` takes, and notes for people on what was changed on the way (types of tensors)."""

    card: WeightsCard
    state: "State"
    notes: tuple[str, ...]


def import_checkpoint(
    path: Path,
    network: str,
    system: System | str,
    *,
    wavelengths_nm: Sequence[float] | None = None,
    mask_id: str | None = None,
    licence: str | None = None,
    state: TrainingState | None = None,
    specs: Mapping[str, NetworkSpec] | None = None,
) -> Imported:
    """Read a checkpoint (.pth, .pt or .safetensors) for this network and system, and write its card.

    None leaves open what is not known; `state` is "trained" then, as authors publish trained weights. A file that has
    a card already keeps it, but for what is given here.

    Raises `EngineUnavailableError` (no such network, no torch), `EngineMismatchError` (another system, or a card of
    another network) or `WeightsError` (not a checkpoint, code in it, other tensors, NaN, senseless wavelengths).
    """
    specs = network_specs() if specs is None else specs
    spec = find_network(network, specs)
    system = spec.check_system(system)
    require_torch(network)
    from livecassi.engines.weights.tensors import in_float32

    card = _card_in(path)
    if card is None:
        tensors, notes = in_float32(read_checkpoint(path), path)
        card = _new_card(path, spec, system)
    else:
        check_card(card, spec, system, path)
        (_, tensors), notes = load_state(path), ()
    check_layout(tensors, built(spec, system), spec, system, path, specs)
    given = {
        "wavelengths_nm": None if wavelengths_nm is None else [float(nm) for nm in wavelengths_nm],
        "mask_id": mask_id,
        "licence": licence,
        "state": state,
    }
    return Imported(_filled_in(card, given), tensors, notes)


def _card_in(path: Path) -> WeightsCard | None:
    return card_of(read_header(path), path) if is_safetensors(path) else None


def _new_card(path: Path, spec: NetworkSpec, system: System) -> WeightsCard:
    with path.open("rb") as file:
        source = SourceFile(name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    return WeightsCard(
        network=spec.name,
        system=system,
        bands=spec.bands_for(system),
        step_px=spec.step_px,
        source=source,
        created=datetime.now(UTC).replace(microsecond=0),
        state=TrainingState.TRAINED,
    )


def _filled_in(card: WeightsCard, given: Mapping[str, object]) -> WeightsCard:
    known = {name: value for name, value in given.items() if value is not None}
    try:
        return WeightsCard.model_validate(card.model_dump() | known)
    except ValidationError as error:
        raise WeightsError(
            f"the weights cannot have this card ({first_fault(error)}); give one wavelength for each of the "
            f"{card.bands} bands, or none where they are not published"
        ) from error
