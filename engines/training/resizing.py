"""Resizing many bands at once: area averaging where they shrink, linear interpolation where they grow."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_PX = 32


def resize(bands: Tensor, height: int, width: int) -> Tensor:
    """`(S, H, W)` float32 to `(S, height, width)`, on the device of the bands."""
    resized = bands
    if width != bands.shape[2]:
        resized = torch.cat([resized[:, :, part] @ weights.T for part, weights in _blocks(resized, 2, width)], dim=2)
    if height != bands.shape[1]:
        resized = torch.cat([weights @ resized[:, part] for part, weights in _blocks(resized, 1, height)], dim=1)
    return resized


def _blocks(bands: Tensor, axis: int, target: int) -> list[tuple[slice, Tensor]]:
    """For each block of target pixels the stretch of source pixels behind it, and their weights.

    A target pixel needs two or three neighbours: blocks spare the products with all the zeros of a whole matrix.
    """
    whole = resize_weights(bands.shape[axis], target)
    blocks = []
    for start in range(0, target, BLOCK_PX):
        rows = whole[start : start + BLOCK_PX]
        used = np.flatnonzero(rows.any(axis=0))
        part = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append((part, torch.from_numpy(np.ascontiguousarray(rows[:, part])).to(bands.device)))
    return blocks


def resize_weights(source: int, target: int) -> NDArray[np.float32]:
    """`(target, source)`, each row of sum 1: the mean of the stretch that a target pixel covers, or linear weights."""
    scale = source / target
    places = np.arange(source)
    if scale >= 1:
        edges = np.arange(target + 1) * scale
        overlap = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
        return np.asarray(np.maximum(overlap, 0.0) / scale, np.float32)
    centres = np.clip((np.arange(target) + 0.5) * scale - 0.5, 0, source - 1)
    return np.asarray(np.maximum(1 - np.abs(centres[:, None] - places), 0.0), np.float32)
