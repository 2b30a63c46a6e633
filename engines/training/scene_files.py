"""Scenes for training as they lie in a folder: found, checked, and never those of the validation split."""

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.datasets import DatasetError, DatasetKind, SceneSequence, open_scenes
from livecassi.engines.datasets.files import files_in, folders_in
from livecassi.engines.protocol import SCENE_NM, VALIDATION_SCENES
from livecassi.engines.training.errors import TrainingDataError
from livecassi.engines.training.packed_scenes import SUFFIX, read_packed

_log = logging.getLogger(__name__)

Values = NDArray[np.floating]

LEAST_SIDE_PX = 64
BRIGHTEST, DARKEST = 4.0, -0.05  # a reflectance may leave 0..1 by highlights and noise, but no further
FAINTEST = 0.01  # of the brightest value: less is a scene divided twice
NUMBERED = (DatasetKind.CAVE_512_28, DatasetKind.CAVE_1024_28)  # hold the validation scenes under numbers
LAYOUT = (
    f"NAME.npy with ({len(SCENE_NM)}, rows, columns) float reflectances, 400 to 700 nm in 10 nm steps; or folders NAME "
    "with {400..700}nm.jxl; or a data set with known wavelengths"
)


@dataclass(frozen=True, slots=True)
class TrainingScene:
    """A scene by name: `frames` moments, each read as float16 or float32 `(S, H, W)` at `wavelengths_nm (S,)`.

    `shrunk`: how much smaller it is than it was measured, which sizes of objects are judged by.
    """

    name: str
    frames: int
    wavelengths_nm: NDArray[np.float64]
    size: tuple[int, int]
    read: Callable[[int], Values]
    shrunk: float = 1.0


Reader = Callable[[], TrainingScene]


