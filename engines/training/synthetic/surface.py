"""What the surfaces of objects look like at the pixels that see them: which palette rows, and how much of each."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from livecassi.engines.training.synthetic.noise import MEDIUM, sample
from livecassi.engines.training.synthetic.things import DOTS, PATCHES, PLAIN, STRIPES, Things

HIGHLIGHT_ROW = 0  # of the palette: the light itself


@dataclass(frozen=True, slots=True)
class Light:
    """A lamp: direction `(x, y, z)` towards it, z towards the viewer, and the share of light from everywhere."""

    x: float
    y: float
    z: float
    ambient: float


@dataclass(frozen=True, slots=True)
class Mixture:
    """Palette rows `(P, J)` int64 and their weights `(P, J)`: the spectrum of each pixel."""

    rows: Tensor
    weights: Tensor


def surface(
    things: Things, x: Tensor, y: Tensor, inside: Tensor, turn: Tensor, light: Light, pictures: Tensor
) -> Mixture:
    """The spectra of P pixels whose objects are `things`, turned by `turn`, and that lie at `x`, `y` on them."""
    along, beside = _texture_coordinates(things, x, y)
    noise = sample(
        pictures,
        things.noise,
        along * things.noise_scale + things.noise_u,
        beside * things.noise_scale + things.noise_v,
    )
    slow = sample(pictures, torch.full_like(x, MEDIUM), 0.31 * x + things.noise_v, 0.31 * y + things.noise_u)
    grain = sample(pictures, things.grain_noise, 0.7 * along + things.noise_v, 0.7 * beside + things.noise_u)
    share, first = _pattern(things, along, beside)
    share = (share + things.bias + things.mixing * noise).clamp(0, 1)
    third = (things.third * (slow + 0.5)).clamp(0, 0.7)
    shade, gloss = _lighting(things, x, y, inside, turn, light)
    shade = shade * things.brightness * torch.exp(things.grain * grain)
    row = things.row.long()
    rows = torch.stack(
        [
            row + first,
            row + torch.minimum(torch.ones_like(row), things.rows.long() - 1),
            row + torch.minimum(torch.full_like(row, 2), things.rows.long() - 1),
            torch.full_like(row, HIGHLIGHT_ROW),
        ],
        dim=1,
    )
    body = shade * (1 - third)
    weights = torch.stack([body * (1 - share), body * share, shade * third, gloss], dim=1)
    return Mixture(rows, weights)


def _texture_coordinates(things: Things, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Px along and beside the texture: turned, or outwards and around the middle."""
    cos, sin = torch.cos(things.turn), torch.sin(things.turn)
    outwards = torch.hypot(x, y)
    around = torch.atan2(y, x).abs() * 0.5 * torch.sqrt(things.half_a * things.half_b).clamp(max=200)
    along = torch.where(things.polar > 0, outwards, cos * x + sin * y)
    beside = torch.where(things.polar > 0, around, cos * y - sin * x)
    return along, beside


def _pattern(things: Things, along: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
    """The share of the second row, and which row is the first: only patches have several."""
    p, q = along / things.pitch, beside / things.pitch
    sharp = 0.32 * things.pitch  # borders of a pixel between the parts
    wave_p, wave_q = torch.sin(2 * torch.pi * p), torch.sin(2 * torch.pi * q)
    off_p, off_q = p - p.floor() - 0.5, q - q.floor() - 0.5
    kind = things.pattern
    signed = torch.where(kind == STRIPES, 0.5 * wave_p, wave_p * wave_q)
    signed = torch.where(kind == DOTS, 0.33 - torch.hypot(off_p, off_q), signed)
    gap = 0.44 - torch.maximum(off_p.abs(), off_q.abs())
    share = (0.5 + signed * sharp).clamp(0, 1)
    share = torch.where(kind == PATCHES, (0.5 - gap * things.pitch).clamp(0, 1), share)
    share = torch.where(kind == PLAIN, torch.zeros_like(share), share)
    cell = (p.floor() * 7 + q.floor() * 3).long().remainder(things.rows.long().clamp(min=1))
    return share, torch.where(kind == PATCHES, cell, torch.zeros_like(cell))


def _lighting(
    things: Things, x: Tensor, y: Tensor, inside: Tensor, turn: Tensor, light: Light
) -> tuple[Tensor, Tensor]:
    """Lambert's shading of the relief, and the highlight: of the curved inside and of the rim."""
    u, v = x / things.half_a, y / things.half_b
    bent_a, bent_b = (things.curve_a * u).clamp(-1, 1), (things.curve_b * v).clamp(-1, 1)
    up = torch.sqrt((1 - bent_a**2 - bent_b**2).clamp(min=0.02))
    cos, sin = torch.cos(turn), torch.sin(turn)
    right, down = cos * bent_a - sin * bent_b, sin * bent_a + cos * bent_b
    lit = (light.x * right + light.y * down + light.z * up).clamp(min=0)
    norm = math.hypot(light.x, light.y, light.z + 1)  # of the direction half way between lamp and viewer
    towards = ((light.x * right + light.y * down + (light.z + 1) * up) / norm).clamp(0, 1)
    curved = torch.maximum(things.curve_a, things.curve_b)
    gloss = things.gloss * curved * towards**things.gloss_power
    facing = cos * light.x * u + sin * light.y * u + cos * light.y * v - sin * light.x * v
    near_rim = torch.exp(-((inside - 1.5) ** 2) / 2.0)
    return light.ambient + (1 - light.ambient) * lit, gloss + things.rim * near_rim * facing.clamp(0, 1)
