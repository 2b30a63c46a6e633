"""Which data set a folder is, found out from its files and not from its name."""

from functools import partial
from pathlib import Path

from livecassi.engines.datasets import cave, real
from livecassi.engines.datasets.dataset import DatasetKind, MeasurementSet, SceneSequence, SceneSet
from livecassi.engines.datasets.files import describe, files_in, folders_in, found_in
from livecassi.engines.datasets.formats import FORMATS, CubeFormat
from livecassi.engines.datasets.mat_cubes import read_cube
from livecassi.engines.errors import DatasetError

SCENES_WITHIN = ("Truth", "Measurements")  # where the published archives keep them, beside their masks


def open_dataset(folder: Path) -> SceneSet | MeasurementSet:
    """The data set in a folder: a whole set, or one sequence or scene of it.

    Only the head of one file is read; cubes are read when they are asked for. Raises `DatasetError` for a folder that
    is not there, empty or of no known set (the message lists what was looked for), and for an unreadable file.
    """
    folder = _within(folder)
    if paths := _cubes_in(folder):
        return _of_files(folder, paths)
    if scene := cave.cave_sequence(folder):
        return SceneSet(DatasetKind.CAVE, folder, (scene,))
    inner = folders_in(folder)
    for candidate in inner:
        if paths := _cubes_in(candidate):
            return _of_folders(folder, inner, paths[0])
        if cave.cave_sequence(candidate):
            return SceneSet(DatasetKind.CAVE, folder, tuple(map(_cave_scene, inner)))
    if len(inner) == 1:  # archives are often unpacked into a folder of their own
        return open_dataset(inner[0])
    raise _unknown(folder, "neither .mat nor .png files, nor folders of such")


def open_scenes(folder: Path) -> SceneSet:
    """As `open_dataset`, for scenes with truth. Raises `DatasetError` for measurements too."""
    found = open_dataset(folder)
    if isinstance(found, MeasurementSet):
        raise DatasetError(f"{folder} holds measurements without truth ({found.kind}), expected scenes; choose others")
    return found


def _within(folder: Path) -> Path:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DatasetError(f"{folder} {what}; give the folder of a data set")
    inner = {path.name: path for path in folders_in(folder)}
    return next((inner[name] for name in SCENES_WITHIN if name in inner), folder)


def _cubes_in(folder: Path) -> list[Path]:
    return [path for path in files_in(folder, ".mat") if not path.stem.lower().startswith("mask")]


def _of_files(folder: Path, paths: list[Path]) -> SceneSet | MeasurementSet:
    described = describe(paths[0])
    if real.KEY in described:
        return real.real_measurements(folder, paths)
    form = _recognised(folder, paths[0])
    read = partial(read_cube, form=form)
    if form.framed:
        return SceneSet(form.kind, folder, (SceneSequence(folder.name, tuple(paths), read),))
    kept = [path for path in paths if form.last_number is None or _number(path) <= form.last_number]
    if not kept:
        raise DatasetError(f"{folder} holds no scene up to number {form.last_number}; expected {form.layout}")
    return SceneSet(form.kind, folder, tuple(SceneSequence(path.stem, (path,), read) for path in kept))


def _of_folders(folder: Path, inner: list[Path], first: Path) -> SceneSet | MeasurementSet:
    form = _recognised(folder, first)
    if not form.framed and len(inner) == 1:  # unpacked into a folder of its own
        return open_dataset(first.parent)
    if not form.framed:
        raise _unknown(folder, f"no cubes itself, but a folder {first.parent.name} of the set '{form.kind}'")
    read = partial(read_cube, form=form)
    sequences = []
    for place in inner:
        paths = _cubes_in(place)
        if not paths:
            raise DatasetError(f"the sequence {place} holds no .mat file; copy it again or take it out of the folder")
        sequences.append(SceneSequence(place.name, tuple(paths), read))
    return SceneSet(form.kind, folder, tuple(sequences))


def _cave_scene(place: Path) -> SceneSequence:
    scene = cave.cave_sequence(place)
    if scene is None:
        raise DatasetError(f"the scene {place} holds no PNG picture; unpack it again or take it out of the folder")
    return scene


def _recognised(folder: Path, path: Path) -> CubeFormat:
    described = describe(path)
    form = next((form for form in FORMATS if form.fits(described)), None)
    if form is None:
        raise _unknown(folder, f"{path.name} with {found_in(described)}")
    return form


def _number(path: Path) -> int:
    digits = "".join(character for character in path.stem if character.isdecimal())
    return int(digits or "0")


def _unknown(folder: Path, found: str) -> DatasetError:
    known = "".join(f"\n  {layout}" for layout in (*(form.layout for form in FORMATS), cave.LAYOUT, real.LAYOUT))
    return DatasetError(f"{folder} is no known data set: found {found}; looked for:{known}")
