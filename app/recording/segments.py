"""Segments: the HDF5 files of a recording, each readable while it grows and after its program was killed.

A segment is written in HDF5's SWMR mode (single writer, many readers): frames first, then the row about them, both
flushed before the next, so that every row that can be read belongs to a whole frame.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from livecassi.app.recording.session_file import force_to_disk
from livecassi.drivers import Frame
from livecassi.engines import Cube

# One row per frame; -1 stands for no device time, NaN for no temperature and no saturation (measurements).
FRAME_ROW = np.dtype(
    [
        ("index", "<i8"),
        ("host_time_ns", "<i8"),
        ("device_time_ns", "<i8"),
        ("exposure_us", "<f8"),
        ("gain_db", "<f8"),
        ("bit_depth", "u1"),
        ("temperature_c", "<f8"),
        ("saturated_fraction", "<f8"),
        ("lost_before", "<u4"),
        ("dropped_before", "<u4"),
    ]
)
CUBE_ROW = np.dtype([("frame_index", "<i8"), ("host_time_ns", "<i8")])
ROWS_PER_CHUNK = 128
TILE = 64  # a pixel's spectrum over time touches one tile (C, 64, 64) per cube
FILE_VERSIONS = ("v110", "v110")  # HDF5 1.10 brought SWMR; newer versions of the format would only shut readers out
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def raw_name(number: int) -> str:
    """File name of the raw segment `number`."""
    return f"raw_{number:05d}.h5"


def cubes_name(number: int) -> str:
    """File name of the cube segment `number`."""
    return f"cubes_{number:05d}.h5"


class RawSegment:
    """One growing file of raw frames `/frames (N, H, W')` with `/meta (N,)`. Raises `OSError` or `RuntimeError`."""

    def __init__(self, path: Path, first: Frame, compress: bool) -> None:
        self.path = path
        self.frame_shape = first.shape
        self.dtype = first.pixels.dtype
        self.count = 0
        self._abandoned = False
        with _abandoning(self):
            self._file = _new_file(path)
            self._frames = _new_dataset(self._file, "frames", first.shape, first.pixels.dtype, first.shape, compress)
            self._meta = self._file.create_dataset("meta", (0,), FRAME_ROW, maxshape=(None,), chunks=(ROWS_PER_CHUNK,))
            self._file.swmr_mode = True

    def append(self, frame: Frame, lost_before: int, dropped_before: int) -> None:
        """Write a frame, then its row."""
        saturated = frame.saturated_fraction()
        row = (
            frame.index,
            frame.host_time_ns,
            -1 if frame.device_time_ns is None else frame.device_time_ns,
            frame.exposure_us,
            frame.gain_db,
            frame.bit_depth,
            np.nan if frame.temperature_c is None else frame.temperature_c,
            np.nan if saturated is None else saturated,
            lost_before,
            dropped_before,
        )
        with _abandoning(self):
            _append(self._frames, self.count, frame.pixels)
            _append(self._meta, self.count, np.array(row, FRAME_ROW))
        self.count += 1

    def size_bytes(self) -> int:
        """Size of the file."""
        return int(self._file.id.get_filesize())

    def close(self) -> None:
        """Close the file and wait until it has reached the disk."""
        _close(self)


class CubeSegment:
    """One growing file of cubes `/cubes (N, C, H, W)` float16, all of the same kind as the first."""

    def __init__(self, path: Path, first: Cube) -> None:
        self.path = path
        self._kind = _kind(first)
        bands, height, width = first.values.shape
        self.count = 0
        self._abandoned = False
        tile = (bands, min(TILE, height), min(TILE, width))
        with _abandoning(self):
            self._file = _new_file(path)
            self._file.attrs["engine"] = first.engine
            self._file.attrs["calibration_id"] = first.calibration_id
            self._file.attrs["quantity"] = str(first.quantity)
            self._file["wavelengths_nm"] = np.asarray(first.wavelengths_nm, np.float32)
            self._cubes = _new_dataset(self._file, "cubes", first.values.shape, np.dtype(np.float16), tile, True)
            self._meta = self._file.create_dataset("meta", (0,), CUBE_ROW, maxshape=(None,), chunks=(ROWS_PER_CHUNK,))
            self._file.swmr_mode = True

    def holds(self, cube: Cube) -> bool:
        """Whether a cube has the bands, size, engine and calibration of this file."""
        return _kind(cube) == self._kind

    def append(self, cube: Cube) -> None:
        """Write a cube, then its row. Values beyond the range of float16 are limited to it."""
        values = np.clip(cube.values, -LARGEST_FLOAT16, LARGEST_FLOAT16).astype(np.float16)
        with _abandoning(self):
            _append(self._cubes, self.count, values)
            _append(self._meta, self.count, np.array((cube.frame_index, cube.host_time_ns), CUBE_ROW))
        self.count += 1

    def size_bytes(self) -> int:
        """Size of the file."""
        return int(self._file.id.get_filesize())

    def close(self) -> None:
        """Close the file and wait until it has reached the disk."""
        _close(self)


@contextmanager
def _abandoning(segment: "RawSegment | CubeSegment") -> Iterator[None]:
    """After a failed write HDF5 crashes the program when the file is closed or let go: then it stays open for good.

    What was flushed before is on disk and can be read.
    """
    try:
        yield
    except Exception:
        if not segment._abandoned:
            segment._abandoned = True
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(segment))  # nothing that it holds is ever released
        raise


def _close(segment: "RawSegment | CubeSegment") -> None:
    if segment._abandoned:
        return
    with _abandoning(segment):
        segment._file.flush()  # a disk that refuses shows here, where it does no harm
        segment._file.close()
    force_to_disk(segment.path)


def _kind(cube: Cube) -> tuple[object, ...]:
    return cube.values.shape, cube.wavelengths_nm.tobytes(), cube.engine, cube.calibration_id, cube.quantity


def _new_file(path: Path) -> Any:
    return h5py.File(path, "x", libver=FILE_VERSIONS, locking="best-effort")


def _new_dataset(
    file: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], chunk: tuple[int, ...], compress: bool
) -> Any:
    """An empty dataset that grows along its first axis; a checksum per chunk tells a torn frame from a whole one."""
    return file.create_dataset(
        name,
        (0, *shape),
        dtype,
        maxshape=(None, *shape),
        chunks=(1, *chunk),
        fletcher32=True,
        **(hdf5plugin.Bitshuffle(cname="lz4") if compress else {}),
    )


def _append(dataset: Any, position: int, value: NDArray[Any]) -> None:
    dataset.resize(position + 1, axis=0)
    dataset[position] = value
    dataset.flush()
