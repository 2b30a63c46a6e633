"""The front end of PG-SVRT: what each band sees of measurement and mask, and the mask-guided estimate (MGDP).

Planes are in scene coordinates and channels last. k = 2/C scales sums over bands. Source: pg-svrt.md, sections 2, 3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.pg_svrt.windows import in_pieces
from livecassi.engines.networks.tracing import exporting


@dataclass(frozen=True, slots=True)
class PreparedMask:
    """All that depends on the mask alone: `pattern` and `weight`, both `(H, W, C)`, or `(B, 1, H, W, C)` where every
    clip has a mask of its own.
    """

    pattern: Tensor
    weight: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """`(H, W)` of the scene."""
        return self.pattern.shape[-3], self.pattern.shape[-2]

    def part(self, rows: slice, columns: slice) -> "PreparedMask":
        """The same for a part of the scene."""
        return PreparedMask(self.pattern[..., rows, columns, :], self.weight[..., rows, columns, :])


def shifted_back(wide: Tensor, width: int, bands: int, step: int) -> Tensor:
    """`(..., W + step (C - 1))` as each band sees it: `(..., W, C)`, band c from column step c on."""
    columns = torch.arange(width, device=wide.device)[:, None] + step * torch.arange(bands, device=wide.device)
    seen: Tensor = wide.index_select(-1, columns.flatten()).unflatten(-1, (width, bands))
    return seen


def dispersed_sum(patterns: Tensor, step: int) -> Tensor:
    """Σ_c of patterns `(..., C, H, W)`, band c moved by step c columns: `(..., H, W + step (C - 1))`."""
    bands, _, width = patterns.shape[-3:]
    total = width + step * (bands - 1)
    band = torch.arange(bands, device=patterns.device)[:, None]
    origin = torch.arange(total, device=patterns.device) - step * band
    origin = torch.where((origin < 0) | (origin >= width), width, origin)  # one column of zeros stands beyond the end
    padded = F.pad(patterns, (0, 1))
    return padded.gather(-1, origin[:, None].expand(*padded.shape[:-1], total)).sum(-3)


class MaskGuidedEstimate(nn.Module):
    """MGDP: measurement and mask fused into a first estimate, weighted by what the mask lets through."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.norm_n = nn.LayerNorm(2 * bands)
        self.norm_mask = nn.LayerNorm(2 * bands)
        self.fusion = nn.Sequential(nn.Conv2d(2 * bands, bands, 1, bias=False))
        self.weight = nn.Sequential(nn.Conv2d(2 * bands, bands, 1, bias=False))
        self.out = nn.Sequential(nn.Conv2d(bands, bands, 1, bias=False))

    def mask_weight(self, pattern: Tensor, density: Tensor) -> Tensor:
        """The weight `(H, W, C)` from the pattern and from k times its sum over bands, both `(H, W, C)`."""
        both = self.norm_mask(torch.cat((pattern, density), -1))
        return torch.sigmoid(F.linear(both, self.weight.get_parameter("0.weight")[..., 0, 0]))

    def forward(self, f0: Tensor, mask: PreparedMask) -> Tensor:
        """The estimate `(B, T, H, W, C)` from what each band sees of the measurement, of the same shape."""

        fusion, out = (layer.get_parameter("0.weight")[..., 0, 0] for layer in (self.fusion, self.out))

        def estimate(seen: Tensor, pattern: Tensor, weight: Tensor) -> tuple[Tensor]:
            fused = F.linear(self.norm_n(torch.cat((seen, pattern.expand_as(seen)), -1)), fusion)
            return (F.linear(F.gelu(fused) * weight, out),)

        frames = f0.split(1, 1) if exporting() else (f0,)  # runtimes would keep an expanded mask for all frames
        pattern, weight = (part if part.ndim == 5 else part[None, None] for part in (mask.pattern, mask.weight))
        return torch.cat([in_pieces(estimate, frame, pattern, weight)[0] for frame in frames], 1)
