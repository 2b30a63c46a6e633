"""The calibration file: one HDF5 file per calibration, readable without livecassi.

The file (or the group that embeds it) holds:

attributes: `format` = "livecassi-calibration", `schema_version`, `id` (64 hexadecimal digits: SHA-256 over header and
arrays), and for people with an HDF5 viewer copies of `system`, `sub_steps`, `name`, `created`, `conventions`;
`header`: JSON, everything of `CalibrationHeader`; in version 1 an attribute, in version 2 a text dataset, since a
record with the hashes of all frames outgrows an attribute;
one float32 dataset per array that is present, rows first, compressed by gzip, each with the attributes `axes`, `unit`
and `description`: `wavelengths_nm (C,)`, `mask (H, Wm)`, `dispersion_px (C,)`, `response (C,)`, `dark (H, W')`,
`flat (H, W')`, `covariance (C, C)`, and in version 2 `hot_pixels (H, W')`, `psf_px (C, 2)`, `residuals_px (2, P, Q)`;
`readme`: text that explains all this to whoever has only the file;
`record` (version 2): plain copies of what the header says of curve, lines, checks, captures, see `store_record`.

Version 1 is an ideal or simulated bench, or one whose figures were not kept; version 2 was measured. A calibration
without record and without the newer arrays is written as version 1, which every livecassi reads, under the id that it
always had. `id` covers header and arrays; the copies for people do not count.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader
from livecassi.calibration.errors import CalibrationError, CalibrationInvalidError
from livecassi.calibration.store_record import write_record
from livecassi.calibration.store_words import ARRAY_WORDS, CONVENTIONS, README
from livecassi.calibration.whole_file import write_whole_file

FORMAT = "livecassi-calibration"
SCHEMA_VERSIONS = (1, 2)
_NEEDED = ("wavelengths_nm", "mask", "dispersion_px", "response")
_ARRAYS = (*_NEEDED, "dark", "flat", "covariance")
_NEWER_ARRAYS = ("hot_pixels", "psf_px", "residuals_px")
_COMPRESSED_FROM = 1000  # values; smaller arrays only grow


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration file; a file that is there is replaced only once the new one is whole on disk.

    Raises `CalibrationError` where the folder cannot be written.
    """
    import h5py

    content = io.BytesIO()  # HDF5 crashes the program where a disk refuses to be written, so it never sees the disk
    with h5py.File(content, "w") as file:
        write_calibration(calibration, file)
    try:
        write_whole_file(path, content.getbuffer())
    except OSError as error:
        raise CalibrationError(
            f"the calibration cannot be written to {path} ({error.strerror or error}); "
            "choose a folder that can be written, with space"
        ) from error


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file and check its content against its id.

    Raises `CalibrationInvalidError`: missing, truncated, no calibration, of another schema version, or changed.
    """
    if not path.is_file():
        raise CalibrationInvalidError(f"there is no calibration file {path}; make one with 'livecassi calibrate'")
    import h5py

    with _unreadable(path), h5py.File(path, "r") as file:
        return read_calibration(file, str(path))


def load_header(path: Path) -> tuple[str, CalibrationHeader]:
    """The id that a calibration file claims and its header, unchecked and fast: for lists of many files.

    Raises `CalibrationInvalidError` for what is no calibration file.
    """
    import h5py

    with _unreadable(path), h5py.File(path, "r") as file:
        version = _checked_version(file, str(path))
        return str(file.attrs["id"]), _parsed(_header_json(file, version), str(path))


def schema_version(calibration: Calibration) -> int:
    """The version of the schema that a calibration needs."""
    header = calibration.header
    newer = header.record is not None or any(name in calibration.arrays() for name in _NEWER_ARRAYS)
    return 2 if newer or header.schema_version == 2 else 1


def write_calibration(calibration: Calibration, group: Any) -> None:
    """Write into an open, empty h5py file or group: a recording embeds its calibration so."""
    header, version = calibration.header, schema_version(calibration)
    group.attrs["format"] = FORMAT
    group.attrs["schema_version"] = version
    group.attrs["id"] = calibration.id
    group.attrs["system"] = str(header.system)
    group.attrs["sub_steps"] = str(header.sub_steps)
    group.attrs["name"] = header.name
    group.attrs["created"] = header.created
    group.attrs["conventions"] = CONVENTIONS
    if version == 1:
        group.attrs["header"] = header.canonical_json()
    else:
        group.create_dataset("header", data=header.canonical_json())
    group.create_dataset("readme", data=README)
    for name, array in calibration.arrays().items():
        packing = {"compression": "gzip", "shuffle": True} if array.size >= _COMPRESSED_FROM else {}
        dataset = group.create_dataset(name, data=array, **packing)
        words = ARRAY_WORDS[name]
        dataset.attrs["axes"], dataset.attrs["unit"], dataset.attrs["description"] = words
    if header.record is not None:
        write_record(header.record, group.create_group("record"))


def read_calibration(group: Any, where: str) -> Calibration:
    """Read from an open h5py file or group; `where` names it in errors. Raises `CalibrationInvalidError`."""
    with _unreadable(where):
        version = _checked_version(group, where)
        missing = [name for name in _NEEDED if name not in group]
        missing += [name for name in ("id",) if name not in group.attrs]
        missing += [] if _header_json(group, version) is not None else ["header"]
        if missing:
            raise CalibrationInvalidError(f"{where} lacks {', '.join(missing)}; calibrate or export it again")
        stored_id, header_json = group.attrs["id"], _header_json(group, version)
        names = _ARRAYS if version == 1 else (*_ARRAYS, *_NEWER_ARRAYS)
        arrays: dict[str, Array32] = {name: np.asarray(group[name][()]) for name in names if name in group}
    odd = [f"{name} ({array.dtype})" for name, array in arrays.items() if array.dtype != np.float32]
    if odd:
        raise CalibrationInvalidError(f"{where} holds {', '.join(odd)}, expected float32; calibrate or export it again")
    calibration = Calibration(_parsed(header_json, where), **arrays)
    if calibration.id != stored_id:
        raise CalibrationInvalidError(
            f"{where} was changed after it was written: its content has id {calibration.id[:12]}, the file says "
            f"{str(stored_id)[:12]}; use the original file, or calibrate again"
        )
    return calibration


def _checked_version(group: Any, where: str) -> int:
    found = group.attrs.get("format")
    if found != FORMAT:
        raise CalibrationInvalidError(
            f"{where} is not a calibration (format {found!r}, expected '{FORMAT}'); "
            "choose a calibration file, or import a mask with 'livecassi calibrate import'"
        )
    version = group.attrs.get("schema_version")
    if version not in SCHEMA_VERSIONS:
        raise CalibrationInvalidError(
            f"{where} has schema version {version}, this livecassi reads {' and '.join(map(str, SCHEMA_VERSIONS))}; "
            "update livecassi or calibrate again"
        )
    return int(version)


def _header_json(group: Any, version: int) -> Any:
    """None where there is none."""
    if version == 1:
        return group.attrs.get("header")
    return group["header"][()] if "header" in group else None


def _parsed(header_json: Any, where: str) -> CalibrationHeader:
    try:
        return CalibrationHeader.model_validate_json(header_json)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise CalibrationInvalidError(
            f"the header of {where} is not valid ({field}: {first['msg']}); calibrate or export it again"
        ) from error


@contextmanager
def _unreadable(where: Path | str) -> Iterator[None]:
    """What h5py raises for files that are no HDF5, truncated or damaged."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationInvalidError(
            f"{where} cannot be read: it is truncated, damaged or not an HDF5 file ({error}); copy it again"
        ) from error
