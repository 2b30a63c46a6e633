"""The header of a safetensors file, read without the tensors and without torch.

Layout: 8 bytes, the header's length in little-endian order; the header, JSON that maps each tensor's name to its type,
shape and place in bytes, and "__metadata__" to texts; then the bytes of the tensors, without gaps.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, NonNegativeInt, RootModel, ValidationError
from pydantic_core import from_json

from livecassi.engines.errors import WeightsError
from livecassi.engines.weights.card import CARD_KEY, WeightsCard, first_fault, parse_card

LONGEST_HEADER = 100_000_000  # bytes; the limit of the format
_METADATA = "__metadata__"
_AGAIN = "copy or download it again"


class TensorEntry(BaseModel):
    """One tensor: type as safetensors calls it ("F32"), shape, and first and last byte after the header."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: str
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


class _Entries(RootModel[dict[str, TensorEntry]]):
    pass


@dataclass(frozen=True, slots=True)
class Header:
    """Tensors by name, texts of the metadata, and where the tensors' bytes begin in the file."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]
    data_start: int

    @property
    def values(self) -> int:
        """The number of values in all tensors."""
        return sum(prod(entry.shape) for entry in self.tensors.values())


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as a safetensors file does. Raises `WeightsError` where it cannot be read."""
    with _open(path) as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= LONGEST_HEADER


def read_header(path: Path) -> Header:
    """The header of a safetensors file. Raises `WeightsError`: not there, not safetensors, or truncated."""
    if not is_safetensors(path):
        raise WeightsError(
            f"{path} is not a safetensors file; give a file of weights, or make one of a checkpoint "
            "with 'livecassi weights import'"
        )
    with _open(path) as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length)
        size = file.seek(0, 2)
    if len(text) < length:
        raise WeightsError(f"{path} is truncated: its header has {length} bytes, {len(text)} are there; {_AGAIN}")
    try:
        content = from_json(text)
        metadata = content.pop(_METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise TypeError("the metadata is no table of texts")
        tensors = _Entries.model_validate(content).root
    except ValidationError as error:
        raise WeightsError(f"the header of {path} is damaged ({first_fault(error)}); {_AGAIN}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"the header of {path} is damaged ({error}); {_AGAIN}") from error
    needed = 8 + length + max((entry.data_offsets[1] for entry in tensors.values()), default=0)
    if size < needed:
        raise WeightsError(f"{path} is truncated: it needs {needed} bytes and has {size}; {_AGAIN}")
    return Header(tensors, metadata, 8 + length)


def card_of(header: Header, path: Path) -> WeightsCard | None:
    """The card in a header; None where there is none. Raises `WeightsError` for a card that cannot be read."""
    text = header.metadata.get(CARD_KEY)
    return None if text is None else parse_card(text, path)


def read_card(path: Path) -> WeightsCard:
    """The card of a file of weights, from its header alone: fast, and without torch.

    Raises `WeightsError`: not there, not safetensors, truncated, or without a card that this livecassi reads.
    """
    card = card_of(read_header(path), path)
    if card is None:
        raise WeightsError(f"{path} has no card of livecassi; make a file with one by 'livecassi weights import'")
    return card


def content_sha256(tensors: Iterable[tuple[str, str, tuple[int, ...], bytes | memoryview]]) -> str:
    """SHA-256 over (name, type, shape, bytes) of tensors, in any order."""
    digest = hashlib.sha256()
    for name, dtype, shape, content in sorted(tensors, key=lambda tensor: tensor[0]):
        digest.update(f"{len(name)}:{name} {dtype} {shape} ".encode())
        digest.update(content)
    return digest.hexdigest()


def check_content(header: Header, card: WeightsCard, data: bytes, path: Path) -> None:
    """Compare the bytes of a whole file with its card. Raises `WeightsError` where they differ."""
    view = memoryview(data)[header.data_start :]
    found = content_sha256(
        (name, entry.dtype, entry.shape, view[slice(*entry.data_offsets)]) for name, entry in header.tensors.items()
    )
    if found != card.tensors_sha256:
        raise WeightsError(
            f"{path} was changed or damaged after it was written: its tensors have SHA-256 {found[:12]}, its card says "
            f"{card.tensors_sha256[:12] or 'nothing'}; copy or import it again"
        )


def read_bytes(path: Path) -> bytes:
    """The whole content of a file. Raises `WeightsError` where it cannot be read."""
    with _open(path) as file:
        return file.read()


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise WeightsError(
            f"the file of weights {path} does not exist; choose a file, see 'livecassi weights list'"
        ) from error
    except OSError as error:
        what = "is a folder" if path.is_dir() else f"cannot be read ({error.strerror or error})"
        raise WeightsError(f"{path} {what}; choose a file of weights that can be read") from error
