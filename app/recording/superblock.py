"""Opens an HDF5 file that is still written, was left open by a killed program, or was cut off.

HDF5 refuses such a file, or, asked to read it as one that is growing (SWMR), waits without end for checksums that
will never be right. What stands in the way are two entries of the superblock: the flag "open for writing" and the end
of the file. They are put right here in a view of the file, as `h5clear -s -i` does on disk; nothing is written. Every
block of HDF5's own data carries a checksum, so what is torn is an error and not a wrong frame.

Source: HDF5 File Format Specification 3.0, II.A "Superblock", versions 2 and 3; the checksum is Jenkins' lookup3.
"""

import io
import struct
from pathlib import Path
from typing import Any

import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FLAGS_AT, END_AT, CHECKSUM_AT, SIZE = 11, 28, 44, 48
BEYOND = 1 << 40  # a file may grow while it is read
FILLER = b"\xa5"  # what lies beyond the end reads as this, which no checksum takes for data
_WORD = 0xFFFFFFFF


class _View(io.RawIOBase):
    """A file, read-only, with its first bytes replaced, that seems to be `end` bytes long."""

    def __init__(self, path: Path, head: bytes, end: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._head = head
        self._end = end

    def readinto(self, buffer: Any) -> int:
        position = self._file.tell()
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view)
        view[count:] = FILLER * (len(view) - count)
        if position < len(self._head):
            known = self._head[position : position + len(view)]
            view[: len(known)] = known
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(self._end + offset) if whence == io.SEEK_END else self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


class OpenFile:
    """An HDF5 file for reading, with the view that it is read through. `close` releases both."""

    def __init__(self, path: Path) -> None:
        end = path.stat().st_size + BEYOND
        with path.open("rb") as file:
            head = file.read(SIZE)
        self._view: _View | None = None
        if len(head) == SIZE and head.startswith(SIGNATURE) and head[8:10] in (b"\x02\x08", b"\x03\x08"):
            self._view = _View(path, mended(head, end), end)
        try:
            self.h5: Any = h5py.File(self._view if self._view is not None else path, "r")
        except BaseException:
            self._close_view()
            raise

    def close(self) -> None:
        """Close file and view."""
        self.h5.close()
        self._close_view()

    def _close_view(self) -> None:
        if self._view is not None:
            self._view.close()

    def __enter__(self) -> Any:
        return self.h5

    def __exit__(self, *_: object) -> None:
        self.close()


def mended(superblock: bytes, file_bytes: int) -> bytes:
    """A superblock of version 2 or 3 that says: closed, and `file_bytes` long."""
    head = bytearray(superblock[:CHECKSUM_AT])
    head[FLAGS_AT] = 0
    struct.pack_into("<Q", head, END_AT, file_bytes)
    return bytes(head) + struct.pack("<I", lookup3(bytes(head)))


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hash of 2006, as HDF5 uses it for its checksums; 32 bits."""
    a = b = c = (0xDEADBEEF + len(data)) & _WORD
    position = 0
    while len(data) - position > 12:
        words = struct.unpack_from("<3I", data, position)
        a, b, c = _mix((a + words[0]) & _WORD, (b + words[1]) & _WORD, (c + words[2]) & _WORD)
        position += 12
    if position == len(data):
        return c
    words = struct.unpack("<3I", data[position:].ljust(12, b"\0"))
    return _final((a + words[0]) & _WORD, (b + words[1]) & _WORD, (c + words[2]) & _WORD)


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _WORD


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _WORD) ^ _rotate(c, bits)
        c = (c + b) & _WORD
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _rotate(b, bits)) & _WORD
        a, b, c = b, c, a
    return b
