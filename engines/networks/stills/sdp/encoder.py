"""What turns a scene of any size into one short vector: the HFE of the Spectral Diffusion Prior.

Published: that there is such an encoder. Its layers are ours, after those of DiffIR (mst-bisrnet-sdp.md, 2 and 3), and
so are the weights that it begins with: what distinguishes scenes must come through twenty layers and a mean.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.padding import padded

FINER = 4  # rows and columns that pixel-unshuffle puts into one
SLOPE = 0.1
CAUTION = 0.1  # of what the residual blocks add in the beginning


class FeatureEncoder(nn.Module):
    """So many `planes` to a vector of `dim` numbers.

    Pixel-unshuffle by 4, a convolution to `width`, `blocks` residual blocks, three convolutions up to `dim`, the mean
    over the scene, two linear layers.
    """

    def __init__(self, planes: int, width: int, blocks: int, dim: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(planes * FINER**2, width, 3, padding=1)
        residual = [_Residual(width) for _ in range(blocks)]
        self.blocks = nn.Sequential(*residual)
        middle = dim // 2
        self.wider = nn.Sequential(
            nn.Conv2d(width, middle, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(middle, middle, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(middle, dim, 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.mixing = nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(SLOPE), nn.Linear(dim, dim))
        begin_evenly(self)
        with torch.no_grad():
            for block in residual:
                block.two.weight.mul_(CAUTION)

    def forward(self, planes: Tensor) -> Tensor:
        """Vectors `(B, D)` of planes `(B, C, H, W)`."""
        features = self.first(_unshuffled(padded(planes, FINER)))
        means: Tensor = self.mixing(self.wider(self.blocks(features)).mean((2, 3)))
        return means


class _Residual(nn.Module):
    """Features `(B, C, H, W)` and what two convolutions add to them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1)
        self.two = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = self.two(F.leaky_relu(self.one(features), SLOPE))
        return torch.add(features, added)


def _unshuffled(planes: Tensor) -> Tensor:
    """`F.pixel_unshuffle` by 4, whose own export computes with shapes: `(B, C, H, W)` to `(B, 16 C, H/4, W/4)`."""
    apart = planes.unflatten(-1, (-1, FINER)).unflatten(-3, (-1, FINER))  # (B, C, H/4, 4, W/4, 4)
    together: Tensor = apart.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
    return together


def begin_evenly(network: nn.Module) -> None:
    """Weights with which every layer gives about the variance that it was given (He et al. 2015), offsets of zero."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
