"""The binary units of BiSRNet. Features are `(B, C, H, W)`.

"Binarized Spectral Compressive Imaging", NeurIPS 2023; the facts are in mst-bisrnet-sdp.md, section 6. Parameter names
are the authors'.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.shortened import Shortened
from livecassi.engines.networks.stills.strips import WHOLE, Beyond, in_strips, without_beside

ROWS = 2  # the dimension of features


def surrogate_sign(x: Tensor, beta: Tensor) -> Tensor:
    """The sign of x, of 0 it is 0; its gradient is that of tanh(β x), to x and to β."""
    if not torch.is_grad_enabled():
        return torch.sign(x)
    smooth = torch.tanh(beta * x)
    return torch.sign(x).detach() + (smooth - smooth.detach())


def mean_size(weight: Tensor) -> Tensor:
    """α of every filter of weights `(C, ...)`: `(C, 1, 1, 1)`."""
    return weight.abs().mean((1, 2, 3), keepdim=True)


def binary_weight(weight: Tensor) -> Tensor:
    """α sign(w), α the mean size of the weights of a filter; the gradient is that of w clipped to [-1, 1]."""
    binary = (mean_size(weight) * torch.sign(weight)).detach()
    clipped = weight.clamp(-1, 1)
    return binary + (clipped - clipped.detach())


class ReDistribution(nn.Module):
    """k x + b with a k and a b for every channel: it moves the values to where their signs tell most."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.ones(1, width, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same shape."""
        return self.k * x + self.b


class BinaryActivation(nn.Module):
    """Signs, whose gradient has a slope that is learned: `surrogate_sign`."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same shape, of -1, 0 and 1."""
        return surrogate_sign(x, self.beta)


class BinaryConvolution(nn.Conv2d):
    """A convolution of stride 1 with weights of one size and two signs: `binary_weight`.

    Out of training signs are added up first, which is exact but in bf16, and α follows: whatever the order in which a
    machine adds, the same comes out.
    """

    def __init__(self, width: int, side: int, groups: int = 1) -> None:
        super().__init__(width, width, side, padding=side // 2, groups=groups, bias=False)

    def forward(self, x: Tensor, beyond: Beyond = WHOLE) -> Tensor:
        """`(B, C, H, W)` to the same shape, or less the rows that are beside a strip."""
        side = self.kernel_size[0] // 2
        above, below = (side * rows for rows in beyond)
        padding = (above if above == below else 0, side)
        if above != below:
            x = F.pad(x, (0, 0, above, below))
        if torch.is_grad_enabled():
            return F.conv2d(x, binary_weight(self.weight), None, 1, padding, groups=self.groups)
        alpha = mean_size(self.weight).view(-1, 1, 1)
        return F.conv2d(x, torch.sign(self.weight), None, 1, padding, groups=self.groups) * alpha


class Bias(nn.Module):
    """A number added to every channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same shape."""
        return x + self.bias


class RPReLU(nn.Module):
    """A PReLU whose bend lies elsewhere, in each channel at a place of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pr_bias0 = Bias(width)
        self.pr_prelu = nn.PReLU(width)
        self.pr_bias1 = Bias(width)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same shape."""
        bent: Tensor = self.pr_bias1(self.pr_prelu(self.pr_bias0(x)))
        return bent


class Striped(Shortened, ABC):
    """A layer with 1 x 1 and 3 x 3 convolutions of `side`, at most one of the latter in a row; worked on in strips."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    @abstractmethod
    def rows(self, x: Tensor, beyond: Beyond) -> Tensor:
        """What becomes of rows, less those that are beside them."""

    def forward(self, x: Tensor) -> Tensor:
        """Of a picture `(B, C, H, W)`."""
        return in_strips(self.rows, x, self.side // 2, ROWS, whole=self.literal)


class BinaryUnit(Striped):
    """Redistribute, take signs, convolve with signs, bend; added to what comes in."""

    def __init__(self, width: int, side: int, groups: int = 1) -> None:
        super().__init__(side)
        self.move0 = ReDistribution(width)
        self.binary_activation = BinaryActivation()
        self.binary_conv = BinaryConvolution(width, side, groups)
        self.relu = RPReLU(width)

    def rows(self, x: Tensor, beyond: Beyond) -> Tensor:
        """`(B, C, H, W)` to the same shape."""
        bent: Tensor = self.relu(self.binary_conv(self.binary_activation(self.move0(x)), beyond))
        return bent + (x if self.side == 1 else without_beside(x, beyond, ROWS))


class Increase(Striped):
    """Twice as many channels: two units on the same features, one behind the other."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__(side)
        self.biconv_1 = BinaryUnit(width, side)
        self.biconv_2 = BinaryUnit(width, side)

    def rows(self, x: Tensor, beyond: Beyond) -> Tensor:
        """`(B, C, H, W)` to `(B, 2 C, H, W)`."""
        return torch.cat((self.biconv_1.rows(x, beyond), self.biconv_2.rows(x, beyond)), 1)


class Decrease(Striped):
    """Half as many channels, `width`: the mean of two units, one on each half of them."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__(side)
        self.biconv_1 = BinaryUnit(width, side)
        self.biconv_2 = BinaryUnit(width, side)

    def rows(self, x: Tensor, beyond: Beyond) -> Tensor:
        """`(B, 2 C, H, W)` to `(B, C, H, W)`."""
        first, second = x.chunk(2, 1)
        return (self.biconv_1.rows(first, beyond) + self.biconv_2.rows(second, beyond)) / 2


class Down(Increase):
    """Half the size and twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, 2 C, H / 2, W / 2)`."""
        return super().forward(F.avg_pool2d(x, 2))


class Up(Decrease):
    """Twice the size and half the channels, `width`."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, 2 C, H, W)` to `(B, C, 2 H, 2 W)`."""
        return super().forward(F.interpolate(x, scale_factor=2, mode="bilinear"))