def is_validation_scene(name: str) -> bool:
    """Whether this is a scene of the validation split, under whatever spelling: `beads_ms`, `CAVE Beads 512` ..."""
    words = " ".join(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
    for scene in VALIDATION_SCENES:
        spoken = scene.replace("_", " ")
        if f" {spoken} " in f" {words} " or words.replace(" ", "") == spoken.replace(" ", ""):
            return True
    return False


def find_scenes(folder: Path, names: Iterable[str] | None = None) -> tuple[TrainingScene, ...]:
    """The scenes of a folder that may be trained on, in the order of their names; only `names` where they are given.

    Scenes of the validation split are left out. Raises `DatasetError` for a folder that is no data set and
    `TrainingDataError` where nothing is left, a name is not there or is for validation, or a scene cannot be used.
    """
    wanted = None if names is None else list(names)
    for name in wanted or ():
        if is_validation_scene(name):
            raise TrainingDataError(
                f"scene '{name}' is for validation and never trained on; take it out of the list of names"
            )
    found = (_own_layouts(folder) if folder.is_dir() else {}) or _published(folder, named=wanted is not None)
    allowed = {name: read for name, read in found.items() if not is_validation_scene(name)}
    if not allowed:
        raise TrainingDataError(
            f"{folder} holds only scenes for validation ({', '.join(found)}), expected others to train on; add some"
        )
    if len(allowed) < len(found):
        _log.info("left out for validation: %s", ", ".join(sorted(found.keys() - allowed.keys())))
    if wanted is not None:
        absent = [name for name in wanted if name not in allowed]
        if absent or not wanted:
            raise TrainingDataError(
                f"{folder} holds no scene {', '.join(absent) or '(no names were given)'}; "
                f"choose of: {', '.join(sorted(allowed))}"
            )
        allowed = {name: allowed[name] for name in sorted(wanted)}
    return tuple(read() for read in allowed.values())


def checked(values: Values, where: object) -> Values:
    """The values of a scene `(S, H, W)` of full scale 1. Raises `TrainingDataError`: integers, NaN, another scale."""
    if values.ndim != 3 or min(values.shape[1:]) < LEAST_SIDE_PX:
        raise TrainingDataError(
            f"scene {where} has shape {values.shape}, expected (bands, rows, columns) of at least {LEAST_SIDE_PX} x "
            f"{LEAST_SIDE_PX} pixels; convert it, or leave it out"
        )
    if not np.issubdtype(values.dtype, np.floating):
        raise TrainingDataError(
            f"scene {where} holds {values.dtype}, expected float reflectances of full scale 1; "
            "divide it by its full scale, such as 65535"
        )
    bands = [(float(band.min()), float(band.max())) for band in values]
    smallest, largest = np.min([low for low, _ in bands]), np.max([high for _, high in bands])
    if not np.isfinite([smallest, largest]).all():
        raise TrainingDataError(f"scene {where} holds NaN or infinite values; convert it again, or leave it out")
    if largest > BRIGHTEST or smallest < DARKEST or largest < FAINTEST:
        raise TrainingDataError(
            f"scene {where} holds values from {smallest:g} to {largest:g}, expected reflectances of full scale 1, "
            "none below 0; divide it by its full scale (65535 for 16 bit counts), or leave it out"
        )
    return values


def _own_layouts(folder: Path) -> dict[str, Reader]:
    """The scenes of the two layouts of the scoring protocol, and packed ones, by name."""
    found: dict[str, Reader] = {}
    for place in folders_in(folder):
        if (place / f"{SCENE_NM[0]:.0f}nm.jxl").is_file():
            found[place.name] = partial(_decoded, place)
    for path in files_in(folder, ".npy"):
        found[path.stem] = partial(_mapped, path)
    for path in files_in(folder, SUFFIX):
        found[path.stem] = partial(_unpacked, path)
    return dict(sorted(found.items()))


def _still(name: str, values: Values, wavelengths_nm: NDArray[np.floating], where: object) -> TrainingScene:
    """A scene of one moment, checked."""
    checked(values, where)
    return TrainingScene(name, 1, wavelengths_nm.astype(np.float64), values.shape[1:], lambda _: values)


def _mapped(path: Path) -> TrainingScene:
    """A file that stays on disk: the system keeps its pages in memory, once for all processes."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise TrainingDataError(f"cannot read scene {path}: {error}; unpack it again, or leave it out") from error
    if values.ndim != 3 or values.shape[0] != len(SCENE_NM):
        raise TrainingDataError(
            f"scene {path} has shape {values.shape}, expected ({len(SCENE_NM)}, rows, columns): "
            "bands of 400 to 700 nm in 10 nm steps; convert it, or leave it out"
        )
    return _still(path.stem, values, SCENE_NM, path)


def _unpacked(path: Path) -> TrainingScene:
    packed = read_packed(path)
    return replace(_still(path.stem, packed.values, SCENE_NM, path), shrunk=packed.shrunk)


def _decoded(folder: Path) -> TrainingScene:
    paths = [folder / f"{nm:.0f}nm.jxl" for nm in SCENE_NM]
    absent = [path.name for path in paths if not path.is_file()]
    if absent:
        raise TrainingDataError(f"scene {folder} lacks {', '.join(absent)}; copy it again, or leave it out")
    try:
        import imagecodecs
    except ImportError as error:
        raise TrainingDataError(
            f"the bands in {folder} are JPEG XL; install imagecodecs, or unpack them to {folder.name}.npy"
        ) from error
    try:
        codes = np.stack([imagecodecs.jpegxl_decode(path.read_bytes()) for path in paths])
    except (RuntimeError, ValueError) as error:
        raise TrainingDataError(f"cannot decode the bands in {folder}: {error}; copy it again") from error
    reflectance = (codes.astype(np.float32) / 1023.0) ** 2  # companded by a square root at 10 bits
    return _still(folder.name, reflectance.astype(np.float16), SCENE_NM, folder)


def _published(folder: Path, *, named: bool) -> dict[str, Reader]:
    try:
        found = open_scenes(folder)
    except DatasetError as error:
        raise TrainingDataError(f"{error}\n  scenes for training: {LAYOUT}") from error
    if found.kind in NUMBERED and not named:
        raise TrainingDataError(
            f"{folder} ({found.kind}) numbers its scenes, so that those for validation cannot be told from the others; "
            "give the names of the scenes to train on"
        )
    return {sequence.name: partial(_of_sequence, sequence) for sequence in found.sequences}


def _of_sequence(sequence: SceneSequence) -> TrainingScene:
    """A still picture is kept in memory; of a video the frames are read when they are asked for."""
    first = sequence.frame(0)
    where = sequence.paths[0]
    if first.wavelengths_nm is None:
        raise TrainingDataError(
            f"scene {where} has {len(first.values)} bands of unpublished wavelengths, expected known ones; "
            "choose a data set with known wavelengths"
        )
    if len(sequence) == 1:
        return _still(sequence.name, first.values.astype(np.float16), first.wavelengths_nm, where)
    checked(first.values, where)

    def read(place: int) -> Values:
        return checked(sequence.frame(place).values, sequence.paths[place])

    centres = first.wavelengths_nm.astype(np.float64)
    return TrainingScene(sequence.name, len(sequence), centres, first.values.shape[1:], read)
