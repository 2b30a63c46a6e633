"""The elements of a MATLAB v5 file, walked just far enough to know that scipy can load a variable.

scipy's reader looks the number type of an array up without checking it, so one wrong byte ends the process.
Source: MAT-File Level 5 format, MathWorks, "MAT-File Format", chapter 1.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_MATRIX, _COMPRESSED = 14, 15
_NUMBER_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # bytes of each number type
_NUMERIC_CLASSES = range(6, 16)  # double ... uint64
_COMPLEX_FLAG = 0x0800
_HEAD = 4096  # flags, size, name and the first number type of a matrix lie within


def check_numeric_matrix(path: Path, name: str) -> bool:
    """Whether the numeric array `name` is complex; raises ValueError or struct.error where it is damaged."""
    with path.open("rb") as file:
        head = file.read(128)
        order = {b"IM": "<", b"MI": ">"}[head[126:128]]
        while tag := file.read(8):
            kind, size = struct.unpack(order + "II", tag)
            start = file.tell()
            data = file.read(min(size, _HEAD))
            if kind == _COMPRESSED:
                data = zlib.decompressobj().decompress(data, _HEAD)
                kind = struct.unpack_from(order + "I", data)[0]
                data = data[8:]
            if kind == _MATRIX:
                parts = _elements(data, order)
                flags, shape, label = next(parts), next(parts), next(parts)
                if label[1].rstrip(b"\0").decode("latin1") == name:
                    return _check(flags[1], shape[1], next(parts), order)
            file.seek(start + size)
    raise ValueError(f"the array '{name}' cannot be found again")


def _check(flags: bytes, shape: bytes, numbers: tuple[int, bytes, int], order: str) -> bool:
    kind, _, size = numbers
    count = 1
    for extent in struct.unpack(f"{order}{len(shape) // 4}i", shape):
        count *= extent
    if kind not in _NUMBER_SIZES or size != count * _NUMBER_SIZES[kind]:
        raise ValueError(f"{size} bytes of number type {kind} do not make {count} numbers")
    bits = struct.unpack_from(order + "I", flags)[0]
    if bits & 0xFF not in _NUMERIC_CLASSES:
        raise ValueError(f"there is no class of number {bits & 0xFF}")
    return bool(bits & _COMPLEX_FLAG)


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes, int]]:
    """Type, content (as far as it was read) and size of one sub-element after the other."""
    position = 0
    while True:
        kind, size = struct.unpack_from(order + "II", data, position)
        if kind >> 16:  # up to four bytes lie in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            yield kind, data[position + 4 : position + 4 + size], size
            position += 8
        else:
            yield kind, data[position + 8 : position + 8 + size], size
            position += 8 + (size + 7) // 8 * 8
