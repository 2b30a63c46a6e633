"""Pictures cut into strips of rows: what lies between reading and writing features stays in the caches.

On a CPU, where whole pictures would be written to fresh memory layer by layer, networks then take half the time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.tracing import exporting

VALUES = 1 << 17  # of the features of a strip
FEWEST_ROWS = 8  # of a strip: a few rows beside it are computed once more

Beyond = tuple[int, int]  # rows of zeros that a 3 x 3 convolution adds above and below: 1 at the ends of a picture
WHOLE: Beyond = (1, 1)


def linear(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """A 1 x 1 convolution of features `(B, H, W, D)`."""
    return F.linear(features, layer.weight[..., 0, 0], layer.bias)


def convolved(features: Tensor, layer: nn.Conv2d, beyond: Beyond = WHOLE) -> Tensor:
    """A convolution of features `(B, H, W, D)`; memory stays as it is."""
    above, below = beyond
    columns = int(layer.padding[1])
    if above != below:
        features = F.pad(features, (0, 0, 0, 0, above, below))
    padding = (above if above == below else 0, columns)
    weight = layer.weight.to(memory_format=torch.channels_last)
    done = F.conv2d(features.movedim(-1, 1), weight, layer.bias, layer.stride, padding, groups=layer.groups)
    result: Tensor = done.movedim(1, -1)
    return result


@dataclass(frozen=True, slots=True)
class Strip:
    """The rows from `first` on and before `last` of a picture of `height` rows, which are its dimension `axis`."""

    first: int
    last: int
    height: int
    axis: int

    def rows(self, picture: Tensor, beside: int = 0) -> Tensor:
        """Its rows of a picture and so many `beside` them, as far as the picture reaches."""
        first, last = max(self.first - beside, 0), min(self.last + beside, self.height)
        if last - first == self.height:
            return picture  # nothing to cut in an exported graph
        return picture.narrow(self.axis, first, last - first)

    def beyond(self, beside: int) -> Beyond:
        """What a convolution adds to its rows and those `beside` them, so that one less is left beside them."""
        return int(self.first < beside), int(self.last + beside > self.height)


def strips(picture: Tensor, axis: int, *, whole: bool = False) -> list[Strip]:
    """The strips of a picture on a CPU; where it stays `whole`, and in training, on a GPU and in graphs, one."""
    height = picture.shape[axis]
    if whole or picture.is_cuda or torch.is_grad_enabled() or exporting():
        return [Strip(0, height, height, axis)]
    rows = max(FEWEST_ROWS, VALUES * height // picture.numel())
    return [Strip(first, min(first + rows, height), height, axis) for first in range(0, height, rows)]


def put_together(parts: list[Tensor], axis: int) -> Tensor:
    """The picture of its strips."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)


def in_strips(
    work: Callable[[Tensor, Beyond], Tensor], picture: Tensor, beside: int, axis: int, *, whole: bool = False
) -> Tensor:
    """A picture of what `work` makes of each strip and the rows `beside` it."""
    parts = [work(strip.rows(picture, beside), strip.beyond(beside)) for strip in strips(picture, axis, whole=whole)]
    return put_together(parts, axis)


def without_beside(rows: Tensor, beyond: Beyond, axis: int) -> Tensor:
    """Rows as they are, less the one on each side that a 3 x 3 convolution leaves out."""
    if beyond == WHOLE:
        return rows
    above, below = beyond
    return rows.narrow(axis, 1 - above, rows.shape[axis] - 2 + above + below)
