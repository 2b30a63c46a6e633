"""MST: mask-guided spectral transformer, from a coded frame of a single disperser to a cube.

"Mask-guided Spectral-wise Transformer for Efficient Hyperspectral Image Reconstruction", CVPR 2022; the facts are in
mst-bisrnet-sdp.md, section 5. Parameter names are those of the authors' state dict, which loads unchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.calibration import System
from livecassi.engines.networks.stills.bench import StillBench
from livecassi.engines.networks.stills.modulation import Modulation, Site
from livecassi.engines.networks.stills.mst.attention import Blocks
from livecassi.engines.networks.stills.mst.mask_branch import sheared
from livecassi.engines.networks.stills.network import StillNetwork, refuse_dual_dispersers
from livecassi.engines.networks.stills.padding import padded
from livecassi.engines.networks.stills.strips import convolved, linear
from livecassi.engines.protocol import STEP_PX

MST_S, MST_M, MST_L = (2, 2, 2), (2, 4, 4), (4, 7, 5)  # blocks at full, half and quarter size

SLOPE = 0.1  # of what is negative after the embedding
LEVELS = 2  # halvings
MULTIPLE = 1 << LEVELS  # of both sides inside

MaskWeights = tuple[tuple[Tensor, ...], ...]  # of every block, place by place through the U-Net


@dataclass(frozen=True, slots=True)
class MaskedBench(StillBench):
    """A bench, and what an MST makes of its mask: half of that network's layers look at the mask alone."""

    mask_weights: MaskWeights
    made_by: "MST"


class MST(StillNetwork):
    """The network with `depths` blocks at full, half and quarter size; bands are 2 px apart.

    Raises `EngineMismatchError` for a dual disperser.
    """

    def __init__(self, system: System | str, bands: int, depths: Sequence[int] = MST_S) -> None:
        super().__init__(system, bands, STEP_PX)
        refuse_dual_dispersers(self)

        def blocks(place: str, level: int) -> Blocks:
            return Blocks(f"{place}.{level}", bands, STEP_PX, level, depths[level])

        def halving(level: int) -> nn.Conv2d:
            return nn.Conv2d(bands << level, bands << level + 1, 4, stride=2, padding=1, bias=False)

        self.embedding = nn.Conv2d(bands, bands, 3, padding=1, bias=False)
        self.encoder_layers = nn.ModuleList(
            nn.ModuleList([blocks("encoder", level), halving(level), halving(level)]) for level in range(LEVELS)
        )
        self.bottleneck = blocks("bottleneck", LEVELS)
        self.decoder_layers = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.ConvTranspose2d(bands << level + 1, bands << level, 2, stride=2),
                    nn.Conv2d(bands << level + 1, bands << level, 1, bias=False),
                    blocks("decoder", level),
                ]
            )
            for level in reversed(range(LEVELS))
        )
        self.mapping = nn.Conv2d(bands, bands, 3, padding=1, bias=False)
        self.apply(_initialise)

    def injection_sites(self) -> tuple[Site, ...]:
        """Two in each block, in the order in which features pass."""
        return tuple(site for place in self._places() for site in place.sites)

    def prepare(self, mask: Tensor, shifts_px: Sequence[float] | None = None, columns: int | None = None) -> StillBench:
        """As of every still network; out of training with all that depends on the mask alone.

        Prepare again when the weights have changed.
        """
        bench = super().prepare(mask, shifts_px, columns)
        if not self._may_prepare:
            return bench
        weights = self._mask_weights(bench)
        return MaskedBench(bench.mask, bench.taps, bench.columns, bench.density, weights, self)

    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        """Cubes `(B, C, H, W)` of measurements `(B, H, W')`."""
        weights = iter(self._mask_weights(bench))
        first = padded(bench.first_estimate(measurement), MULTIPLE).movedim(1, -1).contiguous()
        x = F.leaky_relu(convolved(first, self.embedding), SLOPE)
        kept: list[Tensor] = []
        for blocks, halving, _ in self._downward:
            kept.append(blocks(x, next(weights), modulation))
            x = convolved(kept[-1], halving)
        x = self.bottleneck(x, next(weights), modulation)
        for doubling, fusion, blocks in self._upward:
            x = torch.cat((_doubled(x, doubling), kept.pop()), -1)
            x = blocks(linear(x, fusion), next(weights), modulation)
        height, width = bench.size
        return (convolved(x, self.mapping) + first).movedim(-1, 1)[..., :height, :width].contiguous()

    def _places(self) -> list[Blocks]:
        """Where there are blocks, in the order in which features pass."""
        return [
            *(blocks for blocks, _, _ in self._downward),
            self.bottleneck,
            *(blocks for _, _, blocks in self._upward),
        ]

    @property
    def _downward(self) -> list[tuple[Blocks, nn.Conv2d, nn.Conv2d]]:
        """Blocks, and what halves features and mask after them."""
        return cast("list[tuple[Blocks, nn.Conv2d, nn.Conv2d]]", list(self.encoder_layers))

    @property
    def _upward(self) -> list[tuple[nn.ConvTranspose2d, nn.Conv2d, Blocks]]:
        """What doubles features, what fuses them with those kept, and blocks."""
        return cast("list[tuple[nn.ConvTranspose2d, nn.Conv2d, Blocks]]", list(self.decoder_layers))

    @property
    def _may_prepare(self) -> bool:
        """Whether weights stay as they are for a while."""
        return not (self.training or torch.is_grad_enabled() or self.bottleneck.literal)

    def _mask_weights(self, bench: StillBench) -> MaskWeights:
        """Those at hand, or made from the mask as it falls on the detector."""
        if isinstance(bench, MaskedBench) and bench.made_by is self and self._may_prepare:
            return bench.mask_weights
        mask = padded(bench.distinct_masks, MULTIPLE)
        width = mask.shape[-1]
        masks = [sheared(mask, self.step)]
        for _, _, halving in self._downward:
            masks.append(halving(masks[-1]))
        return tuple(place.mask_weights(masks[place.level], width >> place.level) for place in self._places())


def _doubled(features: Tensor, layer: nn.ConvTranspose2d) -> Tensor:
    """Features `(B, H, W, D)` at twice the size: a linear map makes four pixels of every one."""
    weight = layer.weight.permute(2, 3, 1, 0)
    patches = F.linear(features, weight.flatten(0, 2)).unflatten(-1, weight.shape[:3])
    result: Tensor = patches.movedim(3, 2).flatten(3, 4).flatten(1, 2) + layer.bias
    return result


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
