"""Reading segments: what can be read of a file that is whole, still growing, left by a killed program, or cut off."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hdf5plugin  # noqa: F401 - registers the filter bitshuffle-lz4
import numpy as np
from numpy.typing import NDArray

from livecassi.app.recording.errors import RecordingError, reason_of
from livecassi.app.recording.segments import CUBE_ROW, FRAME_ROW
from livecassi.app.recording.superblock import OpenFile

ATTEMPTS, PAUSE_S = 4, 0.005

# What HDF5 raises where a file is damaged: it follows offsets and lengths that mean nothing.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError, OverflowError)


@dataclass(frozen=True, slots=True)
class SegmentContents:
    """Rows of a segment that belong to whole frames (or cubes), their shape and type; `damage` says what is not."""

    path: Path
    meta: NDArray[np.void]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    damage: str = ""

    def __len__(self) -> int:
        return len(self.meta)


def raw_contents(path: Path) -> SegmentContents:
    """What can be read of a raw segment. Never raises for damage: then there are fewer rows."""
    return _contents(path, "frames", FRAME_ROW, 2)


def cube_contents(path: Path) -> SegmentContents:
    """What can be read of a segment of cubes."""
    return _contents(path, "cubes", CUBE_ROW, 3)


def numbered_files(folder: Path, prefix: str) -> list[Path]:
    """The segments `prefix_00000.h5`, `prefix_00001.h5` ... in order. Raises `RecordingError` where one is missing."""
    found = sorted(folder.glob(f"{prefix}_[0-9][0-9][0-9][0-9][0-9].h5"))
    for number, path in enumerate(found):
        if path.name != f"{prefix}_{number:05d}.h5":
            raise RecordingError(
                f"{folder} has {path.name} but not {prefix}_{number:05d}.h5; restore the missing file from a copy"
            )
    return found


def _contents(path: Path, name: str, row: np.dtype[np.void], dimensions: int) -> SegmentContents:
    for _ in range(ATTEMPTS - 1):  # what a writer is just changing can look damaged for a moment
        contents = _contents_now(path, name, row, dimensions)
        if not contents.damage:
            return contents
        time.sleep(PAUSE_S)
    return _contents_now(path, name, row, dimensions)


def _contents_now(path: Path, name: str, row: np.dtype[np.void], dimensions: int) -> SegmentContents:
    nothing = SegmentContents(path, np.empty(0, row), (0,) * dimensions, np.dtype(np.uint16))
    try:
        with OpenFile(path) as file:
            data, table = file[name], file["meta"]
            missing = set(row.names or ()) - set(table.dtype.names or ())
            if data.ndim != dimensions + 1 or missing:
                return _damaged(nothing, f"expected {name} of {dimensions + 1} dimensions and meta with {row.names}")
            claimed = min(len(data), len(table))
            meta = _rows(table, claimed, row)
            whole = min(_whole(data, len(meta), path.stat().st_size), len(meta))
            contents = SegmentContents(path, meta[:whole], tuple(data.shape[1:]), data.dtype)
            return contents if whole == claimed else _damaged(contents, f"{whole} of {claimed} can be read")
    except DAMAGE as error:
        return _damaged(nothing, f"cannot be opened ({reason_of(error)})")


def _damaged(contents: SegmentContents, damage: str) -> SegmentContents:
    return SegmentContents(
        contents.path, contents.meta, contents.shape, contents.dtype, f"{contents.path.name}: {damage}"
    )


def _rows(table: Any, claimed: int, row: np.dtype[np.void]) -> NDArray[np.void]:
    """The first `claimed` rows, or those before the first that cannot be read."""
    rows = np.zeros(claimed, row)
    step = table.chunks[0]
    for start in range(0, claimed, step):
        part = slice(start, min(start + step, claimed))
        try:
            found = table[part]
        except DAMAGE:
            return rows[:start]
        for column in row.names or ():
            rows[column][part] = found[column]
    return rows


def _whole(data: Any, claimed: int, file_bytes: int) -> int:
    """How many of the first `claimed` items lie inside the file and pass their checksum at the end."""
    whole = claimed
    while whole:
        try:
            if not _cut_off(data, whole - 1, file_bytes):
                data[whole - 1]  # the newest item is the one that a crash may have torn
                return whole
        except DAMAGE:
            pass
        whole -= 1
    return 0


def _cut_off(data: Any, position: int, file_bytes: int) -> bool:
    chunk = data.id.get_chunk_info_by_coord((position, *([0] * (data.ndim - 1))))
    return chunk.byte_offset is None or chunk.byte_offset + chunk.size > file_bytes
