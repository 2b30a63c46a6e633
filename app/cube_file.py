"""Files of cubes: what `livecassi reconstruct` writes and `livecassi evaluate` reads.

Plain HDF5, no filters:
    /cube (N, C, H, W)   float32, bands first, in chunks of about 1 MiB of whole rows of all bands
    /spread (N, C, H, W) float32, how far apart the results are that each cube is the mean of; where an engine tells it
    /wavelengths_nm (C,) float32, band centres
    /frame_index (N,)    int64, the device's index of the frame behind each cube
attributes: `format`, `livecassi_version`, `created` (ISO 8601, UTC), `engine`, `calibration_id`, `quantity`, and
what the writer adds (`engine_options`, `input` ...).
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from livecassi.app.outputs import check_output
from livecassi.app.recording.errors import RecordingError
from livecassi.app.recording.session_file import application_version
from livecassi.engines import Cube, Quantity

FORMAT = "livecassi-cubes"
CUBE_ENDINGS = (".h5", ".hdf5")
CHUNK_BYTES = 1 << 20
TRUTH_NAMES = ("cube", "truth")
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, AttributeError, MemoryError, OverflowError)

Attribute = str | float | int


def write_cubes(path: Path, cubes: Iterable[Cube], attributes: Mapping[str, Attribute] | None = None) -> int:
    """Write cubes of one size and wavelengths as they come; returns how many.

    The file appears under its name only when it is whole: where `cubes` raises, or the run is cancelled, nothing is
    left and a file of that name that was there stays. Raises `RecordingError` for no cubes, cubes that do not fit
    together, or a disk that refuses.
    """
    check_output(path, *CUBE_ENDINGS)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _disk_faults(path):
            disk = _ForgivingFile(partial)
        try:
            with h5py.File(disk, "w") as file:
                count = _write_all(file, cubes, disk, path)
                file.attrs.update({"created": datetime.now(UTC).isoformat(), **(attributes or {})})
        finally:
            disk.close()
        with _disk_faults(path):
            disk.check()
            with partial.open("rb+") as written:
                os.fsync(written.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


class _ForgivingFile(io.FileIO):
    """A new file whose first failed write is kept for `check`, and hidden from HDF5.

    HDF5 crashes the program when it closes a file after a write has failed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb+")
        self._fault: OSError | None = None

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self._fault is None and done < len(view):
                done += super().write(view[done:]) or 0
        except OSError as error:
            self._fault = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size) if self._fault is None else size or 0
        except OSError as error:
            self._fault = error
            return size or 0

    def check(self) -> None:
        """Raises the `OSError` of the first write that failed."""
        if self._fault is not None:
            raise self._fault


def _write_all(file: Any, cubes: Iterable[Cube], disk: _ForgivingFile, path: Path) -> int:
    count = 0
    first: Cube | None = None
    for cube in cubes:
        if first is None:
            first = cube
        elif cube.values.shape != first.values.shape or not np.array_equal(cube.wavelengths_nm, first.wavelengths_nm):
            raise RecordingError(
                f"cube {count} has shape {cube.values.shape}, the first {first.values.shape}, or other wavelengths; "
                f"{path} holds cubes of one kind: write them to separate files"
            )
        elif (cube.spread is None) != (first.spread is None):
            raise RecordingError(
                f"cube {count} has {'no' if cube.spread is None else 'a'} spread, unlike the first; {path} holds cubes "
                "of one kind: write them to separate files"
            )
        if count == 0:
            _create(file, cube)
        values: dict[str, object] = {"cube": cube.values, "frame_index": cube.frame_index}
        if cube.spread is not None:
            values["spread"] = cube.spread
        for name, value in values.items():
            file[name].resize(count + 1, axis=0)
            file[name][count] = value
        with _disk_faults(path):
            disk.check()
        count += 1
    if count == 0:
        raise RecordingError(f"there are no cubes to write to {path}; choose frames to reconstruct")
    return count


