"""Files as the published data sets keep them, written by the tests."""

from pathlib import Path

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from livecassi.drivers.opencv import cv2

_CLASSES = {"f8": "double", "f4": "single", "u2": "uint16", "u1": "uint8"}


def save_v5(path: Path, **arrays: NDArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, arrays)


def save_v73(path: Path, **arrays: NDArray) -> None:
    """As MATLAB writes it: 512 bytes before HDF5, axes reversed, a class on every dataset."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            item = file.create_dataset(name, data=array.T)
            item.attrs["MATLAB_class"] = np.bytes_(_CLASSES[array.dtype.str[1:]])
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(512))


def save_png(path: Path, pixels: NDArray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def smooth_scene(bands: int, height: int, width: int, phase: float = 0.0) -> NDArray[np.float64]:
    """A smooth scene `(rows, columns, bands)` of 0.1 to 0.9, another one for every phase."""
    row, column, band = np.ogrid[:height, :width, :bands]
    waves = np.sin(row / 13 + band / 9 + phase) + np.cos(column / 17 - band / 7 + 2 * phase)
    return 0.5 + 0.2 * waves


def counts(scene: NDArray[np.float64]) -> NDArray[np.uint16]:
    """The scene as 16 bit counts."""
    return np.round(65535 * scene).astype(np.uint16)
