"""Layers that the blocks of HSRA share.

Features are `(pixels, C)`: the pixels of B pictures of H rows and W columns, one after the other, whose `Shape` is
handed on beside them. Runtimes would lay features with four axes out anew before every other operation.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.shortened import Shortened

Shape = tuple[int, int, int]  # (B, H, W)


def as_planes(features: Tensor, shape: Shape) -> Tensor:
    """Features as `(B, C, H, W)`, a view: the memory stays channels last."""
    return features.reshape(*shape, features.shape[-1]).permute(0, 3, 1, 2)


def as_features(planes: Tensor) -> Tensor:
    """Planes `(B, C, H, W)` as features."""
    features: Tensor = planes.permute(0, 2, 3, 1).flatten(0, 2)
    return features


def depthwise(features: Tensor, shape: Shape, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Each channel convolved by its own odd kernel `(C, 1, k, k)`, zeros beyond the border."""
    planes = as_planes(features, shape)
    return as_features(F.conv2d(planes, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight)))


class FeedForward(nn.Module):
    """Each pixel is widened to twice the channels, mixed with its neighbours, and narrowed again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen = pointwise(width, 2 * width)
        self.mix = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.narrow = pointwise(2 * width, width)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """Features to as many."""
        wide = F.gelu(self.widen(x))
        narrow: Tensor = self.narrow(F.gelu(depthwise(wide, shape, self.mix.weight, self.mix.bias)))
        return narrow


class Down(nn.Module):
    """Half the size, twice the channels: a convolution of 4 x 4 with stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """`(pixels, C)` to `(pixels / 4, 2C)`."""
        return as_features(self.conv(as_planes(x, shape)))


class Up(Shortened):
    """Twice the size, half the channels, joined with what the encoder left: `conv1x1(cat(convT2x2(x), kept))`.

    The transposed convolution and the half of the joint one that follows it are one linear map.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join = pointwise(2 * width, width)

    def forward(self, x: Tensor, shape: Shape, kept: Tensor) -> Tensor:
        """`x (pixels, 2C)` of that shape and `kept (4 pixels, C)` to `(4 pixels, C)`."""
        of_x, of_kept = self.join.weight.split(kept.shape[-1], 1)
        planes = as_planes(x, shape)
        if self.literal:
            raised = F.linear(as_features(self.up(planes)), of_x)
        else:
            weight = (self.up.weight.permute(2, 3, 0, 1) @ of_x.mT).permute(2, 3, 0, 1)
            assert self.up.bias is not None
            raised = as_features(F.conv_transpose2d(planes, weight, of_x @ self.up.bias, stride=2))
        return raised + F.linear(kept, of_kept, self.join.bias)


def pointwise(inside: int, outside: int, *, bias: bool = True) -> nn.Linear:
    """A linear map of each pixel's channels, drawn from a truncated normal distribution of deviation 0.02."""
    layer = nn.Linear(inside, outside, bias=bias)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
