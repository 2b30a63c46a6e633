"""Which objects each pixel of a frame sees, and how much shadow falls on it; no loop over objects or pixels."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livecassi.engines.training.synthetic.things import BACKGROUND, Things, inside_box, inside_lobes, outline


@dataclass(frozen=True, slots=True)
class Pose:
    """Where every object is at one moment: `x`, `y`, `turn`, each `(N,)` float64; px from the frame's middle."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    turn: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of a pixel and an object that may cover it: `pixel`, `thing` int64 and `inside` px, each `(M,)`."""

    pixel: Tensor
    thing: Tensor
    inside: Tensor


@dataclass(frozen=True, slots=True)
class Seen:
    """What the `height * width` pixels see: the nearest object, and the one behind it where a border passes."""

    nearest: Tensor
    behind: Tensor


def candidates(
    things: Things, pose: Pose, height: int, width: int, chosen: NDArray[np.bool_], beyond_px: float = 1.0
) -> Candidates:
    """The pixels in the rectangle around each chosen object `(N,)`, `beyond_px` larger, and how far inside they lie.

    The background has no border and is never among the objects.
    """
    lobed = things.lobed.cpu().numpy() > 0
    chosen = chosen & (np.arange(len(lobed)) != BACKGROUND)
    kinds = [
        _candidates(things, pose, height, width, np.flatnonzero(chosen & (lobed == kind)), beyond_px, lobed=kind)
        for kind in (False, True)
    ]
    return Candidates(*(torch.cat([getattr(each, name) for each in kinds]) for name in ("pixel", "thing", "inside")))


def _candidates(
    things: Things,
    pose: Pose,
    height: int,
    width: int,
    chosen: NDArray[np.intp],
    beyond_px: float,
    *,
    lobed: bool,
) -> Candidates:
    device = things.half_a.device
    half_a, half_b = (side.cpu().numpy()[chosen].astype(np.float64) for side in (things.half_a, things.half_b))
    cos, sin = np.abs(np.cos(pose.turn[chosen])), np.abs(np.sin(pose.turn[chosen]))
    x, y = pose.x[chosen] + width / 2, pose.y[chosen] + height / 2
    left, right = _span(x, half_a * cos + half_b * sin + beyond_px, width)
    top, bottom = _span(y, half_a * sin + half_b * cos + beyond_px, height)
    columns, rows = np.maximum(right - left, 0), np.maximum(bottom - top, 0)
    counts = columns * rows
    first = np.cumsum(counts) - counts
    total = int(counts.sum())
    table = np.stack([first, columns, left, top]).astype(np.int64)
    numbers = torch.from_numpy(np.concatenate([table, counts[None], chosen[None]])).to(device)
    local = torch.repeat_interleave(torch.arange(len(chosen), device=device), numbers[4], output_size=total)
    begun, broad, leftmost, topmost = numbers[:4].index_select(1, local).unbind()
    place = torch.arange(total, device=device) - begun
    row = torch.div(place, broad, rounding_mode="floor")
    column = place - row * broad + leftmost
    row = row + topmost
    thing = numbers[5].index_select(0, local)
    across, down = own_coordinates(pose, thing, column, row, height, width)
    fields = torch.stack(outline(things, lobed=lobed)).index_select(1, thing)
    inside = (inside_lobes if lobed else inside_box)(fields, across, down)
    return Candidates(row * width + column, thing, inside)


def own_coordinates(
    pose: Pose, thing: Tensor, column: Tensor, row: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Pixels' middles in the coordinates of their objects: px along side a and side b."""
    moments = np.stack([pose.x + width / 2, pose.y + height / 2, np.cos(pose.turn), np.sin(pose.turn)])
    x, y, cos, sin = torch.from_numpy(moments.astype(np.float32)).to(thing.device).index_select(1, thing).unbind()
    x, y = column + 0.5 - x, row + 0.5 - y
    return cos * x + sin * y, cos * y - sin * x


def coverage(inside: Tensor, softness: Tensor) -> Tensor:
    """How much of a pixel an object covers, 0..1, from how far inside the pixel lies."""
    return (inside / softness + 0.5).clamp(0, 1)


def see(things: Things, found: Candidates, pixels: int) -> Seen:
    """The two nearest objects of every pixel: whatever touches it, then whatever covers at least half of it."""
    background = torch.full((pixels,), BACKGROUND, dtype=torch.int64, device=found.pixel.device)
    covered = coverage(found.inside, things.softness.index_select(0, found.thing))
    touching = torch.where(covered > 0, found.thing, BACKGROUND)
    nearest = background.scatter_reduce(0, found.pixel, touching, "amax")
    under = (covered >= 0.5) & (found.thing < nearest.index_select(0, found.pixel))
    behind = background.scatter_reduce(0, found.pixel, torch.where(under, found.thing, BACKGROUND), "amax")
    return Seen(nearest, behind)


def shadow(found: Candidates, receiver: Tensor, softness_px: float) -> Tensor:
    """How much of the light objects take from what lies behind them, `(pixels,)` 0..1; `found` are the shadows."""
    depth = (found.inside / softness_px + 0.5).clamp(0, 1)
    smooth = depth * depth * (3 - 2 * depth)
    falls = torch.where(found.thing > receiver.index_select(0, found.pixel), smooth, 0.0)
    return torch.zeros(len(receiver), device=receiver.device).scatter_reduce(0, found.pixel, falls, "amax")


def _span(
    middle: NDArray[np.float64], reach: NDArray[np.float64], side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first = np.floor(middle - reach).clip(0, side).astype(np.int64)
    last = np.ceil(middle + reach).clip(0, side).astype(np.int64)
    return first, last
