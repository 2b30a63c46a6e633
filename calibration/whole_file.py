"""Files that are whole or not there: written beside their place, forced to disk, then given their name."""

import os
from pathlib import Path


def write_whole_file(path: Path, content: bytes | memoryview) -> None:
    """Write `path`, replacing what is there only once the new content is whole on disk. Raises `OSError`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        partial.replace(path)
        keep_names(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def keep_names(folder: Path) -> None:
    """Wait until the names in a folder have reached the disk. Raises `OSError`."""
    if os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
