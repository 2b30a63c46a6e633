"""BiSRNet: from a coded frame of a single disperser to a cube, by binary convolutions.

"Binarized Spectral Compressive Imaging", NeurIPS 2023; the facts are in mst-bisrnet-sdp.md, section 6. Parameter names
are those of the authors' state dict, which loads unchanged. Here signs are computed with as floats: the network is
small in memory, not faster than others.
"""

from typing import cast

import torch
from torch import Tensor, nn

from livecassi.calibration import System
from livecassi.engines.networks.stills.bench import StillBench
from livecassi.engines.networks.stills.bisrnet.units import (
    ROWS,
    BinaryUnit,
    Decrease,
    Down,
    Increase,
    RPReLU,
    Striped,
    Up,
)
from livecassi.engines.networks.stills.modulation import Modulation, Site, modulated
from livecassi.engines.networks.stills.network import StillNetwork, refuse_dual_dispersers
from livecassi.engines.networks.stills.padding import padded
from livecassi.engines.networks.stills.shortened import Shortened
from livecassi.engines.networks.stills.strips import Beyond, in_strips, without_beside
from livecassi.engines.protocol import STEP_PX

LEVELS = 2  # halvings
MULTIPLE = 8  # of both sides inside, as the authors pad


class FeedForward(Striped):
    """Channels twice doubled, mixed in space within groups of four, and twice halved again: all by signs."""

    def __init__(self, width: int) -> None:
        super().__init__(3)
        self.net = nn.Sequential(
            Increase(width, 1),
            Increase(2 * width, 1),
            RPReLU(4 * width),
            BinaryUnit(4 * width, 3, groups=width),
            RPReLU(4 * width),
            Decrease(2 * width, 1),
            Decrease(width, 1),
        )

    def rows(self, x: Tensor, beyond: Beyond) -> Tensor:
        """`(B, C, H, W)` to the same shape."""
        for layer in self.net:
            x = layer.rows(x, beyond) if isinstance(layer, Striped) else layer(x)
        return x


class NormedFeedForward(Shortened):
    """A LayerNorm over channels, where a prior may act, and `FeedForward`."""

    def __init__(self, width: int, site: str) -> None:
        super().__init__()
        self.site = site
        self.fn = FeedForward(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, modulation: Modulation | None) -> Tensor:
        """x and what is added to it, `(B, C, H, W)`."""

        def refined(x: Tensor, beyond: Beyond) -> Tensor:
            normed = modulated(self.norm(x.movedim(1, -1)).movedim(-1, 1), modulation, self.site)
            return self.fn.rows(normed.contiguous(), beyond) + without_beside(x, beyond, ROWS)

        return in_strips(refined, x, 1, ROWS, whole=self.literal)


class Block(nn.Module):
    """One feed-forward part, added to what comes in."""

    def __init__(self, width: int, place: str) -> None:
        super().__init__()
        self.site = Site(f"{place}.feed_forward", width)
        self.blocks = nn.ModuleList([NormedFeedForward(width, self.site.name)])

    def forward(self, x: Tensor, modulation: Modulation | None) -> Tensor:
        """`(B, C, H, W)` to the same shape."""
        for block in self.blocks:
            x = block(x, modulation)
        return x


class UNet(nn.Module):
    """The body, all of it binary; added to what comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = BinaryUnit(width, 3)
        self.encoder_layers = nn.ModuleList(
            nn.ModuleList([Block(width << level, f"encoder.{level}"), Down(width << level)]) for level in range(LEVELS)
        )
        self.bottleneck = Block(width << LEVELS, f"bottleneck.{LEVELS}")
        self.decoder_layers = nn.ModuleList(
            nn.ModuleList([Up(width << level), Decrease(width << level, 1), Block(width << level, f"decoder.{level}")])
            for level in reversed(range(LEVELS))
        )
        self.mapping = BinaryUnit(width, 3)

    @property
    def sites(self) -> tuple[Site, ...]:
        """One in each block, after its LayerNorm, in the order in which features pass."""
        return tuple(block.site for block in self.modules() if isinstance(block, Block))

    def forward(self, x: Tensor, modulation: Modulation | None) -> Tensor:
        """`(B, C, H, W)` to the same shape; both sides are multiples of four."""
        features = self.embedding(x)
        kept: list[Tensor] = []
        for block, down in cast("list[tuple[Block, Down]]", list(self.encoder_layers)):
            kept.append(block(features, modulation))
            features = down(kept[-1])
        features = self.bottleneck(features, modulation)
        for up, fusion, block in cast("list[tuple[Up, Decrease, Block]]", list(self.decoder_layers)):
            features = block(fusion(torch.cat((up(features), kept.pop()), 1)), modulation)
        body: Tensor = self.mapping(features) + x
        return body


class BiSRNet(StillNetwork):
    """The network; bands are 2 px apart. Raises `EngineMismatchError` for a dual disperser.

    Signs turn at the smallest rounding, and the layers at both ends and the LayerNorms do round: results of another
    runtime, type or number of threads look the same and differ by about 1 % of full scale (rms).
    """

    def __init__(self, system: System | str, bands: int) -> None:
        super().__init__(system, bands, STEP_PX)
        refuse_dual_dispersers(self)
        self.conv_in = nn.Conv2d(bands, bands, 3, padding=1, bias=False)
        self.fution = nn.Conv2d(2 * bands, bands, 1)  # the authors' spelling
        self.body = nn.ModuleList([UNet(bands)])
        self.conv_out = nn.Conv2d(bands, bands, 3, padding=1, bias=False)

    def injection_sites(self) -> tuple[Site, ...]:
        """One in each block."""
        return tuple(site for unet in self.body if isinstance(unet, UNet) for site in unet.sites)

    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        """Cubes `(B, C, H, W)` of measurements `(B, H, W')`."""
        mask = bench.masks(len(measurement))
        x = self.conv_in(padded(self.fution(torch.cat((bench.first_estimate(measurement), mask), 1)), MULTIPLE))
        features = x
        for unet in self.body:
            features = unet(features, modulation)
        height, width = bench.size
        cube: Tensor = self.conv_out(features) + x
        return cube[..., :height, :width].contiguous()
