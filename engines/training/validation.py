"""What networks are scored on while they are trained: the validation scenes of the scoring protocol, moving."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.engines.metrics import Scores
from livecassi.engines.protocol import (
    SCENE_NM,
    SIDE,
    VALIDATION_SCENES,
    Scene,
    load_scene,
    moving_path,
    prepare_scene,
    synthetic_scene,
)
from livecassi.engines.training.errors import TrainingDataError
from livecassi.engines.training.packed_scenes import SUFFIX, read_packed


@dataclass(frozen=True, slots=True)
class ValidationScenes:
    """The scenes of a folder by `names`; without a folder one that is drawn and never trained on."""

    folder: Path | None
    names: tuple[str, ...]

    @property
    def words(self) -> str:
        """Which scenes, for a card."""
        return f"the validation scenes {', '.join(self.names)}" if self.folder else "a drawn scene"

    def clips(
        self, frames: int, wavelengths_nm: NDArray[np.floating], height: int, width: int
    ) -> list[NDArray[np.float32]]:
        """The truth `(T, C, H, W)` of each scene, its centre, moving as in the protocol. Raises `ProtocolError`."""
        return [_clip(scene, frames, wavelengths_nm, height, width) for scene in self._scenes()]

    def _scenes(self) -> list[Scene]:
        if self.folder is None:
            return [synthetic_scene()]
        return [_load(self.folder, name) for name in self.names]


def find_validation(folder: Path | None) -> ValidationScenes:
    """The validation scenes that lie in a folder. Raises `TrainingDataError` where it holds none."""
    if folder is None:
        return ValidationScenes(None, ())
    first_band = f"{SCENE_NM[0]:.0f}nm.jxl"
    found = tuple(
        name
        for name in VALIDATION_SCENES
        if any((folder / place).is_file() for place in (f"{name}.npy", f"{name}/{first_band}", f"{name}{SUFFIX}"))
    )
    if not found:
        raise TrainingDataError(
            f"{folder} holds none of the validation scenes {', '.join(VALIDATION_SCENES)}; name their folder by "
            "--validation, or leave it out to validate on a drawn scene"
        )
    return ValidationScenes(folder, found)


def mean_scores(scores: list[Scores]) -> dict[str, float]:
    """The scores that a log and a card show, means over clips."""
    return {
        "psnr_db": float(np.mean([one.psnr_db for one in scores])),
        "ssim": float(np.mean([one.ssim for one in scores])),
        "sam_deg": float(np.mean([one.sam_deg for one in scores])),
    }


def _load(folder: Path, name: str) -> Scene:
    packed = folder / f"{name}{SUFFIX}"
    return prepare_scene(name, read_packed(packed).values) if packed.is_file() else load_scene(folder, name)


def _clip(
    scene: Scene, frames: int, wavelengths_nm: NDArray[np.floating], height: int, width: int
) -> NDArray[np.float32]:
    row, column = (SIDE - height) // 2, (SIDE - width) // 2
    seen: list[Array32] = [scene.bands(wavelengths_nm, place) for place in moving_path()[:frames]]
    return np.stack(seen)[:, :, row : row + height, column : column + width]