def _create(file: Any, cube: Cube) -> None:
    if cube.values.ndim != 3 or cube.wavelengths_nm.shape != cube.values.shape[:1]:
        raise RecordingError(
            f"a cube has shape {cube.values.shape} and {cube.wavelengths_nm.shape} wavelengths, "
            "expected (C, H, W) and (C,)"
        )
    bands, height, width = cube.values.shape
    rows = min(height, max(1, CHUNK_BYTES // (4 * bands * width)))
    shape = (bands, height, width)
    for name in ("cube",) if cube.spread is None else ("cube", "spread"):
        file.create_dataset(name, (0, *shape), np.float32, maxshape=(None, *shape), chunks=(1, bands, rows, width))
    file.create_dataset("frame_index", (0,), np.int64, maxshape=(None,), chunks=(1024,))
    file["wavelengths_nm"] = np.asarray(cube.wavelengths_nm, np.float32)
    file.attrs["format"] = FORMAT
    file.attrs["livecassi_version"] = application_version()
    file.attrs["engine"] = cube.engine
    file.attrs["calibration_id"] = cube.calibration_id
    file.attrs["quantity"] = str(cube.quantity)


@contextmanager
def _disk_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written ({error.strerror}); choose a folder that can be written, with space"
        ) from error


class CubeFile:
    """The cubes of a file, read one by one. A context manager.

    Raises `RecordingError` where the file is missing, damaged, or not one of cubes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise RecordingError(f"there is no file {path}; make one with 'livecassi reconstruct'")
        with _read_faults(path):
            self._file = h5py.File(path, "r")
        try:
            with _read_faults(path):
                self._cubes = self._file["cube"]
                self.wavelengths_nm: NDArray[np.float32] = np.asarray(self._file["wavelengths_nm"], np.float32)
                self.frame_indices: NDArray[np.int64] = np.asarray(self._file["frame_index"], np.int64)
                self.attributes: dict[str, Attribute] = {
                    name: value.item() if isinstance(value, np.generic) else value
                    for name, value in self._file.attrs.items()
                }
                self.shape: tuple[int, ...] = tuple(self._cubes.shape)
                expected = (len(self.frame_indices), len(self.wavelengths_nm))
                if len(self.shape) != 4 or self.shape[:2] != expected:
                    raise ValueError(f"/cube has shape {self.shape}, expected {expected} + (H, W)")
        except RecordingError:
            self._file.close()
            raise

    def __len__(self) -> int:
        return self.shape[0]

    def cube(self, position: int) -> Cube:
        """Cube `position`, counted from 0. Raises `IndexError`, or `RecordingError` where it cannot be read."""
        if not 0 <= position < len(self):
            raise IndexError(f"cube {position} was asked for, {self.path} holds {len(self)}")
        with _read_faults(self.path):
            return Cube(
                np.asarray(self._cubes[position], np.float32),
                self.wavelengths_nm,
                calibration_id=str(self.attributes.get("calibration_id", "")),
                engine=str(self.attributes.get("engine", "")),
                frame_index=int(self.frame_indices[position]),
                quantity=Quantity(str(self.attributes.get("quantity", Quantity.RELATIVE))),
                spread=np.asarray(self._file["spread"][position], np.float32) if "spread" in self._file else None,
            )

    def __enter__(self) -> "CubeFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def is_cube_file(path: Path) -> bool:
    """Whether `write_cubes` made this file."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == FORMAT)
    except OSError:
        return False


def read_truth(path: Path) -> NDArray[np.float32]:
    """True (or reconstructed) cubes `(N, C, H, W)` float32 out of an .npy or .h5 file; `(C, H, W)` becomes N = 1.

    An .h5 file: the dataset `cube`, else `truth`, else the only one of three or four dimensions.
    Raises `RecordingError`: missing, another kind of file, damaged, not floating-point, not finite, other dimensions.
    """
    if not path.is_file():
        raise RecordingError(f"there is no file {path}; expected cubes (C, H, W) or (N, C, H, W) as .npy or .h5")
    suffix = path.suffix.lower()
    if suffix not in (".npy", *CUBE_ENDINGS):
        raise RecordingError(f"{path} ends in '{suffix}', expected .npy or .h5; convert the file")
    with _read_faults(path):
        found = np.load(path, allow_pickle=False) if suffix == ".npy" else _read_h5(path)
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        kind = found.dtype if isinstance(found, np.ndarray) else "an archive"
        raise RecordingError(f"{path} holds {kind}, expected floating-point values with 1 as full scale; convert it")
    if found.ndim not in (3, 4) or found.size == 0:
        raise RecordingError(f"{path} holds an array of shape {found.shape}, expected (C, H, W) or (N, C, H, W)")
    with np.errstate(over="ignore"):  # is infinite then, and refused
        cubes = np.asarray(found, np.float32).reshape((-1, *found.shape[-3:]))
    if not np.isfinite(cubes).all():
        raise RecordingError(f"{path} holds NaN or infinite values, expected finite numbers; repair the file")
    return cubes


def _read_h5(path: Path) -> Any:
    with h5py.File(path, "r") as file:
        named = next((name for name in TRUTH_NAMES if isinstance(file.get(name), h5py.Dataset)), None)
        stacks = [name for name, item in file.items() if isinstance(item, h5py.Dataset) and item.ndim in (3, 4)]
        if named is None and len(stacks) != 1:
            raise RecordingError(
                f"{path} has the datasets {', '.join(file) or 'none'}; expected one called 'cube' or 'truth', "
                "or a single one of three or four dimensions"
            )
        return np.asarray(file[named or stacks[0]])


@contextmanager
def _read_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RecordingError(
            f"{path} cannot be read: it is truncated, damaged or not a file of cubes ({reason}); make or copy it again"
        ) from error
