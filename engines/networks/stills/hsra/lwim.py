"""LWIM, interaction within windows by way of a few latents (read as: latent window interaction module).

Published are the name, its place and its cost; the layer itself is ours (hsra.md, section 4). Windows of odd blocks are
shifted by half a window in a circle, without masks at the seam, which is ours, too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.hsra.layers import Shape, depthwise, pointwise
from livecassi.engines.networks.stills.hsra.windows import from_windows, into_windows
from livecassi.engines.networks.stills.shortened import Shortened

SIDE = 8
LATENTS = 8


class LatentWindows(Shortened):
    """Latents ℓ gather G = softmax(ℓ kᵀ/√C) v from a window; its pixels read softmax(q (ℓ+G)ᵀ/√C) G, plus DW3x3(v).

    Keys meet nothing but the latents and queries nothing but ℓ+G, so that neither is computed for every pixel: the
    latents are carried over to the features instead.
    """

    def __init__(self, width: int, *, shifted: bool) -> None:
        super().__init__()
        self.by = SIDE // 2 if shifted else 0
        self.scale = width**-0.5
        self.query, self.key, self.value = (pointwise(width, width, bias=False) for _ in range(3))
        self.latents = nn.Parameter(torch.empty(LATENTS, width))
        nn.init.trunc_normal_(self.latents, std=1.0)
        self.local = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.out = pointwise(width, width)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """Features to as many."""
        value = self.value(x)
        seen = self._literally(x, value, shape) if self.literal else self._shortly(x, value, shape)
        read = from_windows(seen, shape, SIDE, self.by)
        mixed: Tensor = self.out(read + depthwise(value, shape, self.local.weight, self.local.bias))
        return mixed

    def _shortly(self, x: Tensor, value: Tensor, shape: Shape) -> Tensor:
        pixels, values = self._windows(x, shape), self._windows(value, shape)
        wanted = self.latents * self.scale
        gathered = (wanted @ self.key.weight @ pixels.mT).softmax(-1) @ values
        offered = F.linear(wanted + gathered * self.scale, self.query.weight.mT)
        read: Tensor = (offered @ pixels.mT).softmax(1).mT @ gathered  # long rows are quicker than eight of a pixel
        return read

    def _literally(self, x: Tensor, value: Tensor, shape: Shape) -> Tensor:
        queries, keys, values = (self._windows(part, shape) for part in (self.query(x), self.key(x), value))
        gathered = (self.latents @ keys.mT * self.scale).softmax(-1) @ values
        read: Tensor = (queries @ (self.latents + gathered).mT * self.scale).softmax(-1) @ gathered
        return read

    def _windows(self, features: Tensor, shape: Shape) -> Tensor:
        return into_windows(features, shape, SIDE, self.by)
