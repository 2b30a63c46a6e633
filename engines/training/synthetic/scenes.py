"""Random hyperspectral video as a source of clips."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livecassi.engines.training.camera_motion import CameraPath, MotionRange, draw_path
from livecassi.engines.training.synthetic.frame import Staging, draw_frame
from livecassi.engines.training.synthetic.groups import SMALLEST_RADIUS_PX, Group, GroupDrawer
from livecassi.engines.training.synthetic.materials import Spectra, SpectralMaterials
from livecassi.engines.training.synthetic.noise import noise_pictures
from livecassi.engines.training.synthetic.palette import draw_palette
from livecassi.engines.training.synthetic.surface import Light
from livecassi.engines.training.synthetic.things import Things, join
from livecassi.engines.training.synthetic.visibility import Pose

WHITE_PERCENT = 99.9


@dataclass(frozen=True, slots=True)
class SyntheticStyle:
    """What random clips are like.

    `lit_share` of them lie under a lamp, the others show reflectances; `dark_share` have black surroundings. Nothing
    moves faster than `fastest_px` a frame. `exposure`: what the 99.9 percentile becomes.
    """

    lit_share: float = 0.3
    dark_share: float = 0.4
    fastest_px: float = 10.0
    exposure: tuple[float, float] = (0.6, 1.1)


class SyntheticScenes:
    """A `ClipSource` of scenes drawn at random: objects of real spectra that move before each other.

    Clips stay on `device`. They depend on the state of `random` and on whether colour-science, whose measured spectra
    are used, is installed.
    """

    def __init__(
        self,
        materials: SpectralMaterials,
        device: torch.device | str = "cpu",
        style: SyntheticStyle | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.style = style or SyntheticStyle()
        self._materials = materials
        self._pictures = noise_pictures(self.device)
        self._spectra: dict[bytes, Spectra] = {}

    def clip(
        self,
        random: np.random.Generator,
        frames: int,
        height: int,
        width: int,
        wavelengths_nm: NDArray[np.floating],
    ) -> Tensor:
        """A clip `(T, C, H, W)`."""
        palette = draw_palette(random, self._at(wavelengths_nm), self.style.lit_share)
        camera_share = random.uniform(0, 0.8) * (random.random() < 0.7)
        camera = draw_path(random, frames, _camera(self.style.fastest_px * camera_share, height, width))
        drawer = GroupDrawer(random, palette, frames, (height, width), self.style.fastest_px * (1 - camera_share))
        dark = random.random() < self.style.dark_share
        things, poses = _staged(_cast(random, drawer, dark=dark), camera, self.device)
        staging = _staging(random, min(height, width))
        rows = torch.from_numpy(palette.spectra).to(self.device)
        clip = torch.stack([draw_frame(things, rows, pose, (height, width), staging, self._pictures) for pose in poses])
        white = float(np.percentile(clip[:, :, ::4, ::4].cpu().numpy(), WHITE_PERCENT))
        return clip.mul_(random.uniform(*self.style.exposure) / max(white, 1e-3)).clamp_(0.0, 1.0)

    def _at(self, wavelengths_nm: NDArray[np.floating]) -> Spectra:
        key = np.asarray(wavelengths_nm, np.float64).tobytes()
        if key not in self._spectra:
            self._spectra[key] = Spectra(self._materials, wavelengths_nm)
        return self._spectra[key]


def _camera(fastest_px: float, height: int, width: int) -> MotionRange:
    """A camera that pans and turns so that no corner of the frame moves faster than this."""
    turn_degrees = np.rad2deg(0.25 * fastest_px / (np.hypot(height, width) / 2))
    return MotionRange(0.75 * fastest_px, min(0.5, float(turn_degrees)), fastest_zoom=0.0, still_share=0.0)


def _cast(random: np.random.Generator, drawer: GroupDrawer, *, dark: bool) -> list[Group]:
    """Everything that a clip shows."""
    groups = [drawer.background(dark=dark)]
    fill = float(np.exp(random.uniform(np.log(0.25), np.log(0.8 if dark else 3.0))))
    if random.random() < 0.85:
        least = SMALLEST_RADIUS_PX * float(max(drawer.half_frame / 9, 1.5) ** random.uniform(0, 1))
        groups.append(drawer.leaves(fill, least))
    groups.append(drawer.large(int(random.integers(1, 8))))
    groups += [drawer.alike(int(random.integers(4, 40))) for _ in range(random.integers(0, 3))]
    groups += [drawer.chain() for _ in range(random.integers(0, 3))]
    if random.random() < 0.15:
        groups.append(drawer.chart())
    return groups


def _staged(groups: list[Group], camera: CameraPath, device: torch.device) -> tuple[Things, list[Pose]]:
    """All objects, the furthest first, and where the moving camera sees them in each frame."""
    order = np.argsort(np.concatenate([group.nearness for group in groups]), kind="stable")
    things = join([group.table for group in groups], device).at(torch.from_numpy(order).to(device))
    x, y, turn = (
        np.concatenate([getattr(group, name) for group in groups], axis=1)[:, order] for name in ("x", "y", "turn")
    )
    x, y = x - camera.offsets_px[:, 1:], y - camera.offsets_px[:, :1]
    cos, sin = np.cos(camera.turns)[:, None], np.sin(camera.turns)[:, None]
    seen = cos * x + sin * y, cos * y - sin * x, turn - camera.turns[:, None]
    return things, [Pose(*moment) for moment in zip(*seen, strict=True)]


def _staging(random: np.random.Generator, side: int) -> Staging:
    angle, height = random.uniform(0, 2 * np.pi), random.uniform(0.5, 0.95)
    level = np.sqrt(1 - height**2)
    return Staging(
        Light(level * np.cos(angle), level * np.sin(angle), height, random.uniform(0.1, 0.5)),
        random.uniform(0, 0.7) ** 1.5,
        random.uniform(0, 2 * np.pi),
        random.uniform(0.2, 0.7) * (random.random() < 0.8),
        random.uniform(0.01, 0.06) * side + 2.0,
    )
