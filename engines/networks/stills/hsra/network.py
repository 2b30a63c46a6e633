"""HSRA, the Hierarchical Scale-Reconciling Architecture, re-implemented from its published description.

Source: "Bridging Local-Global Dissonance: Learning from Compressive Measurements for Hyperspectral Reconstruction"
(X.-H. Han, ICML 2026, poster). Published are the encoder and decoder in stages, which layers stand where, and what each
size and ablation costs; equations are not, and neither are weights. What is between is ours (hsra.md, section 4) and
keeps to those costs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.calibration import System
from livecassi.engines.networks.stills.bench import StillBench
from livecassi.engines.networks.stills.hsra.blocks import HSRAAblation, Stage, global_stage, local_stage
from livecassi.engines.networks.stills.hsra.layers import Down, Up, as_features, as_planes, depthwise, pointwise
from livecassi.engines.networks.stills.modulation import Modulation, Site
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.networks.stills.padding import padded
from livecassi.engines.protocol import STEP_PX

MULTIPLE = 64  # of both sides: windows of 16 at a quarter of the size


@dataclass(frozen=True, slots=True)
class HSRASize:
    """The base width C and how many blocks each stage has, from the first of the encoder to the last of the decoder."""

    width: int
    blocks: tuple[int, int, int, int, int]


HSRA_S = HSRASize(28, (3, 2, 2, 2, 1))
HSRA_M = HSRASize(28, (4, 3, 4, 3, 2))
HSRA_L = HSRASize(40, (6, 3, 4, 3, 3))
WHOLE = HSRAAblation()


class Backbone(nn.Module):
    """From an estimate and the masks to a better estimate: encoder, bottleneck and decoder at three scales.

    `place` is put before the names of its sites.
    """

    def __init__(self, bands: int, size: HSRASize, ablation: HSRAAblation = WHOLE, place: str = "") -> None:
        super().__init__()
        width = size.width
        first, second, middle, second_last, last = size.blocks
        self.fuse = Fuse(bands)
        self.embed = nn.Conv2d(bands, width, 3, padding=1)
        self.gate = MaskGate(bands, width)
        self.encoder1 = local_stage(f"{place}encoder1", width, first, ablation)
        self.down1 = Down(width)
        self.encoder2 = global_stage(f"{place}encoder2", 2 * width, second, ablation)
        self.down2 = Down(2 * width)
        self.bottleneck = global_stage(f"{place}bottleneck", 4 * width, middle, ablation)
        self.up2 = Up(2 * width)
        self.decoder2 = global_stage(f"{place}decoder2", 2 * width, second_last, ablation)
        self.up1 = Up(width)
        self.decoder1 = global_stage(f"{place}decoder1", width, last, ablation)
        self.leave = nn.Conv2d(width, bands, 3, padding=1)
        nn.init.trunc_normal_(self.leave.weight, std=0.005)  # it starts near what it was given

    @property
    def sites(self) -> tuple[Site, ...]:
        """After every LayerNorm."""
        stages: tuple[Stage, ...] = (self.encoder1, self.encoder2, self.bottleneck, self.decoder2, self.decoder1)
        return tuple(site for stage in stages for site in stage.sites)

    def forward(
        self, estimate: Tensor, masks: Tensor, modulation: Modulation | None, memory: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Estimate `(B, C, H, W)` and masks `(B or 1, C, H, W)` to the better estimate and the last features.

        H and W are multiples of 64. Features are `(pixels, width)`; `memory` is added to the first ones.
        """
        samples, height, width = shape = (len(estimate), *estimate.shape[2:])
        by_2, by_4 = (samples, height // 2, width // 2), (samples, height // 4, width // 4)
        start = self.fuse(estimate, masks)
        x = self.gate(as_features(self.embed(as_planes(start, shape))), masks)
        if memory is not None:
            x = x + memory
        full = self.encoder1(x, shape, modulation)
        half = self.encoder2(self.down1(full, shape), by_2, modulation)
        quarter = self.bottleneck(self.down2(half, by_2), by_4, modulation)
        half = self.decoder2(self.up2(quarter, by_4, half), by_2, modulation)
        full = self.decoder1(self.up1(half, by_2, full), shape, modulation)
        better = start + as_features(self.leave(as_planes(full, shape)))
        return as_planes(better, shape), full


class Fuse(nn.Module):
    """`conv1x1(cat(estimate, masks))`, which starts as the estimate itself."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.of_both = pointwise(2 * bands, bands)
        with torch.no_grad():
            self.of_both.weight[:, :bands] += torch.eye(bands)

    def forward(self, estimate: Tensor, masks: Tensor) -> Tensor:
        """`(B, C, H, W)` and `(B or 1, C, H, W)` to features `(pixels, C)`."""
        of_estimate, of_masks = self.of_both.weight.split(estimate.shape[1], 1)
        told = F.linear(as_features(masks), of_masks, self.of_both.bias)  # of a bench alone
        return F.linear(as_features(estimate), of_estimate) + for_each(told, len(estimate) // len(masks))


class MaskGate(nn.Module):
    """Features times 1 + sigmoid(DW5x5(conv1x1(masks)))."""

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        self.enter = pointwise(bands, width)
        self.spread = nn.Conv2d(width, width, 5, padding=2, groups=width)

    def forward(self, x: Tensor, masks: Tensor) -> Tensor:
        """Features `(pixels, width)` and masks `(B or 1, C, H, W)` to features."""
        shape = (len(masks), *masks.shape[2:])
        told = depthwise(self.enter(as_features(masks)), shape, self.spread.weight, self.spread.bias)
        return x * for_each(1 + torch.sigmoid(told), len(x) // len(told))


def for_each(features: Tensor, samples: int) -> Tensor:
    """What all samples share, for each of them."""
    return features if samples == 1 else features.repeat(samples, 1)


class HSRA(StillNetwork):
    """HSRA for one frame, of one of the sizes S, M and L."""

    def __init__(
        self, system: System | str, bands: int, size: HSRASize, step: int = STEP_PX, ablation: HSRAAblation = WHOLE
    ) -> None:
        super().__init__(system, bands, step)
        self.backbone = Backbone(bands, size, ablation)

    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        """See `StillNetwork`."""
        height, width = bench.size
        first = padded(bench.first_estimate(measurement), MULTIPLE)
        better: Tensor = self.backbone(first, padded(bench.distinct_masks, MULTIPLE), modulation)[0]
        return better[..., :height, :width]

    def injection_sites(self) -> tuple[Site, ...]:
        """See `StillNetwork`: `encoder1.0.mk_ptm` and so on, in the order of the pass."""
        return self.backbone.sites
