"""Small layers that several parts share. Features are `(B, T, H, W, D)`, channels last."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from livecassi.engines.networks.tracing import exporting


def conv2d(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Tensor:
    """A 2-D convolution of every frame: `(B, T, H, W, D)` to `(B, T, H', W', D')`."""
    pictures = features.flatten(0, 1).movedim(-1, 1)  # a view: the memory stays channels last
    done = F.conv2d(pictures, weight.to(memory_format=torch.channels_last), bias, stride, padding, groups=groups)
    result: Tensor = done.movedim(1, -1).unflatten(0, features.shape[:2])
    return result


def linear_parts(features: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Linear maps of the same features, one for each of the `weights`: `(..., D)` to a `(..., D')` each.

    One product and views of its parts; in an exported graph one product each, since runtimes copy parts.
    """
    if exporting():
        return tuple(F.linear(features, weight) for weight in weights)
    together = F.linear(features, torch.cat(list(weights)))
    parts: tuple[Tensor, ...] = together.split([len(weight) for weight in weights], -1)
    return parts


def careful_conv2d(features: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """As `conv2d` with one pixel of padding, through channels-first memory.

    On a CPU that form sums in blocks and rounds half as much. At the few places where whole pictures pass through one
    convolution the rounding decides gates further on.
    """
    if features.is_cuda:
        return conv2d(features, weight, stride=stride, padding=1)
    pictures = features.flatten(0, 1).movedim(-1, 1).contiguous()
    done = F.conv2d(pictures, weight, None, stride, 1).movedim(1, -1).contiguous()
    result: Tensor = done.unflatten(0, features.shape[:2])
    return result


def conv_transpose2d(features: Tensor, weight: Tensor, bias: Tensor | None, side: int) -> Tensor:
    """A transposed convolution whose patches of `side` do not overlap: a linear map and a reordering."""
    inside, outside = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(-1, inside)
    patches = F.linear(features, flat).unflatten(-1, (side, side, outside))
    picture: Tensor = patches.movedim(4, 3).flatten(4, 5).flatten(2, 3)
    return picture if bias is None else picture + bias


def across_frames(before: Tensor, centre: Tensor, after: Tensor) -> Tensor:
    """Sum over neighbours in time, zero beyond the ends: `centre (B, T, ...)` plus, one frame later, `before`, and one
    frame earlier, `after`, both `(B, T - 1, ...)`: what the frames 0..T-2 and 1..T-1 give to their neighbours.
    """
    last = centre.shape[1] - 1
    frames = []
    for t in range(last + 1):
        frame = centre[:, t]
        if t > 0:
            frame = frame + before[:, t - 1]
        if t < last:
            frame = frame + after[:, t]
        frames.append(frame)
    return torch.stack(frames, dim=1)
