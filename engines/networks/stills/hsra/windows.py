"""Pictures `(B, H, W, C)`, channels last, cut into square windows and put together again."""

import torch
from torch import Tensor

from livecassi.engines.networks.pg_svrt.windows import exporting


def into_windows(features: Tensor, side: int) -> Tensor:
    """`(B, H, W, C)` cut into windows `(B windows, side², C)`, both row by row."""
    grid = features.unflatten(2, (-1, side)).unflatten(1, (-1, side)).transpose(2, 3)
    windows: Tensor = grid.flatten(3, 4).flatten(0, 2)
    return windows


def from_windows(windows: Tensor, side: int, height: int, width: int) -> Tensor:
    """The pictures `(B, height, width, C)` that `into_windows` cut."""
    grid = windows.unflatten(1, (side, side)).unflatten(0, (-1, height // side, width // side)).transpose(2, 3)
    pictures: Tensor = grid.flatten(3, 4).flatten(1, 2)
    return pictures


def shift(features: Tensor, by: int) -> Tensor:
    """Pictures `(B, H, W, C)` moved in a circle by so many pixels, towards larger rows and columns."""
    if not by:
        return features
    if not exporting():
        return torch.roll(features, (by, by), (1, 2))
    for dim in (1, 2):  # a graph would look up every row and column in a table
        last = by % features.shape[dim]
        features = torch.cat(features.split((features.shape[dim] - last, last), dim)[::-1], dim)
    return features
