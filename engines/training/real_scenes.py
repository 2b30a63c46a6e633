"""Clips of real scenes: crops of measured cubes, turned, scaled, exposed and looked at by a moving camera."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livecassi.engines.training.camera_motion import MotionRange, draw_path, look_along
from livecassi.engines.training.errors import TrainingDataError
from livecassi.engines.training.resizing import resize
from livecassi.engines.training.scene_files import TrainingScene, find_scenes
from livecassi.engines.training.smooth_curves import smooth_curve

SLACK_NM = 1e-3  # of rounding to float32
WHITE_PERCENT = 99.9
DARK_CROP = 0.1  # of the scene's white: a crop of the dark surroundings is not exposed beyond it


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far clips differ from the scenes that they are cut from.

    `scale`: least, usual and largest size of the scene's pixels in the clip (the scoring protocol uses 0.75 of CAVE);
    `exposure`: what the crop's 99.9 percentile becomes; `spectral_gain`: how far a smooth curve over wavelength leaves
    1; `pasted_share`: how often a part of another clip is laid over; `turned`: whether clips are mirrored and turned by
    right angles.
    """

    scale: tuple[float, float, float] = (0.5, 0.75, 1.2)
    exposure: tuple[float, float] = (0.7, 1.2)
    spectral_gain: float = 0.2
    pasted_share: float = 0.15
    turned: bool = True
    motion: MotionRange = field(default_factory=MotionRange)


class RealScenes:
    """A `ClipSource` of a folder of measured scenes; those of the validation split are left out.

    `names` chooses among them. Scenes stay in memory as float16, or on disk where they are .npy files; a video's frames
    are read as they are asked for and bring their own motion. Clips are cut on the CPU and handed over on `device`.
    Raises as `find_scenes`.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterable[str] | None = None,
        augmentation: Augmentation | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.scenes = find_scenes(folder, names)
        self.augmentation = augmentation or Augmentation()
        self.device = torch.device(device)
        self._least_white = [DARK_CROP * _white(_coarse(scene)) for scene in self.scenes]

    def clip(
        self,
        random: np.random.Generator,
        frames: int,
        height: int,
        width: int,
        wavelengths_nm: NDArray[np.floating],
    ) -> Tensor:
        """A clip `(T, C, H, W)`. Raises `TrainingDataError` where a scene was not measured at these wavelengths."""
        clip = self._look(random, frames, height, width, wavelengths_nm)
        if random.random() < self.augmentation.pasted_share:
            rows, columns = _part(random, height), _part(random, width)
            other = self._look(random, frames, height, width, wavelengths_nm)
            clip[:, :, rows, columns] = other[:, :, rows, columns]
        return clip.to(self.device)

    def _look(
        self, random: np.random.Generator, frames: int, height: int, width: int, wavelengths_nm: NDArray[np.floating]
    ) -> Tensor:
        """A clip of one scene."""
        number = int(random.integers(len(self.scenes)))
        scene = self.scenes[number]
        used, weights = _band_weights(scene, wavelengths_nm)
        quarters, mirrored = _orientation(random) if self.augmentation.turned else (0, False)
        size = (width, height) if quarters % 2 else (height, width)
        seen = self._crop(random, scene, used, frames, size)
        curve = 1 + self.augmentation.spectral_gain * smooth_curve(random, wavelengths_nm)
        mix = torch.from_numpy((weights * curve[:, None]).astype(np.float32))
        bands = (mix @ seen.reshape(frames, len(mix.T), -1)).reshape(frames, len(mix), *size)
        white = max(_white(bands[:, :, ::4, ::4].numpy()), self._least_white[number])
        bands.mul_(random.uniform(*self.augmentation.exposure) / white).clamp_(0.0, 1.0)
        turned = torch.rot90(bands.flip(-1) if mirrored else bands, quarters, (-2, -1))
        return turned.contiguous()

    def _crop(
        self, random: np.random.Generator, scene: TrainingScene, used: slice, frames: int, size: tuple[int, int]
    ) -> Tensor:
        """`(T, S, *size)` of a random place of the scene, scaled; moved unless the scene itself is a video."""
        rows, columns = scene.size
        scale = max(random.triangular(*self.augmentation.scale) / scene.shrunk, size[0] / rows, size[1] / columns)
        own_motion = 1 < frames <= scene.frames
        path = draw_path(random, 1 if own_motion else frames, self.augmentation.motion)
        path = path.within((rows * scale - size[0]) / 2, (columns * scale - size[1]) / 2)
        margin = path.margin_px(*size) if len(path) > 1 else (0, 0)
        height = max(min(size[0] + 2 * margin[0], int(rows * scale)), size[0])
        width = max(min(size[1] + 2 * margin[1], int(columns * scale)), size[1])
        place = (used, _stretch(random, rows, height / scale), _stretch(random, columns, width / scale))
        moments = frames if own_motion else 1
        first = int(random.integers(scene.frames - moments + 1))
        cut = [resize(_floats(scene.read(first + n)[place]), height, width) for n in range(moments)]
        return torch.stack(cut) if len(path) == 1 else look_along(cut[0], path, *size)


def _band_weights(scene: TrainingScene, wavelengths_nm: NDArray[np.floating]) -> tuple[slice, NDArray[np.float64]]:
    """The bands of the scene that are used, and linear interpolation `(C, S)` between them."""
    known = scene.wavelengths_nm
    wanted = np.asarray(wavelengths_nm, np.float64)
    if wanted.min() < known[0] - SLACK_NM or wanted.max() > known[-1] + SLACK_NM:
        raise TrainingDataError(
            f"bands of {wanted.min():g} to {wanted.max():g} nm are to be trained, scene '{scene.name}' was measured "
            f"from {known[0]:g} to {known[-1]:g} nm; leave it out, or train bands within"
        )
    hats = np.stack([np.interp(wanted, known, unit) for unit in np.eye(len(known))], axis=1)
    needed = np.flatnonzero(hats.max(axis=0) > 1e-6)
    used = slice(int(needed[0]), int(needed[-1]) + 1)
    return used, hats[:, used]


def _orientation(random: np.random.Generator) -> tuple[int, bool]:
    return int(random.integers(4)), bool(random.integers(2))


def _stretch(random: np.random.Generator, whole: int, wanted: float) -> slice:
    """A random stretch of about `wanted` pixels of a side."""
    length = min(max(round(wanted), 1), whole)
    first = int(random.integers(whole - length + 1))
    return slice(first, first + length)


def _part(random: np.random.Generator, side: int) -> slice:
    """A random stretch of a fifth to four fifths of a side."""
    return _stretch(random, side, random.uniform(0.2, 0.8) * side)


def _floats(values: NDArray[np.floating]) -> Tensor:
    """In float32. Files bring other byte orders and precisions, which torch does not read."""
    kind = np.float16 if values.dtype == np.float16 else np.float32  # torch widens float16 faster
    return torch.from_numpy(np.array(values, kind)).float()


def _coarse(scene: TrainingScene) -> NDArray[np.floating]:
    return scene.read(0)[::3, ::4, ::4]


def _white(values: NDArray[np.floating]) -> float:
    """The 99.9 percentile; 1 where all is black."""
    return float(np.percentile(values.astype(np.float32, copy=False), WHITE_PERCENT)) or 1.0
