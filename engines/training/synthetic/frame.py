"""One frame of random objects: seen, shaded and mixed into spectra."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from livecassi.engines.training.synthetic.surface import Light, Mixture, surface
from livecassi.engines.training.synthetic.things import Things, inside_px
from livecassi.engines.training.synthetic.visibility import (
    Pose,
    candidates,
    coverage,
    own_coordinates,
    see,
    shadow,
)

SMALLEST_SHADOW_PX = 5.0  # smaller objects throw none that could be seen


@dataclass(frozen=True, slots=True)
class Staging:
    """How a clip is lit: the lamp, its falloff over the frame (share per half frame, towards a direction in radians).

    `shadow` is the share of the light that shadows take, `shadow_px` how far they fall and how soft they are.
    """

    light: Light
    falloff: float
    falloff_turn: float
    shadow: float
    shadow_px: float


def draw_frame(
    things: Things, palette: Tensor, pose: Pose, size: tuple[int, int], staging: Staging, pictures: Tensor
) -> Tensor:
    """The frame `(C, *size)` in reflectance of the objects and the palette `(R, C)`."""
    height, width = size
    found = candidates(things, pose, height, width, np.ones(len(pose.x), np.bool_))
    seen = see(things, found, height * width)
    lit = _lamp(staging, size, palette.device) * (
        1 - staging.shadow * _shadows(things, pose, size, staging, seen.nearest)
    )
    everywhere = torch.arange(height * width, device=palette.device)
    mixture, covered = _shaded(things, pose, size, everywhere, seen.nearest, staging, pictures)
    values = _spectra(mixture, palette, covered * lit)
    border = (covered < 1).nonzero()[:, 0]
    mixture, _ = _shaded(things, pose, size, border, seen.behind[border], staging, pictures)
    values.index_add_(0, border, _spectra(mixture, palette, ((1 - covered) * lit)[border]))
    return values.T.reshape(-1, height, width)


def _shaded(
    things: Things,
    pose: Pose,
    size: tuple[int, int],
    pixel: Tensor,
    thing: Tensor,
    staging: Staging,
    pictures: Tensor,
) -> tuple[Mixture, Tensor]:
    """What these objects look like at these pixels, and how much of the pixels they cover."""
    row = torch.div(pixel, size[1], rounding_mode="floor")
    x, y = own_coordinates(pose, thing, pixel - row * size[1], row, *size)
    turn = torch.from_numpy(pose.turn.astype(np.float32)).to(thing.device)[thing]
    its = things.at(thing)
    inside = inside_px(its, x, y)
    return surface(its, x, y, inside, turn, staging.light, pictures), coverage(inside, its.softness)


def _spectra(mixture: Mixture, palette: Tensor, light: Tensor) -> Tensor:
    """`(P, C)`: the palette's rows, weighted and added."""
    return torch.nn.functional.embedding_bag(
        mixture.rows, palette, per_sample_weights=mixture.weights * light[:, None], mode="sum"
    )


def _lamp(staging: Staging, size: tuple[int, int], device: torch.device) -> Tensor:
    """How bright the lamp is at each pixel, `(pixels,)`, 1 in the middle."""
    rows, columns = ((torch.arange(side, device=device) + 0.5) / side * 2 - 1 for side in size)
    across, down = np.cos(staging.falloff_turn), np.sin(staging.falloff_turn)
    slope = across * columns[None, :] + down * rows[:, None]
    return torch.exp(-staging.falloff * (slope + 0.3 * (slope**2 - 0.5))).reshape(-1)


def _shadows(things: Things, pose: Pose, size: tuple[int, int], staging: Staging, receiver: Tensor) -> Tensor:
    """How deep in shadow each pixel lies, 0..1."""
    if staging.shadow == 0:
        return torch.zeros(len(receiver), device=receiver.device)
    larger = torch.minimum(things.half_a, things.half_b).cpu().numpy() >= SMALLEST_SHADOW_PX
    moved = Pose(pose.x - staging.light.x * staging.shadow_px, pose.y - staging.light.y * staging.shadow_px, pose.turn)
    return shadow(candidates(things, moved, *size, larger, staging.shadow_px / 2), receiver, staging.shadow_px)
