"""The two blocks of HSRA: layers with a LayerNorm before and a residual around each."""

from dataclasses import dataclass

from torch import Tensor, nn

from livecassi.engines.networks.stills.hsra.hm_ssa import WindowAttention
from livecassi.engines.networks.stills.hsra.layers import FeedForward, Shape
from livecassi.engines.networks.stills.hsra.lwim import LatentWindows
from livecassi.engines.networks.stills.hsra.mk_ptm import MultiKernelMixing
from livecassi.engines.networks.stills.modulation import Modulation, Site, modulated


@dataclass(frozen=True, slots=True)
class HSRAAblation:
    """What the published ablations leave out; the usual values are the whole network."""

    ratio: float = 1.0  # of channels that MK-PTM mixes
    kernels: tuple[int, ...] = (3, 9)  # of MK-PTM; published as 3 x 3 only is (3, 3), by its cost
    latent: bool = True  # LWIM
    wide: bool = True  # attention in windows of 16 x 16


class Block(nn.Module):
    """x += layer(LN(x)) for each of its layers in turn. A prior may act after each LayerNorm, at a site of its own."""

    def __init__(self, place: str, width: int, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.sites = tuple(Site(f"{place}.{name}", width) for name in layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in layers)
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor, shape: Shape, modulation: Modulation | None) -> Tensor:
        """Features to as many."""
        for site, norm, layer in zip(self.sites, self.norms, self.layers.values(), strict=True):
            normed = norm(x)
            if modulation is not None:
                pictures = normed.unflatten(0, shape)
                normed = modulated(pictures, modulation, site.name, channels_last=True).flatten(0, 2)
            x = x + layer(normed, shape)
        return x


class Stage(nn.Module):
    """Blocks in a row, every other one with shifted windows."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.sites = tuple(site for block in blocks for site in block.sites)

    def forward(self, x: Tensor, shape: Shape, modulation: Modulation | None) -> Tensor:
        """Features to as many."""
        for block in self.blocks:
            x = block(x, shape, modulation)
        return x


def local_stage(place: str, width: int, count: int, ablation: HSRAAblation) -> Stage:
    """Blocks of MK-PTM, LWIM and a feed-forward layer: the first stage of the encoder."""

    def block(index: int) -> Block:
        layers: dict[str, nn.Module] = {"mk_ptm": MultiKernelMixing(width, ablation.kernels, ablation.ratio)}
        if ablation.latent:
            layers["lwim"] = LatentWindows(width, shifted=index % 2 == 1)
        return Block(f"{place}.{index}", width, {**layers, "ffn": FeedForward(width)})

    return Stage([block(index) for index in range(count)])


def global_stage(place: str, width: int, count: int, ablation: HSRAAblation) -> Stage:
    """Blocks of HM-SSA and a feed-forward layer: every other stage."""

    def block(index: int) -> Block:
        attention = WindowAttention(width, shifted=index % 2 == 1, wide=ablation.wide)
        return Block(f"{place}.{index}", width, {"hm_ssa": attention, "ffn": FeedForward(width)})

    return Stage([block(index) for index in range(count)])
