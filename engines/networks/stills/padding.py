"""Scenes of any size for networks that need multiples: mirrored beyond the border, and cut off afterwards."""

import numpy as np
import torch
from torch import Tensor


def padded(planes: Tensor, multiple: int) -> Tensor:
    """Planes `(..., H, W)` with rows and columns mirrored at the last ones, up to multiples.

    However small the scene is: it is mirrored again and again.
    """
    height, width = planes.shape[-2:]
    rows, columns = _mirrored(height, multiple), _mirrored(width, multiple)
    if len(rows) > height:
        planes = planes.index_select(-2, torch.from_numpy(rows).to(planes.device))
    if len(columns) > width:
        planes = planes.index_select(-1, torch.from_numpy(columns).to(planes.device))
    return planes


def _mirrored(length: int, multiple: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The places 0..n-1 and on, back and forth, up to the next multiple."""
    period = max(2 * (length - 1), 1)
    places = np.arange(-(-length // multiple) * multiple, dtype=np.int64) % period
    return np.minimum(places, period - places) if length > 1 else np.zeros_like(places)
