"""Scenes packed small, to take them to where a training runs: 384 x 384 pixels, 8 bits, under the root.

An .npz file holds, in uint8, the differences from band to band of round(255 sqrt(value / full_scale)), modulo 256,
`(31, 384, 384)`; the `full_scale`; and `shrunk`, how much smaller than the original the picture is. Rounding costs
about 56 dB. Scenes are prepared as in the scoring protocol: bands of 400 to 700 nm in 10 nm steps.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.protocol import FRAME_SIDE, SCENE_NM, prepare_scene
from livecassi.engines.training.errors import TrainingDataError

SUFFIX = ".npz"
LEVELS = 255
SHAPE = (len(SCENE_NM), FRAME_SIDE, FRAME_SIDE)


@dataclass(frozen=True, slots=True)
class PackedScene:
    """`values (31, 384, 384)` float16; `shrunk`: their pixels are 1 / shrunk times as large as the original's."""

    values: NDArray[np.float16]
    shrunk: float


def pack_scene(path: Path, name: str, reflectance: NDArray[np.floating]) -> None:
    """Write a scene `(31, H, W)`. Raises `ProtocolError` for another shape, `TrainingDataError` where it cannot be."""
    frame = prepare_scene(name, reflectance).frame.clip(min=0)
    full_scale = float(frame.max())
    companded = np.rint(LEVELS * np.sqrt(frame / full_scale)).astype(np.uint8)
    differences = np.diff(companded, axis=0, prepend=np.zeros_like(companded[:1]))  # unsigned: modulo 256
    shrunk = FRAME_SIDE / max(reflectance.shape[1:])
    try:
        np.savez_compressed(path, differences=differences, full_scale=full_scale, shrunk=shrunk)
    except OSError as error:
        raise TrainingDataError(
            f"the packed scene {path} cannot be written ({error.strerror or error}); choose a folder with space"
        ) from error


def read_packed(path: Path) -> PackedScene:
    """The scene in a file. Raises `TrainingDataError`: not there, damaged, or another archive."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            differences, full_scale = arrays["differences"], float(arrays["full_scale"])
            shrunk = float(arrays["shrunk"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingDataError(
            f"{path} is damaged or not a packed scene ({error}); pack it again, or leave it out"
        ) from error
    if differences.shape != SHAPE or differences.dtype != np.uint8 or not (full_scale > 0 and shrunk > 0):
        raise TrainingDataError(
            f"the packed scene {path} holds {differences.dtype} of shape {differences.shape}, expected uint8 of "
            f"{SHAPE}; pack it again, or leave it out"
        )
    companded = np.cumsum(differences, axis=0, dtype=np.uint8)
    values = full_scale * (np.arange(LEVELS + 1) / LEVELS) ** 2
    return PackedScene(values.astype(np.float16)[companded], shrunk)
