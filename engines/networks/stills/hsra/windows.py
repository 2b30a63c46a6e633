"""Pictures cut into square windows and put together again; features are `(pixels, C)` as in `layers`."""

import torch
from torch import Tensor

from livecassi.engines.networks.stills.hsra.layers import Shape
from livecassi.engines.networks.tracing import exporting


def into_windows(features: Tensor, shape: Shape, side: int, by: int = 0) -> Tensor:
    """Pictures of that shape, cut into windows `(B windows, side², C)`, both row by row.

    The windows begin `by` pixels below and to the right of the corner; the last ones go on at the other border.
    """
    samples, height, width = shape
    pictures = _shifted(features.unflatten(0, shape), -by) if by else features
    grid = pictures.reshape(samples, height // side, side, width // side, side, -1).transpose(2, 3)
    return grid.reshape(-1, side * side, features.shape[-1])


def from_windows(windows: Tensor, shape: Shape, side: int, by: int = 0) -> Tensor:
    """The features that `into_windows` cut."""
    samples, height, width = shape
    grid = windows.reshape(samples, height // side, width // side, side, side, -1).transpose(2, 3)
    if not by:
        return grid.reshape(samples * height * width, -1)
    return _shifted(grid.reshape(samples, height, width, -1), by).flatten(0, 2)


def _shifted(features: Tensor, by: int) -> Tensor:
    """Pictures `(B, H, W, C)` moved in a circle by so many pixels, towards larger rows and columns."""
    if not exporting():
        return torch.roll(features, (by, by), (1, 2))
    for dim in (1, 2):  # a graph would look up every row and column in a table
        last = by % features.shape[dim]
        features = torch.cat(features.split((features.shape[dim] - last, last), dim)[::-1], dim)
    return features
