"""Measured frames out of files: one frame `(H, W')`, a sequence `(N, H, W')`, or a folder of such files."""

import re
from pathlib import Path

import numpy as np

from livecassi.drivers.array_files import ARRAY_SUFFIXES, AnyArray, read_array
from livecassi.drivers.errors import SourceNotFoundError, SourceUnsupportedError
from livecassi.drivers.frame import Frame, Pixels
from livecassi.drivers.source import SourceInfo

MEASUREMENT_KEYS = ("meas_real", "meas", "measurement", "y")
BIT_DEPTHS = (8, 10, 12, 14, 16)


class FileFrames:
    """The frames of a file or folder, numbered from 0: a sequence for `Replay`.

    Integers become frames in digital numbers (uint8, else uint16); floating-point numbers become float32
    measurements, taken as they are. Everything is read through once here, so that a fault anywhere is told before
    the first frame is used. One file stays open (an .npy file is mapped, others are in memory); the files of a
    folder are read again one by one.

    `key` names the array of .mat files. `bit_depth` is that of the camera; without it uint16 data gets the smallest
    of 8, 10, 12, 14 and 16 that holds the largest pixel.

    Raises `SourceNotFoundError` or `SourceUnsupportedError`.
    """

    def __init__(self, path: Path, key: str | None = None, bit_depth: int | None = None) -> None:
        self._key = key
        self._files = frame_files_in(path)
        self._kept = _read_stack(path, key) if path.is_file() else None
        self._where: list[tuple[Path, int]] = []
        largest = 0
        first: Pixels | None = None
        for file in self._files:
            stack = self._stack(file)
            for within, picture in enumerate(stack):
                pixels = _as_pixels(picture, f"frame {within} of {file}")
                first = pixels if first is None else first
                if (pixels.shape, pixels.dtype) != (first.shape, first.dtype):
                    raise SourceUnsupportedError(
                        f"{file} holds {pixels.dtype} frames of shape {pixels.shape}, {self._files[0]} "
                        f"{first.dtype} of {first.shape}; expected one size and type: sort the files into folders"
                    )
                largest = max(largest, int(pixels.max()) if pixels.dtype != np.float32 else 0)
                self._where.append((file, within))
        assert first is not None  # _read_stack refuses empty arrays, frame_files_in empty folders
        self._info = SourceInfo(
            kind="replay",
            title=path.name,
            serial="",
            frame_shape=first.shape,
            bit_depth=_depth_of(path, first, largest, bit_depth),
            frame_count=len(self._where),
        )

    @property
    def info(self) -> SourceInfo:
        """Kind "replay", the file's name, frame shape, bit depth (0: measurements) and number of frames."""
        return self._info

    def __len__(self) -> int:
        return len(self._where)

    def frame(self, position: int) -> Frame:
        """Frame `position`, counted from 0; its times, exposure and gain are unknown (0)."""
        file, within = self._where[position]
        stack = self._stack(file)
        if within >= len(stack):
            raise SourceNotFoundError(f"{file} holds {len(stack)} frames, it held more when it was opened")
        pixels = _as_pixels(stack[within], f"frame {within} of {file}")
        return Frame(pixels, index=position, host_time_ns=0, bit_depth=self._info.bit_depth)

    def _stack(self, file: Path) -> AnyArray:
        return _read_stack(file, self._key) if self._kept is None else self._kept


def frame_files_in(path: Path) -> list[Path]:
    """The file itself, or the files of a known ending in a folder in natural order (2 before 10)."""
    if not path.is_dir():
        return [path]
    files = [p for p in path.iterdir() if p.suffix.lower() in ARRAY_SUFFIXES and not p.name.startswith(".")]
    if not files:
        raise SourceNotFoundError(
            f"the folder {path} holds no frames; expected files ending in {', '.join(ARRAY_SUFFIXES)}"
        )
    return sorted(files, key=lambda p: [int(part) if part.isdecimal() else part for part in _digits(p.name)])


def _digits(name: str) -> list[str]:
    return re.split(r"([0-9]+)", name.lower())


def _read_stack(file: Path, key: str | None) -> AnyArray:
    """`(N, H, W')` of one file."""
    array = read_array(file, MEASUREMENT_KEYS, key)
    if array.ndim not in (2, 3) or array.size == 0:
        raise SourceUnsupportedError(
            f"{file} holds an array of shape {array.shape}, expected one frame (H, W') or a sequence (N, H, W')"
        )
    return array if array.ndim == 3 else array[None]


def _as_pixels(picture: AnyArray, what: str) -> Pixels:
    """A copy `(H, W')` that a frame can hold: uint8, uint16 or finite float32."""
    kind = picture.dtype.kind
    if kind == "f":
        with np.errstate(over="ignore"):
            measured = picture.astype(np.float32, order="C")
        if not np.isfinite(measured).all():
            raise SourceUnsupportedError(
                f"{what} holds NaN or infinite values, expected finite numbers; repair or leave out this frame"
            )
        return measured
    if kind not in "iu":
        raise SourceUnsupportedError(f"{what} is of type {picture.dtype}, expected real or whole numbers; convert it")
    if picture.dtype == np.uint8:
        return picture.astype(np.uint8, order="C")
    if picture.dtype != np.uint16 and (picture.min() < 0 or picture.max() > 65535):
        raise SourceUnsupportedError(
            f"{what} spans {picture.min()}..{picture.max()}, expected digital numbers of 0..65535; "
            "save corrected data as floating-point numbers"
        )
    return picture.astype(np.uint16, order="C")


def _depth_of(path: Path, first: Pixels, largest: int, wanted: int | None) -> int:
    if first.dtype == np.float32:
        if wanted:
            raise SourceUnsupportedError(
                f"{path} holds floating-point measurements, which have no bit depth; leave out the {wanted} bits"
            )
        return 0
    holds = 8 if first.dtype == np.uint8 else 16
    if wanted is None:
        return 8 if holds == 8 else next(bits for bits in BIT_DEPTHS if largest < 2**bits)
    if not 1 <= wanted <= holds or largest >= 2**wanted:
        raise SourceUnsupportedError(
            f"{path} holds {first.dtype} pixels up to {largest}, which do not fit a depth of {wanted} bits; "
            "give the bit depth of the camera that took them"
        )
    return wanted
