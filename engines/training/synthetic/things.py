"""What a random object is: its outline, its surface and its gloss, as one row of numbers."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BACKGROUND = 0  # the row of the background, which lies behind everything and has no border
PLAIN, STRIPES, CHECKER, DOTS, PATCHES = range(5)  # of `pattern`


class Things(NamedTuple):
    """N objects, every field `(N,)` float32, the furthest first; field by field also for the pixels that they cover.

    Outline: half sides in px; `lobed` 0 is a box with corners rounded by this share, 1 an ellipse with `lobes` and,
    as far as `angular` says, the corners of a polygon; `hole` is the share of its inside that is open; `softness` the
    px over which its border fades.
    Surface: palette rows from `row`, `rows` of them; a pattern of `pitch` px, turned or around the middle (`polar`);
    noise that mixes the first two rows, lets the third through and makes the surface grainy.
    Relief: how far it is curved across each side (0 flat, 1 a ball), gloss and its power, and a bright rim.
    """

    half_a: Tensor
    half_b: Tensor
    lobed: Tensor
    corner: Tensor
    lobes: Tensor
    lobe_depth: Tensor
    angular: Tensor
    start: Tensor
    hole: Tensor
    softness: Tensor
    row: Tensor
    rows: Tensor
    pattern: Tensor
    polar: Tensor
    pitch: Tensor
    turn: Tensor
    noise: Tensor
    noise_scale: Tensor
    noise_u: Tensor
    noise_v: Tensor
    mixing: Tensor
    bias: Tensor
    third: Tensor
    grain: Tensor
    grain_noise: Tensor
    curve_a: Tensor
    curve_b: Tensor
    gloss: Tensor
    gloss_power: Tensor
    rim: Tensor
    brightness: Tensor

    def at(self, places: Tensor) -> "Things":
        """The objects at these places, field by field."""
        return Things(*torch.stack(self).index_select(1, places).unbind())


def join(tables: list[dict[str, NDArray[np.float64]]], device: torch.device) -> Things:
    """Objects from several tables of equal fields, in that order."""
    table = np.stack([np.concatenate([each[name] for each in tables]) for name in Things._fields])
    return Things(*torch.from_numpy(table.astype(np.float32)).to(device).unbind())


def inside_px(things: Things, x: Tensor, y: Tensor) -> Tensor:
    """How far points `x`, `y` of the objects' own coordinates lie inside of the border, px; negative outside.

    Exact for boxes; for lobed outlines to first order, which is what a soft border of a pixel needs.
    """
    box = inside_box(torch.stack(outline(things, lobed=False)), x, y)
    lobes = inside_lobes(torch.stack(outline(things, lobed=True)), x, y)
    return torch.where(things.lobed > 0, lobes, box)


def outline(things: Things, *, lobed: bool) -> tuple[Tensor, ...]:
    """What an outline of this kind depends on, each `(N,)`."""
    if lobed:
        form = (things.lobes, things.lobe_depth, things.angular, things.start, things.hole)
        return things.half_a, things.half_b, *form
    return things.half_a, things.half_b, things.corner


def inside_box(outlines: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`inside_px` of boxes alone, from their outlines `(3, N)`."""
    half_a, half_b, corner = outlines
    radius = corner * torch.minimum(half_a, half_b)
    beyond_a, beyond_b = x.abs() - half_a + radius, y.abs() - half_b + radius
    outside = torch.hypot(beyond_a.clamp(min=0), beyond_b.clamp(min=0))
    inside: Tensor = radius - outside - torch.maximum(beyond_a, beyond_b).clamp(max=0)
    return inside


def inside_lobes(outlines: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`inside_px` of lobed outlines alone, from `(7, N)`."""
    half_a, half_b, lobes, lobe_depth, angular, start, hole = outlines
    u, v = x / half_a, y / half_b
    distance = torch.hypot(u, v).clamp(min=1e-4)
    steepness = torch.hypot(u / half_a, v / half_b).clamp(min=1e-6) / distance
    angle = torch.atan2(v, u) + start
    sector = 2 * torch.pi / lobes
    edge = torch.cos(sector / 2) / torch.cos(torch.remainder(angle, sector) - sector / 2).clamp(min=0.05)
    wave = 0.5 + 0.5 * torch.cos(lobes * angle)
    radius = 1 - angular * (1 - edge) - lobe_depth * wave
    open_inside = distance - hole * radius + (hole == 0)
    return torch.minimum(radius - distance, open_inside) / steepness
