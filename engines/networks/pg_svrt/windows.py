"""Windows of a picture, and how much of them is worked on at once. Features are `(B, T, H, W, D)`, channels last."""

from collections.abc import Callable

import torch
from torch import Tensor

from livecassi.engines.networks.tracing import exporting

PIECE_PIXELS = 1 << 15  # of all frames together; what a piece needs then stays within the caches


def into_windows(features: Tensor, size: tuple[int, int]) -> Tensor:
    """`(B, T, H, W, ...)` cut into windows `(B, T, windows, rows x columns, ...)`, both row by row."""
    rows, columns = size
    grid = features.unflatten(3, (-1, columns)).unflatten(2, (-1, rows)).transpose(3, 4)
    windows: Tensor = grid.flatten(4, 5).flatten(2, 3)
    return windows


def from_windows(windows: Tensor, size: tuple[int, int], width: int) -> Tensor:
    """The picture `(B, T, H, W, ...)` of `width` columns that `into_windows` cut."""
    rows, columns = size
    grid = windows.unflatten(3, (rows, columns)).unflatten(2, (-1, width // columns)).transpose(3, 4)
    picture: Tensor = grid.flatten(4, 5).flatten(2, 3)
    return picture


def shift(features: Tensor, rows: int, columns: int) -> Tensor:
    """Move the pictures `(B, T, H, W, ...)` in a circle, towards larger rows and columns."""
    if not exporting():
        return torch.roll(features, (rows, columns), (2, 3)) if rows or columns else features
    for by, dim in ((rows, 2), (columns, 3)):  # a graph would look up every row and column in a table
        last = by % features.shape[dim]
        if last:
            features = torch.cat(features.split((features.shape[dim] - last, last), dim)[::-1], dim)
    return features


def in_pieces(work: Callable[..., tuple[Tensor, ...]], *parts: Tensor, unit: int = 1) -> tuple[Tensor, ...]:
    """`work` on slices of pictures `(B, T, H, W, D)`, whole rows in multiples of `unit`, put together again.

    In inference on a CPU the slices are small, so that everything between reading and writing the features stays in
    the cache, and memory is low. Elsewhere there is one slice: a GPU wants large ones, training keeps the results,
    and an exported graph has no loop.
    """
    first = parts[0]
    rows = first.shape[2]
    whole = torch.is_grad_enabled() or first.is_cuda or exporting()
    step = unit * max(1, PIECE_PIXELS * first.shape[-1] * rows // max(1, first.numel() * unit))
    if whole or step >= rows:
        return work(*parts)
    wholes: list[Tensor] = []
    for start in range(0, rows, step):
        piece = slice(start, start + step)
        results = work(*(part[:, :, piece] for part in parts))
        if not wholes:
            wholes = [result.new_empty(*result.shape[:2], rows, *result.shape[3:]) for result in results]
        for complete, result in zip(wholes, results, strict=True):
            complete[:, :, piece] = result
    return tuple(wholes)
