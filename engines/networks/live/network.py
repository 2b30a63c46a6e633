"""The live network: a U-Net at half resolution that corrects the coefficients of a start.

Residual blocks of plain convolutions and rectifiers, without normalisation (in the manner of DRUNet; Zhang et al.,
TPAMI 2021): operations that every runtime runs well, and piecewise linear, so that rare bright highlights do not upset
it. It is convolutional throughout and takes frames of any size.
"""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.live.curves import CURVES, Curves
from livecassi.engines.networks.live.start import feature_count
from livecassi.engines.weights import load_arrays

WIDTHS = (24, 48, 96)
BLOCKS = (2, 2, 3, 2, 2)


class Block(nn.Module):
    """A residual pair of 3 x 3 convolutions with one rectifier between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, w, H, W)` to the same shape."""
        mended: Tensor = x + self.second(F.relu(self.first(x)))
        return mended


class LiveNetwork(nn.Module):
    """Features `(B, F, H, W)` to corrections of the coefficients `(B, R, H, W)`; H and W multiples of 8.

    `feature_scale (F)` and `result_scale (R)` are the usual sizes of both, measured on training samples. The curves
    are kept with the tensors, since coefficients mean nothing without them.
    """

    feature_scale: Tensor
    result_scale: Tensor

    def __init__(self, curves: Curves) -> None:
        super().__init__()
        features, rank = feature_count(len(curves.spread)), curves.unit.shape[1]
        for name in CURVES:
            self.register_buffer(name, torch.from_numpy(getattr(curves, name).copy()))
        self.register_buffer("feature_scale", torch.ones(features))
        self.register_buffer("result_scale", torch.ones(rank))
        self.enter = nn.Conv2d(4 * features, WIDTHS[0], 1)
        pairs = list(pairwise(WIDTHS))
        levels = len(pairs)
        self.encode = nn.ModuleList(_blocks(WIDTHS[k], BLOCKS[k]) for k in range(levels))
        self.down = nn.ModuleList(nn.Conv2d(width, below, 2, 2) for width, below in pairs)
        self.middle = _blocks(WIDTHS[-1], BLOCKS[levels])
        self.up = nn.ModuleList(nn.Conv2d(below, 4 * width, 1) for width, below in pairs)
        self.decode = nn.ModuleList(_blocks(WIDTHS[k], BLOCKS[-1 - k]) for k in range(levels))
        self.leave = nn.Conv2d(WIDTHS[0], 4 * rank, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, features: Tensor) -> Tensor:
        """See the class. Zero at the start of the training: the result is then the start itself."""
        x = self.enter(F.pixel_unshuffle(features / self.feature_scale[:, None, None], 2))
        kept = []
        for encode, down in zip(self.encode, self.down, strict=True):
            x = encode(x)
            kept.append(x)
            x = down(x)
        x = self.middle(x)
        for place in reversed(range(len(kept))):
            x = self.decode[place](F.pixel_shuffle(self.up[place](x), 2) + kept[place])
        return F.pixel_shuffle(self.leave(x), 2) * self.result_scale[:, None, None]


def load_live(weights: Path) -> LiveNetwork:
    """The network with the weights of a file, in evaluation mode, its parameters without gradients."""
    _, tensors = load_arrays(weights)
    network = LiveNetwork(Curves(*(tensors[name] for name in CURVES))).eval().requires_grad_(False)
    network.load_state_dict({name: torch.from_numpy(values) for name, values in tensors.items()})
    return network


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))
