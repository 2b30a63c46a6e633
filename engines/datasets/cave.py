"""The CAVE multispectral database as it is downloaded: a folder per scene with 31 PNG pictures, 400 to 700 nm.

The archive nests every scene's folder in one of the same name, adds a thumbnail, and keeps one scene (watercolors) as
8 bit colour pictures of grey content. Source: Yasuma et al., "Generalized Assorted Pixel Camera", 2008; cassi-protocol
5.2.
"""

from pathlib import Path

import numpy as np

from livecassi.drivers.array_files import AnyArray, check_is_file, decode_png, unreadable
from livecassi.engines.datasets.dataset import Array32, SceneFrame, SceneSequence
from livecassi.engines.datasets.files import dataset_faults, files_in, folders_in
from livecassi.engines.errors import DatasetError

BANDS = 31
LAYOUT = f"CAVE: <scene>/*.png, {BANDS} pictures of 16 bit per scene (the scene's folder may be nested once more)"


def cave_sequence(folder: Path) -> SceneSequence | None:
    """The scene in this folder, or None where no picture lies in it."""
    pictures = _folder_of_pictures(folder)
    return None if pictures is None else SceneSequence(folder.name.removesuffix("_ms"), (pictures,), read_scene)


def _folder_of_pictures(folder: Path) -> Path | None:
    nested = [inner for inner in folders_in(folder) if inner.name == folder.name]
    return next((place for place in (folder, *nested) if files_in(place, ".png")), None)


def read_scene(folder: Path) -> SceneFrame:
    """The scene `(31, H, W)` from its pictures in the order of their names. Raises `DatasetError`."""
    paths = files_in(folder, ".png")
    if len(paths) != BANDS:
        raise DatasetError(
            f"{folder} holds {len(paths)} PNG pictures, expected {BANDS}: one per band, 400 to 700 nm; unpack it again"
        )
    bands = [_read_band(path) for path in paths]
    for path, band in zip(paths, bands, strict=True):
        if band.shape != bands[0].shape:
            raise DatasetError(
                f"{path} has {band.shape} pixels, {paths[0].name} has {bands[0].shape}; expected one size for all "
                "bands: unpack the scene again"
            )
    return SceneFrame(np.stack(bands), np.linspace(400, 700, BANDS, dtype=np.float32))


def _read_band(path: Path) -> Array32:
    with dataset_faults():
        check_is_file(path)
        with unreadable(path):
            pixels = _grey(decode_png(path), path)
    return np.asarray(pixels, np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _grey(pixels: AnyArray, path: Path) -> AnyArray:
    """One of the equal colours of a picture; how opaque it is does not matter."""
    if pixels.ndim == 2:
        return pixels
    colours = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
    if (colours != colours[..., :1]).any():
        raise DatasetError(f"{path} is a colour picture, expected the grey values of one band; unpack the scene again")
    return colours[..., 0]
