"""A file of weights: safetensors, with the card as JSON in its metadata under the key `CARD_KEY`."""

import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from livecassi.engines.errors import WeightsError
from livecassi.engines.weights.card import CARD_KEY, WeightsCard
from livecassi.engines.weights.header import check_content, read_bytes, read_card, read_header

if TYPE_CHECKING:
    from torch import Tensor

    from livecassi.engines.weights.tensors import State

log = logging.getLogger(__name__)


def save_weights(path: Path, card: WeightsCard, state: Mapping[str, "Tensor"], *, replace: bool = True) -> WeightsCard:
    """Write tensors with their card and give the card as written, with the hash of the tensors.

    A file that is there is replaced only once the new one is whole on disk; a failure leaves nothing behind.
    Raises `WeightsError`: NaN or infinite values, types that cannot be stored, a folder that cannot be written, or,
    where it is not to `replace` one, a file that is there, even if it came meanwhile.
    """
    from safetensors.torch import save

    from livecassi.engines.weights.tensors import check_finite, state_sha256, storable

    tensors = storable(state, path.name)
    check_finite(tensors, path.name)
    card = card.model_copy(update={"tensors_sha256": state_sha256(tensors)})
    content = save(tensors, metadata={"format": "pt", CARD_KEY: card.model_dump_json()})
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # several may write the same file at once
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not replace and path.exists():
            raise WeightsError(f"{path} is there already; choose another name, or have it replaced")
        partial.replace(path)
    except OSError as error:
        raise WeightsError(
            f"the weights cannot be written to {path} ({error.strerror or error}); "
            "choose a folder that can be written, with space"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return card


def load_state(path: Path) -> tuple[WeightsCard, "State"]:
    """The card and the tensors in float32 (whole numbers as they are), compared with the hash on the card.

    Raises `WeightsError`: not there, not safetensors, truncated, without a card, changed, NaN or infinite values.
    """
    from livecassi.engines.weights.tensors import in_float32

    card = read_card(path)
    data = read_bytes(path)
    check_content(read_header(path), card, data, path)
    state, notes = in_float32(parse_safetensors(data, path), path)
    for note in notes:
        log.info("%s: %s", path, note)
    return card, state


def verify_weights(path: Path) -> WeightsCard:
    """Read a whole file and compare its tensors with the hash on its card; without torch.

    Raises `WeightsError` as `load_state`, but does not look for NaN.
    """
    card = read_card(path)
    check_content(read_header(path), card, read_bytes(path), path)
    return card


def parse_safetensors(data: bytes, path: Path) -> "State":
    """The tensors in the bytes of a safetensors file. Raises `WeightsError` where they contradict the header."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(f"{path} is damaged ({error}); copy or download it again") from error
