"""The evaluation of the DynaSpec paper: its clips, its bench and its masks.

Static scenes (class K, ten of KAIST) stand still for three frames; dynamic ones (class D, five of ten frames) are cut
into clips of three that begin at frames 0, 3 and 6. Of 320 x 320 pixels the central 256 x 256 count, no noise is added.
Source: cassi-protocol 3.2, 3.3 and 6.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from livecassi.calibration import Calibration, CalibrationHeader, SubSteps, System
from livecassi.calibration.import_mask import import_mask
from livecassi.calibration.masks import notch_mask, pmvis_mask
from livecassi.engines.datasets.dataset import Array32, DatasetKind, SceneSequence, SceneSet
from livecassi.engines.datasets.files import folders_in
from livecassi.engines.datasets.opening import open_scenes
from livecassi.engines.errors import DatasetError
from livecassi.engines.protocol import DD_NM

SIDE, BORDER, STEP_PX = 256, 32, 2
CLIP_FRAMES = 3
WINDOW_STARTS = (0, 3, 6)
STATIC_SCENES, DYNAMIC_SCENES = 10, 5
SINGLE_FIRST_COLUMN = 30  # where the published code cuts the single-disperser mask out of a wider one


class SceneClass(StrEnum):
    """The two classes whose means the paper averages."""

    STATIC = "K"
    DYNAMIC = "D"


@dataclass(frozen=True, slots=True)
class Clip:
    """Three consecutive truths `(30, 256, 256)` of a scene, from frame `first_frame` on."""

    scene: str
    scene_class: SceneClass
    first_frame: int
    truths: tuple[Array32, ...]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The scenes of the evaluation by class; `missing` says in words what the folder lacks of the whole."""

    static: tuple[SceneSequence, ...]
    dynamic: tuple[SceneSequence, ...]
    missing: tuple[str, ...]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.static) + sum(len(window_starts(scene)) for scene in self.dynamic)

    def clips(self) -> Iterator[Clip]:
        """Clip by clip, static scenes first, read from disk as it goes. Raises `DatasetError`."""
        for scene in self.static:
            yield Clip(scene.name, SceneClass.STATIC, 0, (centre(scene.frame(0).values),) * CLIP_FRAMES)
        for scene in self.dynamic:
            for start in window_starts(scene):
                frames = range(start, start + CLIP_FRAMES)
                truths = tuple(centre(scene.frame(position).values) for position in frames)
                yield Clip(scene.name, SceneClass.DYNAMIC, start, truths)


def open_benchmark(folder: Path) -> Benchmark:
    """The test scenes in the folder that holds `Kaist_Truth_50030` and the `..._test` folder of dynamic scenes.

    Either may be missing or hold fewer scenes, which `missing` tells. Raises `DatasetError` where both are missing,
    and for a dynamic scene of less than three frames.
    """
    static, dynamic = _test_sets(folder)
    missing = []
    for scenes, wanted, what in ((static, STATIC_SCENES, "static (K)"), (dynamic, DYNAMIC_SCENES, "dynamic (D)")):
        if len(scenes) != wanted:
            missing.append(f"found {len(scenes)} {what} scenes, the published evaluation has {wanted}")
    for scene in dynamic:
        if not (starts := window_starts(scene)):
            raise DatasetError(
                f"the sequence '{scene.name}' has {len(scene)} frames, expected at least {CLIP_FRAMES}; copy it again"
            )
        if len(starts) < len(WINDOW_STARTS):
            missing.append(f"'{scene.name}' has {len(scene)} frames: {len(starts)} of {len(WINDOW_STARTS)} clips")
    return Benchmark(static, dynamic, tuple(missing))


def _test_sets(folder: Path) -> tuple[tuple[SceneSequence, ...], tuple[SceneSequence, ...]]:
    """Static and dynamic test scenes below a folder, told by their files; training sequences by their folder's name.

    Other folders may lie there too; one that is called as the test scenes are must be readable.
    """
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}; give the folder of the DynaSpec benchmark")
    found: dict[DatasetKind, SceneSet] = {}
    for place in folders_in(folder):
        name = place.name.lower()
        try:
            scenes = open_scenes(place)
        except DatasetError:
            if name.startswith("kaist_truth") or name.endswith("_test"):
                raise
            continue
        if scenes.kind is DatasetKind.KAIST_50030 or (
            scenes.kind is DatasetKind.DYNASPEC_320 and not name.endswith("train")
        ):
            found.setdefault(scenes.kind, scenes)
    if not found:
        raise DatasetError(
            f"{folder} holds no test scenes of the DynaSpec benchmark; expected the folders Kaist_Truth_50030 and "
            f"Dyna_Spec_train_320_ref_norm_50030_test in it; give the folder that holds both"
        )
    static, dynamic = found.get(DatasetKind.KAIST_50030), found.get(DatasetKind.DYNASPEC_320)
    return static.sequences if static else (), dynamic.sequences if dynamic else ()


def window_starts(scene: SceneSequence) -> tuple[int, ...]:
    """The first frames of the clips that a dynamic scene has room for."""
    return tuple(start for start in WINDOW_STARTS if start + CLIP_FRAMES <= len(scene))


def centre(values: Array32) -> Array32:
    """The part `(C, 256, 256)` that is evaluated."""
    part = slice(BORDER, BORDER + SIDE)
    return np.ascontiguousarray(values[:, part, part])


def dynaspec_calibration(system: System, mask: Path | None) -> Calibration:
    """The bench of the paper: 30 bands, 2 columns each, the light of a band in two half steps.

    `mask` is the picture of a random mask, needed for DD-CASSI (columns 0..313 count) and SD-CASSI (256 columns, or
    columns 30..285 of a wider one); the masks of NDSSI and PMVIS follow from a rule where none is given.
    The centres of the 30 bands are not published: `wavelengths_nm` is the regular grid of 410 to 700 nm, which here
    does no more than label them.

    Raises `DatasetError` for a mask that is missing or of another size, else as `import_mask`.
    """
    grid = DD_NM.astype(np.float32)
    return Calibration(
        CalibrationHeader(
            system=system,
            sub_steps=SubSteps.TWO_HALVES,
            name=f"DynaSpec evaluation, {system}",
            notes="the band centres are not published; 410 to 700 nm in steps of 10 only label the 30 bands",
        ),
        wavelengths_nm=grid,
        mask=_mask(system, mask, grid),
        dispersion_px=STEP_PX * np.arange(len(grid), dtype=np.float32),
        response=np.ones(len(grid), np.float32),
    )


def _mask(system: System, path: Path | None, grid: Array32) -> Array32:
    width = SIDE if system.single_disperser else SIDE + STEP_PX * (len(grid) - 1)
    if path is None:
        if system in (System.SD_CASSI, System.DD_CASSI):
            raise DatasetError(
                f"the evaluation of {system} needs the picture of its random mask, {SIDE} x {width}; give it as --mask"
                + (" (mask_dd_binary.mat of the published code)" if system is System.DD_CASSI else "")
            )
        return (notch_mask if system is System.NDSSI else pmvis_mask)(SIDE, width)
    given = import_mask(path, system, grid, STEP_PX, width=None if system.single_disperser else SIDE).mask
    height, columns = given.shape
    first = SINGLE_FIRST_COLUMN if system.single_disperser and columns > width else 0
    if height != SIDE or columns < first + width:
        raise DatasetError(
            f"the mask in {path} has {height} x {columns} pixels, expected {SIDE} x {width} for {system}"
        )
    return given[:, first : first + width]
