"""What each network of the family costs, beside what was published of it."""

from dataclasses import dataclass, replace

import torch

from livecassi.calibration import System
from livecassi.engines.networks.registry import find_network
from livecassi.engines.networks.stills.bisrnet import BiSRNet
from livecassi.engines.networks.stills.bisrnet.cost import count_binary
from livecassi.engines.networks.stills.cost import count_macs
from livecassi.engines.networks.stills.network import StillNetwork

PUBLISHED_SIZE = (256, 256)
# Printed as "GFLOPs" at 256 x 256: those of HSRA fit 2^30 multiply-adds, others 10^9 (published-numbers.md, section 1).
PUBLISHED = {
    "hsra-s": 9.01, "hsra-m": 13.05, "hsra-l": 27.34, "hsra-dum-3": 37.39, "hsra-dum-4": 49.82,
    "mst-s": 12.96, "mst-m": 18.07, "mst-l": 28.15, "bisrnet": 1.18,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs at a size: parameters, and multiply-adds of convolutions and matrix products.

    `binary_parameters` and `binary_macs` as binarised networks are counted: what is binary for a 32nd and a 64th.
    `published` is the printed figure at 256 x 256.
    """

    network: str
    height: int
    width: int
    parameters: int
    macs: int
    published: float | None
    binary_parameters: float | None = None
    binary_macs: float | None = None


def cost_of(name: str, size: tuple[int, int] = PUBLISHED_SIZE) -> Cost:
    """The cost of a network for SD-CASSI, counted without computing. Raises `EngineUnavailableError`: no such one."""
    with torch.device("meta"):
        network = find_network(name).build(System.SD_CASSI)
    assert isinstance(network, StillNetwork)
    parameters = sum(values.numel() for values in network.parameters())
    cost = Cost(name, *size, parameters, count_macs(network, *size), PUBLISHED.get(name))
    if not isinstance(network, BiSRNet):
        return cost
    binary = count_binary(network.bands, *size)
    return replace(cost, binary_parameters=binary.published_weights, binary_macs=binary.published_macs)
