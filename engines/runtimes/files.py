"""Files that are there whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from livecassi.engines.runtimes.cache_folder import cannot_write


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in place of the old one, on disk when this returns. Raises OSError, and leaves nothing then."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink()


def write_prepared(path: Path, content: bytes) -> None:
    """The same for what is prepared in the cache. Raises `PreparationError`."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise cannot_write(error, path.parent, len(content)) from error
