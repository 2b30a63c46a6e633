"""The capture file: one HDF5 file per capture, so that a calibration in the making outlives the program.

Attributes: `format` = "livecassi-capture", `schema_version` = 1, `id`, and every figure of `Capture`, with
`wavelength_nm`, `fwhm_nm`, `line_name` and `expected_px` where it has a line. Float32 datasets in DN, rows first,
with checksums: `mean (H, W')`, and where there were several frames `noise (H, W')` and `halves (2, H, W')`.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np

from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture, CaptureKind, Line
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.whole_file import write_whole_file

FORMAT = "livecassi-capture"
SCHEMA_VERSION = 1
_FIGURES = ("frames", "exposure_us", "gain_db", "bit_depth", "saturated_fraction", "camera_serial", "captured")
_ARRAYS = ("mean", "noise", "halves")
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError)  # what h5py raises for such files


def save_capture(capture: Capture, path: Path) -> None:
    """Write a capture, whole or not at all. Raises `OSError`."""
    import h5py

    content = io.BytesIO()  # HDF5 crashes the program where a disk refuses to be written, so it never sees the disk
    with h5py.File(content, "w") as file:
        file.attrs["format"] = FORMAT
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["id"] = capture.id
        file.attrs["kind"] = str(capture.kind)
        for name in _FIGURES:
            file.attrs[name] = getattr(capture, name)
        file.attrs["frame_hashes"] = "\n".join(capture.frame_hashes)
        if capture.temperature_c is not None:
            file.attrs["temperature_c"] = capture.temperature_c
        if capture.line is not None:
            file.attrs["wavelength_nm"] = capture.line.wavelength_nm
            file.attrs["fwhm_nm"] = capture.line.fwhm_nm
            file.attrs["line_name"] = capture.line.name
            if capture.line.expected_px is not None:
                file.attrs["expected_px"] = capture.line.expected_px
        for name in _ARRAYS:
            array: Array32 | None = getattr(capture, name)
            if array is not None:
                file.create_dataset(name, data=array, fletcher32=True)
    write_whole_file(path, content.getbuffer())


def load_capture(path: Path) -> Capture:
    """Read a capture and check it. Raises `CalibrationInvalidError` for a file that is none, or is damaged."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("format")
            if found != FORMAT or file.attrs.get("schema_version") != SCHEMA_VERSION:
                raise CalibrationInvalidError(
                    f"{path} is no capture that this livecassi reads (format {found!r}); repeat the capture"
                )
            capture = _capture(file)
            stored = str(file.attrs["id"])
    except _DAMAGE as error:
        what = str(error).partition("\n")[0]
        raise CalibrationInvalidError(f"{path} is truncated or damaged ({what}); repeat the capture") from error
    if capture.id != stored or any(
        array.shape[-2:] != capture.mean.shape for array in (capture.noise, capture.halves) if array is not None
    ):
        raise CalibrationInvalidError(f"{path} was changed after it was written; repeat the capture")
    return capture


def _capture(file: Any) -> Capture:
    attrs = file.attrs
    arrays: dict[str, Array32] = {name: np.asarray(file[name][()], np.float32) for name in _ARRAYS if name in file}
    return Capture(
        kind=CaptureKind(attrs["kind"]),
        mean=arrays["mean"],
        noise=arrays.get("noise"),
        halves=arrays.get("halves"),
        frames=int(attrs["frames"]),
        exposure_us=float(attrs["exposure_us"]),
        gain_db=float(attrs["gain_db"]),
        bit_depth=int(attrs["bit_depth"]),
        temperature_c=float(attrs["temperature_c"]) if "temperature_c" in attrs else None,
        saturated_fraction=float(attrs["saturated_fraction"]),
        frame_hashes=tuple(str(attrs["frame_hashes"]).split("\n")),
        camera_serial=str(attrs["camera_serial"]),
        captured=str(attrs["captured"]),
        line=_line(attrs) if "wavelength_nm" in attrs else None,
    )


def _line(attrs: Any) -> Line:
    return Line(
        float(attrs["wavelength_nm"]),
        float(attrs["fwhm_nm"]),
        str(attrs["line_name"]),
        float(attrs["expected_px"]) if "expected_px" in attrs else None,
    )
