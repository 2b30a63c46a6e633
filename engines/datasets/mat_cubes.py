"""A cube out of one MATLAB file of a data set: bands first, full scale 1, as that set's users read it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers.opencv import cv2
from livecassi.engines.datasets.dataset import Array32, SceneFrame
from livecassi.engines.datasets.files import describe, found_in, largest_value, load
from livecassi.engines.datasets.formats import CubeFormat
from livecassi.engines.errors import DatasetError

# Largest value of a whole scene: a little more than full scale is a highlight, far less or more is another scale.
COUNTS = (256.0, 2 * 65536.0)
UNITS = (0.0, 4.0)
SHORTEST_NM = 100.0  # below are other units than nm


def read_cube(path: Path, form: CubeFormat) -> SceneFrame:
    """The cube in a file of this format. Raises `DatasetError` for another shape, scale or type, and faulty files."""
    described = describe(path)
    key = form.key_in(described)
    if key is None:
        raise DatasetError(
            f"{path} holds {found_in(described)}; expected {' or '.join(form.keys)}: {form.layout}; "
            "copy the file again or take it out of the folder"
        )
    if not form.fits(described):
        raise DatasetError(
            f"{path} holds {found_in(described)}; expected as in {form.layout}; take the file out of the folder"
        )
    values = _scaled(load(path, key), path, key, form)
    if form.side is not None:
        values = resize_bands(values, form.side)
    if form.clipped:
        np.clip(values, 0.0, 1.0, out=values)
    return SceneFrame(values, _wavelengths(path, form))


def resize_bands(values: Array32, side: int) -> Array32:
    """`(C, H, W)` to `(C, side, side)`, bilinear between pixel centres."""
    resized = np.empty((len(values), side, side), np.float32)
    for band, target in zip(values, resized, strict=True):
        target[:] = cv2.resize(band, (side, side), interpolation=cv2.INTER_LINEAR)
    return resized


def _scaled(stored: NDArray[Any], path: Path, key: str, form: CubeFormat) -> Array32:
    """`(rows, columns, bands)` of any type to float32 `(C, H, W)` of full scale 1."""
    largest = largest_value(stored, path)
    low, high = UNITS if form.full_scale == 1 else COUNTS
    if not low < largest <= high:
        expected = "values of full scale 1" if form.full_scale == 1 else "16 bit values up to 65535"
        raise DatasetError(
            f"'{key}' of {path} is {stored.dtype} and reaches {largest:g}; expected {expected}, as in {form.layout}; "
            "restore the original file"
        )
    values = np.ascontiguousarray(np.moveaxis(stored, 2, 0), np.float32)
    if form.full_scale != 1:
        values /= np.float32(form.full_scale)
    return values


def _wavelengths(path: Path, form: CubeFormat) -> Array32 | None:
    if form.wavelengths_nm is not None:
        return np.array(form.wavelengths_nm, np.float32)
    if form.wavelengths_key is None:
        return None
    found = np.asarray(load(path, form.wavelengths_key), np.float32).ravel()
    ascending = found.shape == (form.bands,) and np.isfinite(found).all() and np.all(np.diff(found) > 0)
    if not ascending or found[0] < SHORTEST_NM:
        raise DatasetError(
            f"'{form.wavelengths_key}' of {path} holds {found.size} values from {found[:1]} to {found[-1:]}; expected "
            f"{form.bands} ascending band centres in nm; restore the original file"
        )
    return found
