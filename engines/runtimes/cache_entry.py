"""One prepared network in the cache: a folder of payload files beside `meta.json`, which says what they are."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, NonNegativeInt, ValidationError

from livecassi.engines.errors import PreparationError

META = "meta.json"
BUILD_LOG = "build.log"
SCHEMA = 1
_CHUNK = 1 << 20

Field = str | int | float
Fields = Mapping[str, Field]


class DamagedEntryError(PreparationError):
    """What was kept of a network is not what was made: it is made anew."""


class Payload(BaseModel):
    """Size and hash of one file of an entry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: NonNegativeInt
    sha256: str


class Meta(BaseModel):
    """`meta.json`: all that the key is made of, the payload files by name, and the seconds that they took."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: int
    fields: dict[str, str | int | float]
    files: dict[str, Payload]
    seconds: float
    created: AwareDatetime


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that is whole as far as sizes tell; `load` compares its bytes with their hash."""

    folder: Path
    fields: Fields
    files: Mapping[str, Payload]
    seconds: float

    @property
    def key(self) -> str:
        """The name of its folder."""
        return self.folder.name

    def load(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a payload file `(N,)`. Raises `DamagedEntryError` where they are not those that were made."""
        if name not in self.files:
            raise DamagedEntryError(f"{self.folder} holds {', '.join(self.files) or 'no file'}, expected {name}")
        try:
            content = np.fromfile(self.folder / name, np.uint8)
        except OSError as error:
            raise DamagedEntryError(f"{self.folder / name} cannot be read ({error.strerror or error})") from error
        if hashlib.sha256(content.data).hexdigest() != self.files[name].sha256:
            raise DamagedEntryError(f"{self.folder / name} was changed since it was made: its hash is another")
        return content


def key_of(fields: Fields) -> str:
    """SHA-256 over the fields, whatever their order."""
    text = json.dumps(dict(fields), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def describe(folder: Path, fields: Fields, seconds: float) -> None:
    """Write the `meta.json` of the payload files in `folder`, and have all of it on disk. Raises OSError."""
    payloads = {}
    for path in sorted(folder.iterdir()):
        if path.name != BUILD_LOG:
            payloads[path.name] = Payload(size=path.stat().st_size, sha256=_flushed_sha256(path))
    meta = Meta(schema_version=SCHEMA, fields=dict(fields), files=payloads, seconds=seconds, created=datetime.now(UTC))
    with (folder / META).open("w") as file:
        file.write(meta.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())


def read_entry(folder: Path, fields: Fields) -> Found:
    """The entry in `folder`, its files present and of the sizes that they were made with.

    Raises `FileNotFoundError` where there is none, and `DamagedEntryError`.
    """
    try:
        meta = Meta.model_validate_json((folder / META).read_bytes())
    except FileNotFoundError:
        if folder.exists():
            raise DamagedEntryError(f"{folder} holds no {META}") from None
        raise
    except (OSError, ValidationError) as error:
        raise DamagedEntryError(f"{folder / META} cannot be read ({str(error).splitlines()[0]})") from error
    if meta.schema_version != SCHEMA or meta.fields != dict(fields):
        raise DamagedEntryError(f"{folder / META} describes another network than its folder is named after")
    for name, payload in meta.files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            if not folder.exists():  # it was evicted meanwhile, which is done in one step
                raise FileNotFoundError(folder) from error
            raise DamagedEntryError(f"{folder / name} cannot be read ({error.strerror or error})") from error
        if size != payload.size:
            raise DamagedEntryError(f"{folder / name} has {size} bytes, expected {payload.size}")
    return Found(folder, meta.fields, meta.files, meta.seconds)


def _flushed_sha256(path: Path) -> str:
    """The hash of a file, which is on disk afterwards."""
    digest = hashlib.sha256()
    with path.open("rb+") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest()
