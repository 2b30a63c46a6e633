"""MK-PTM, mixing of neighbouring pixels by several kernels at once (read as: multi-kernel partial token mixing).

Published are the name, its place in the first stage, the kernels {3, 9} and the ratio r of channels that are mixed; the
layer itself is ours (hsra.md, section 4).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.hsra.layers import Shape, depthwise, pointwise
from livecassi.engines.networks.stills.shortened import Shortened


class MultiKernelMixing(Shortened):
    """The first m = r C channels: `conv1x1(GELU(Σ_k DWConv_k(x)))`, m to C; the others are added as they are.

    All kernels together are one of the largest size.
    """

    def __init__(self, width: int, kernels: Sequence[int], ratio: float) -> None:
        super().__init__()
        mixed = self.mixed = round(ratio * width)
        self.kernels = nn.ModuleList(
            nn.Conv2d(mixed, mixed, side, padding=side // 2, groups=mixed, bias=index == 0)
            for index, side in enumerate(kernels)
        )
        self.out = pointwise(mixed, width)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """Features to as many."""
        untouched = x.shape[-1] - self.mixed
        mixed: Tensor = self.out(F.gelu(self._mix(x[:, : self.mixed], shape)))
        return mixed + F.pad(x[:, self.mixed :], (self.mixed, 0)) if untouched else mixed

    def kernel(self) -> tuple[Tensor, Tensor]:
        """All kernels as one `(m, 1, k, k)`, and what is added."""
        convs = self._convs()
        largest = max(conv.weight.shape[-1] for conv in convs)
        padded = [F.pad(conv.weight, ((largest - conv.weight.shape[-1]) // 2,) * 4) for conv in convs]
        assert convs[0].bias is not None
        return torch.stack(padded).sum(0), convs[0].bias

    def _mix(self, x: Tensor, shape: Shape) -> Tensor:
        if not self.literal:
            return depthwise(x, shape, *self.kernel())
        return torch.stack([depthwise(x, shape, conv.weight, conv.bias) for conv in self._convs()]).sum(0)

    def _convs(self) -> list[nn.Conv2d]:
        return [conv for conv in self.kernels if isinstance(conv, nn.Conv2d)]
