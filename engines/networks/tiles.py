"""Reconstruction in tiles, for memories that do not hold a whole frame.

Tiles lie on the grid of 32 px that a network's windows lie on, overlap, and are blended by raised cosines. A tile knows
nothing of the scene beyond it, and a shifted window wraps around at its border, so that tiles are an approximation;
`livecassi benchmark pg-svrt` prints how far off they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

GRID = 32
OVERLAP = 64
SMALLEST = 4 * GRID


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows or columns `start` to `stop` of a tile; over `before` and `after` of them it is blended with the next."""

    start: int
    stop: int
    before: int
    after: int

    def weights(self) -> Tensor:
        """How much each row or column counts, before the weights of all tiles are made to add up to 1."""
        weights = torch.ones(self.stop - self.start)
        if self.before:
            weights[: self.before] = _rising(self.before)
        if self.after:
            weights[-self.after :] *= _rising(self.after).flip(0)
        return weights


def stretches(length: int, tile: int, overlap: int = OVERLAP) -> list[Stretch]:
    """Stretches of up to `tile` that cover `length`, starting at multiples of 32."""
    step = tile - overlap
    starts = [0]
    while starts[-1] + tile < length:
        starts.append(starts[-1] + min(step, -(-(length - tile - starts[-1]) // GRID) * GRID))
    stops = [min(start + tile, length) for start in starts]
    shared = [stop - start for stop, start in zip(stops[:-1], starts[1:], strict=True)]
    return [
        Stretch(start, stop, before, after)
        for start, stop, before, after in zip(starts, stops, [0, *shared], [*shared, 0], strict=True)
    ]


def in_tiles(
    reconstruct: Callable[[slice, slice], Tensor], height: int, width: int, tile: int, overlap: int = OVERLAP
) -> Tensor:
    """The cubes `(..., H, W)` put together from `reconstruct(rows, columns)`, the cubes of one tile.

    Raises ValueError for a tile or an overlap that does not fit the grid.
    """
    if tile < SMALLEST or tile % GRID or overlap % GRID or not 0 < overlap <= tile // 2:
        raise ValueError(f"tiles of {tile} px that overlap by {overlap}: expected multiples of {GRID}, >= {SMALLEST}")
    whole: Tensor | None = None
    total = torch.zeros(height, width)
    for rows, columns in product(stretches(height, tile, overlap), stretches(width, tile, overlap)):
        inside = slice(rows.start, rows.stop), slice(columns.start, columns.stop)
        part = reconstruct(*inside)
        weights = torch.outer(rows.weights(), columns.weights()).to(part.device, part.dtype)
        if whole is None:
            whole, total = part.new_zeros((*part.shape[:-2], height, width)), total.to(part.device, part.dtype)
        whole[(..., *inside)] += part * weights
        total[inside] += weights
    assert whole is not None
    return whole / total


def _rising(length: int) -> Tensor:
    return 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(length) + 0.5) / length)
