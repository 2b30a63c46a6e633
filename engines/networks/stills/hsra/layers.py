"""Layers that the blocks of HSRA share. Features are `(B, H, W, C)`: channels last, in memory, too."""

from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.cost import Shortened


def depthwise(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Each channel of `(B, H, W, C)` convolved by its own odd kernel `(C, 1, k, k)`, zeros beyond the border."""
    planes = features.permute(0, 3, 1, 2)  # a view: the memory stays channels last
    done = F.conv2d(planes, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))
    return done.permute(0, 2, 3, 1)


class FeedForward(nn.Module):
    """Each pixel is widened to twice the channels, mixed with its neighbours, and narrowed again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen = pointwise(width, 2 * width)
        self.mix = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.narrow = pointwise(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, H, W, C)` to the same shape."""
        wide = F.gelu(self.widen(x))
        narrow: Tensor = self.narrow(F.gelu(depthwise(wide, self.mix.weight, self.mix.bias)))
        return narrow


class Down(nn.Module):
    """Half the size, twice the channels: a convolution of 4 x 4 with stride 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, H, W, C)` to `(B, H/2, W/2, 2C)`."""
        planes: Tensor = self.conv(x.permute(0, 3, 1, 2))
        return planes.permute(0, 2, 3, 1)


class Up(Shortened):
    """Twice the size, half the channels, joined with what the encoder left: `conv1x1(cat(convT2x2(x), kept))`.

    The transposed convolution and the half of the joint one that follows it are one linear map.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join = pointwise(2 * width, width)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        """`x (B, H/2, W/2, 2C)` and `kept (B, H, W, C)` to `(B, H, W, C)`."""
        of_x, of_kept = self.join.weight.split(kept.shape[-1], 1)
        planes = x.permute(0, 3, 1, 2)
        if self.literal:
            raised = F.linear(self.up(planes).permute(0, 2, 3, 1), of_x)
        else:
            weight = (self.up.weight.permute(2, 3, 0, 1) @ of_x.mT).permute(2, 3, 0, 1)
            assert self.up.bias is not None
            raised = F.conv_transpose2d(planes, weight, of_x @ self.up.bias, stride=2).permute(0, 2, 3, 1)
        return raised + F.linear(kept, of_kept, self.join.bias)


def pointwise(inside: int, outside: int, *, bias: bool = True) -> nn.Linear:
    """A linear map of each pixel's channels, drawn from a truncated normal distribution of deviation 0.02."""
    layer = nn.Linear(inside, outside, bias=bias)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
