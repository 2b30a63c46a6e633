"""The calibration file: one HDF5 file per calibration, readable without livecassi.

Schema, version 1. The file (or the group that embeds it) holds:
attributes `format` = "livecassi-calibration", `schema_version` = 1, `id` (64 hexadecimal digits: SHA-256 over header
and arrays), `header` (JSON: everything of `CalibrationHeader`), and for people with an HDF5 viewer copies of
`system`, `sub_steps`, `name`, `created`, `conventions`;
one float32 dataset per array that is present: `wavelengths_nm (C,)`, `mask (H, Wm)`, `dispersion_px (C,)`,
`response (C,)`, `dark (H, W')`, `flat (H, W')`, `covariance (C, C)`; rows first.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader
from livecassi.calibration.errors import CalibrationError, CalibrationInvalidError

FORMAT = "livecassi-calibration"
SCHEMA_VERSION = 1
_CONVENTIONS = (
    "arrays row first; mask 0..1 in undispersed camera pixels; dispersion_px: columns by which a band is displaced, "
    "positive to larger column numbers; dark in digital numbers; response and flat relative"
)
_NEEDED = ("wavelengths_nm", "mask", "dispersion_px", "response")
_ARRAYS = (*_NEEDED, "dark", "flat", "covariance")


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration file; a file that is there is replaced only once the new one is whole on disk.

    Raises `CalibrationError` where the folder cannot be written.
    """
    import h5py

    content = io.BytesIO()  # HDF5 crashes the program where a disk refuses to be written, so it never sees the disk
    with h5py.File(content, "w") as file:
        write_calibration(calibration, file)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as written:
            written.write(content.getbuffer())
            written.flush()
            os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        raise CalibrationError(
            f"the calibration cannot be written to {path} ({error.strerror or error}); "
            "choose a folder that can be written, with space"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file and check its content against its id.

    Raises `CalibrationInvalidError`: missing, truncated, no calibration, of another schema version, or changed.
    """
    if not path.is_file():
        raise CalibrationInvalidError(f"there is no calibration file {path}; make one with 'livecassi calibrate'")
    import h5py

    with _unreadable(path), h5py.File(path, "r") as file:
        return read_calibration(file, str(path))


def write_calibration(calibration: Calibration, group: Any) -> None:
    """Write into an open, empty h5py file or group: a recording embeds its calibration so."""
    header = calibration.header
    group.attrs["format"] = FORMAT
    group.attrs["schema_version"] = SCHEMA_VERSION
    group.attrs["id"] = calibration.id
    group.attrs["header"] = header.model_dump_json()
    group.attrs["system"] = str(header.system)
    group.attrs["sub_steps"] = str(header.sub_steps)
    group.attrs["name"] = header.name
    group.attrs["created"] = header.created
    group.attrs["conventions"] = _CONVENTIONS
    for name, array in calibration.arrays().items():
        group.create_dataset(name, data=array)


def read_calibration(group: Any, where: str) -> Calibration:
    """Read from an open h5py file or group; `where` names it in errors. Raises `CalibrationInvalidError`."""
    with _unreadable(where):
        found = group.attrs.get("format")
        if found != FORMAT:
            raise CalibrationInvalidError(
                f"{where} is not a calibration (format {found!r}, expected '{FORMAT}'); "
                "choose a calibration file, or import a mask with 'livecassi calibrate import'"
            )
        version = group.attrs.get("schema_version")
        if version != SCHEMA_VERSION:
            raise CalibrationInvalidError(
                f"{where} has schema version {version}, this livecassi reads {SCHEMA_VERSION}; "
                "update livecassi or calibrate again"
            )
        missing = [name for name in _NEEDED if name not in group] + [
            n for n in ("id", "header") if n not in group.attrs
        ]
        if missing:
            raise CalibrationInvalidError(f"{where} lacks {', '.join(missing)}; calibrate or export it again")
        stored_id, header_json = group.attrs["id"], group.attrs["header"]
        arrays: dict[str, Array32] = {name: np.asarray(group[name][()]) for name in _ARRAYS if name in group}
    odd = [f"{name} ({array.dtype})" for name, array in arrays.items() if array.dtype != np.float32]
    if odd:
        raise CalibrationInvalidError(f"{where} holds {', '.join(odd)}, expected float32; calibrate or export it again")
    try:
        header = CalibrationHeader.model_validate_json(header_json)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise CalibrationInvalidError(
            f"the header of {where} is not valid ({field}: {first['msg']}); calibrate or export it again"
        ) from error
    calibration = Calibration(header, **arrays)
    if calibration.id != stored_id:
        raise CalibrationInvalidError(
            f"{where} was changed after it was written: its content has id {calibration.id[:12]}, the file says "
            f"{str(stored_id)[:12]}; use the original file, or calibrate again"
        )
    return calibration


@contextmanager
def _unreadable(where: Path | str) -> Iterator[None]:
    """What h5py raises for files that are no HDF5, truncated or damaged."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationInvalidError(
            f"{where} cannot be read: it is truncated, damaged or not an HDF5 file ({error}); copy it again"
        ) from error
