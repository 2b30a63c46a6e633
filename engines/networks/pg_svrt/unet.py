"""The U-Net of PG-SVRT: spatiotemporal blocks at full, half and quarter resolution (pg-svrt.md, section 4)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.pg_svrt.block import Block
from livecassi.engines.networks.pg_svrt.layers import careful_conv2d, conv_transpose2d
from livecassi.engines.networks.tracing import exporting

MULTIPLE = 32  # sides are padded to multiples of it: every window then fits at every resolution
BLOCKS = (2, 4, 4)  # at full, half and quarter resolution


class UNet(nn.Module):
    """From the first estimate f and the measurement seen by each band f0, both `(B, T, H, W, 30)`, to the cubes."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        wide = 2 * bands
        self.shuffle_conv = nn.Parameter(torch.tensor([1.0, 0.0]).repeat(bands, 1)[:, :, None, None].clone())
        self.conv_in = nn.Conv2d(wide, bands, 3, padding=1, bias=False)
        self.down1 = _stage(BLOCKS[0], bands, bridge=True, shifted=False)
        self.downsample1 = nn.Conv2d(bands, wide, 4, stride=2, padding=1, bias=False)
        self.down2 = _stage(BLOCKS[1], wide, bridge=False, shifted=False)
        self.downsample2 = nn.Conv2d(wide, 2 * wide, 4, stride=2, padding=1, bias=False)
        self.bottleneck_local = _stage(BLOCKS[2], wide, bridge=False, shifted=False)
        self.bottleneck_swin = _stage(BLOCKS[2], wide, bridge=False, shifted=True)
        self.upsample2 = nn.ConvTranspose2d(2 * wide, wide, 2, stride=2)
        self.fusion2 = nn.Conv2d(2 * wide, wide, 1, bias=False)
        self.up2 = _stage(BLOCKS[1], wide, bridge=False, shifted=True)
        self.upsample1 = nn.ConvTranspose2d(wide, bands, 2, stride=2)
        self.fusion1 = nn.Conv2d(wide, bands, 1, bias=False)
        self.up1 = _stage(BLOCKS[0], bands, bridge=True, shifted=True)
        self.conv_out = nn.Conv2d(bands, bands, 3, padding=1, bias=False)

    def forward(self, f: Tensor, f0: Tensor) -> Tensor:
        """Cubes `(B, T, H, W, 30)`; sides that are no multiple of 32 are reflected beyond their ends meanwhile."""
        height, width = f.shape[2:4]
        f, f0 = _padded(f), _padded(f0)
        own, measured = self.shuffle_conv[..., 0, 0].unbind(1)
        skip = f * own + f0 * measured
        x = self._entered(f, f0)
        full = self.down1(x)
        half = self.down2(careful_conv2d(full, self.downsample1.weight, stride=2))
        quarter = careful_conv2d(half, self.downsample2.weight, stride=2)
        near, far = quarter.chunk(2, -1)
        near = self.bottleneck_local(near.contiguous())
        far = self.bottleneck_swin(far + near)
        x = conv_transpose2d(torch.cat((near, far), -1), self.upsample2.weight, self.upsample2.bias, side=2)
        x = self.up2(half + _fused(x, half, self.fusion2.weight))
        x = conv_transpose2d(x, self.upsample1.weight, self.upsample1.bias, side=2)
        x = self.up1(full + _fused(x, full, self.fusion1.weight))
        x = careful_conv2d(x, self.conv_out.weight) + skip
        cubes: Tensor = x[:, :, :height, :width]
        return cubes

    def _entered(self, f: Tensor, f0: Tensor) -> Tensor:
        """The first convolution, in whose weights the bands of f and f0 take turns."""
        weight = self.conv_in.weight
        if not exporting():
            return careful_conv2d(torch.stack((f, f0), -1).flatten(-2), weight)  # rounds as the authors' code does
        return careful_conv2d(torch.cat((f, f0), -1), torch.cat((weight[:, ::2], weight[:, 1::2]), 1))


def _stage(blocks: int, width: int, *, bridge: bool, shifted: bool) -> nn.Sequential:
    return nn.Sequential(*(Block(width, bridge=bridge, shifted=shifted) for _ in range(blocks)))


def _fused(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """A 1 x 1 convolution of both, one behind the other."""
    first, second = weight[..., 0, 0].chunk(2, 1)
    return F.linear(one, first) + F.linear(other, second)


def _padded(features: Tensor) -> Tensor:
    down, right = (-side % MULTIPLE for side in features.shape[2:4])
    if not down and not right:
        return features
    pictures = F.pad(features.flatten(0, 1).movedim(-1, 1), (0, right, 0, down), mode="reflect")
    padded: Tensor = pictures.movedim(1, -1).contiguous().unflatten(0, features.shape[:2])
    return padded
