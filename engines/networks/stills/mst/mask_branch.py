"""The mask branch of MST: from the mask as it lies on the detector to a weight for every value of the attention.

It knows nothing of the measurement. Planes are `(B, C, H, W)`. Source: mst-bisrnet-sdp.md, section 5.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def sheared(mask: Tensor, step: int) -> Tensor:
    """What each band sees of a mask `(B, C, H, W)`, placed where it falls: band c from column step c on.

    `(B, C, H, W + step (C - 1))`, zero elsewhere.
    """
    bands = mask.shape[1]
    beyond = step * (bands - 1)
    placed = [F.pad(mask[:, band], (step * band, beyond - step * band)) for band in range(bands)]
    return torch.stack(placed, 1)


class MaskAttention(nn.Module):
    """The weights of one attention from the sheared mask of its scale.

    `scale` is how much smaller than the scene the features are. Channel i is shifted back by whole columns of
    i · step / scale², as in the authors' code, where one would expect step / scale: their weights were trained so.
    """

    def __init__(self, width: int, scale: int, step: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 1)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.depth_conv = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.columns = tuple(int(step / scale**2 * channel) for channel in range(width))

    def forward(self, mask: Tensor, width: int) -> Tensor:
        """`(B, H, W, D)`, channels last, of a sheared mask `(B, D, H, W')` for features of `width` columns."""
        mixed = self.conv1(mask)
        gated = mixed * torch.sigmoid(self.depth_conv(self.conv2(mixed))) + mixed
        back = [gated[:, channel, :, column : column + width] for channel, column in enumerate(self.columns)]
        return torch.stack(back, -1)
