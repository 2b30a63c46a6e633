"""Pictures `(B, H, W, D)` cut into strips of rows: what lies between reading and writing features stays in the caches.

On a CPU the network then takes half the time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.pg_svrt.windows import exporting

VALUES = 1 << 17  # of the features of a strip
FEWEST_ROWS = 8  # of a strip: a few rows beside it are computed once more


def linear(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """A 1 x 1 convolution of features `(B, H, W, D)`."""
    return F.linear(features, layer.weight[..., 0, 0], layer.bias)


def convolved(features: Tensor, layer: nn.Conv2d, rows: tuple[int, int] = (1, 1)) -> Tensor:
    """A convolution of features `(B, H, W, D)` with so many `rows` of zeros above and below; memory stays as it is."""
    above, below = rows
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
    """The rows from `first` on and before `last` of a picture of `height` rows."""

    first: int
    last: int
    height: int

    def rows(self, picture: Tensor, beside: int = 0) -> Tensor:
        """Its rows of a picture and so many `beside` them, as far as the picture reaches."""
        return picture[:, max(self.first - beside, 0) : self.last + beside]

    def convolved(self, features: Tensor, layer: nn.Conv2d, beside: int) -> Tensor:
        """Its rows with one less `beside` them, of a 3 x 3 convolution of those with `beside`."""
        above, below = self.first < beside, self.last + beside > self.height
        return convolved(features, layer, (int(above), int(below)))


def strips(picture: Tensor, *, whole: bool = False) -> list[Strip]:
    """The strips of a picture on a CPU; where it stays `whole`, and in training, on a GPU and in graphs, one."""
    _, height, width, channels = picture.shape
    if whole or picture.is_cuda or torch.is_grad_enabled() or exporting():
        return [Strip(0, height, height)]
    rows = max(FEWEST_ROWS, VALUES // (len(picture) * width * channels))
    return [Strip(first, min(first + rows, height), height) for first in range(0, height, rows)]


def put_together(parts: list[Tensor]) -> Tensor:
    """The picture of its strips."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)
