"""A still network so small that it learns in milliseconds, with sites for a prior and two stages."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from livecassi.calibration import System
from livecassi.engines.networks.stills.bench import StillBench
from livecassi.engines.networks.stills.modulation import Modulation, Site, modulated
from livecassi.engines.networks.stills.network import StillNetwork

WIDTHS = {"in": 6, "middle.0": 12, "middle.1": 12, "out": 6}


class TinyStill(StillNetwork):
    """A first estimate, and what convolutions make of it; a second stage corrects the first."""

    def __init__(self, system: System | str = System.SD_CASSI, bands: int = 5, step: int = 2) -> None:
        super().__init__(system, bands, step)
        widths = [2 * bands, *WIDTHS.values(), bands]
        self.layers = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1) for pair in pairwise(widths))
        self.second = nn.Conv2d(bands, bands, 1)

    def injection_sites(self) -> tuple[Site, ...]:
        return tuple(Site(name, channels) for name, channels in WIDTHS.items())

    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        return self.estimate_stages(measurement, bench, modulation)[-1]

    def estimate_stages(
        self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None
    ) -> list[Tensor]:
        start = bench.first_estimate(measurement)
        features = torch.cat([start, bench.masks(len(measurement))], 1)
        for layer, site in zip(self.layers, WIDTHS, strict=False):
            features = torch.nn.functional.gelu(modulated(layer(features), modulation, site))
        first = start + self.layers[-1](features)
        return [first, first + self.second(first)]
