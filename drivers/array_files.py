"""Arrays out of the files that people bring: .mat (v4, v5, v7.3), .npy, .png, .tif.

Whatever is wrong with a file becomes one `SourceError` that names the file, what was found and what to do.
"""

import struct
import tokenize
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers.errors import SourceError, SourceNotFoundError, SourceUnsupportedError

AnyArray = NDArray[Any]

ARRAY_SUFFIXES = (".mat", ".npy", ".png", ".tif", ".tiff")

# What parsers of damaged files raise: they follow offsets and lengths that mean nothing.
_PARSER_FAULTS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, struct.error, tokenize.TokenError, zlib.error,
)  # fmt: skip


def read_array(path: Path, preferred_keys: Sequence[str] = (), key: str | None = None) -> AnyArray:
    """The numeric array in a file, of any dimension; an .npy file is mapped, not loaded.

    In a .mat file: `key`, else the first of `preferred_keys` that is there, else the only picture or stack in it.
    A .tif of several pages gives `(pages, rows, columns)`.

    Raises `SourceNotFoundError` (no such file) or `SourceUnsupportedError` (cannot be read, colour, no such key).
    """
    suffix = check_is_file(path)
    if key is not None and suffix != ".mat":
        raise SourceUnsupportedError(f"{path} is a {suffix} file, which has no named arrays; leave out key '{key}'")
    with unreadable(path):
        if suffix == ".mat":
            from livecassi.drivers.matlab_files import read_mat

            return read_mat(path, preferred_keys, key)
        if suffix == ".npy":
            return _read_npy(path)
        return _read_png(path) if suffix == ".png" else _read_tiff(path)


def check_is_file(path: Path) -> str:
    """The lower-case ending of an existing file of a known kind."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise SourceNotFoundError(f"{path} {what}; give a file ending in {', '.join(ARRAY_SUFFIXES)}")
    suffix = path.suffix.lower()
    if suffix not in ARRAY_SUFFIXES:
        raise SourceUnsupportedError(
            f"{path} ends in '{suffix}', expected one of {', '.join(ARRAY_SUFFIXES)}; convert the file"
        )
    if path.stat().st_size == 0:
        raise SourceUnsupportedError(f"{path} is empty; copy or export it again")
    return suffix


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Turns every fault of a parser into one `SourceUnsupportedError` about `path`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other parts of the file, or followed by an error
            yield
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} vanished while it was read; put it back") from error
    except _PARSER_FAULTS as error:
        raise SourceUnsupportedError(
            f"{path} cannot be read: it is truncated, damaged or not a {path.suffix} file "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no details'}); "
            "copy or export it again"
        ) from error


def _read_npy(path: Path) -> AnyArray:
    array: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise SourceUnsupportedError(f"{path} is a .npz archive, expected one array; save it with numpy.save")
    return array


def decode_png(path: Path) -> AnyArray:
    """The pixels `(rows, columns)` or, of a colour picture, `(rows, columns, blue green red (alpha))`; faults pass."""
    from livecassi.drivers.opencv import cv2

    _check_png_chunks(path)
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ValueError("the picture cannot be decoded")
    return np.asarray(picture)


def _read_png(path: Path) -> AnyArray:
    decoded = decode_png(path)
    if decoded.ndim != 2:
        raise SourceUnsupportedError(
            f"{path} is a colour picture with {decoded.shape[2]} channels, expected grey values; "
            "export the raw frame as 8 or 16 bit grey"
        )
    return decoded


def _check_png_chunks(path: Path) -> None:
    """Every chunk whole and its checksum right up to the end mark: decoders fill what is missing with black."""
    data = path.read_bytes()
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("the PNG signature is missing")
    position, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        if zlib.crc32(data[position + 4 : position + 8 + length]) != checksum:
            raise ValueError(f"the checksum of chunk {kind!r} is wrong")
        if kind == b"IHDR" and data[position + 17] == 3:
            raise SourceUnsupportedError(f"{path} has a colour palette, expected grey values; export it as grey")
        position += 12 + length


def _read_tiff(path: Path) -> AnyArray:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            for page in tiff.pages:
                _check_tiff_page(page, path)
            if len(tiff.series) == 1:
                array: AnyArray = tiff.series[0].asarray(squeeze=False)
                return array.reshape([n for n in array.shape[:-2] if n > 1] + list(array.shape[-2:]))
            shapes = sorted({page.shape for page in tiff.pages})
            if len(shapes) > 1:
                raise SourceUnsupportedError(f"{path} holds pages of sizes {shapes}, expected one size; split the file")
            return np.stack([page.asarray() for page in tiff.pages])
    except tifffile.TiffFileError as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise SourceUnsupportedError(
            f"{path} is compressed in a way that needs the package imagecodecs; install it, or save the file "
            "uncompressed or with deflate"
        ) from error


def _check_tiff_page(page: Any, path: Path) -> None:
    """Grey, and every strip and tile lies inside the file: the reader fills what is missing with zeros."""
    size = path.stat().st_size
    if page.samplesperpixel > 1 or page.photometric > 1:  # 0 and 1: white or black is zero
        raise SourceUnsupportedError(
            f"{path} is marked as a colour picture ({page.axes} {page.shape}), expected grey values; "
            "export raw frames as grey (photometric 'minisblack')"
        )
    if page.imagelength * page.imagewidth > 1 << 30:
        raise ValueError(f"a page claims {page.imagelength} x {page.imagewidth} pixels")
    if not page.dataoffsets or len(page.dataoffsets) != len(page.databytecounts):
        raise ValueError("a page has no data")
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if count == 0 or offset + count > size:
            raise ValueError(f"picture data ends at byte {offset + count}, the file at byte {size}")
