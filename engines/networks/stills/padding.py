"""Scenes of any size for networks that need multiples: mirrored beyond the border, and cut off afterwards."""

import torch
from torch import Tensor


def padded(planes: Tensor, multiple: int) -> Tensor:
    """Planes `(..., H, W)` with rows and columns mirrored at the last ones, up to multiples.

    However small the scene is: it is mirrored again and again.
    """
    for axis in (-2, -1):
        if planes.shape[axis] % multiple:
            planes = planes.index_select(axis, _mirrored(planes.shape[axis], multiple, planes.device))
    return planes


def _mirrored(length: int, multiple: int, device: torch.device) -> Tensor:
    """The places 0..n-1 and on, back and forth, up to the next multiple.

    They are made on the device: while a CUDA graph is captured, nothing can be copied there.
    """
    period = max(2 * (length - 1), 1)
    places = torch.arange(-(-length // multiple) * multiple, device=device) % period
    return torch.minimum(places, period - places)
