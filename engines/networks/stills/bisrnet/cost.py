"""What BiSRNet costs as published: 64 binary multiply-adds count as one, 32 binary weights as one value.

Source of the rule: mst-bisrnet-sdp.md, section 6. The published 1.18 "GFLOPs" and 0.036 M are GMAC and values.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from livecassi.calibration import System
from livecassi.engines.networks.stills.bisrnet.network import BiSRNet
from livecassi.engines.networks.stills.bisrnet.units import BinaryConvolution

MACS_PER_OPERATION = 64  # one XNOR and one population count on a word of 64 bits
WEIGHTS_PER_VALUE = 32  # bits of a float


@dataclass(frozen=True, slots=True)
class BinaryCost:
    """Multiply-adds (MAC) of the convolutions for one cube, and weights of the network; binary ones apart.

    `companion_weights` are what stands between the binary convolutions: scales, offsets, slopes, LayerNorms.
    """

    binary_macs: int
    float_macs: int
    binary_weights: int
    companion_weights: int
    float_weights: int

    @property
    def macs(self) -> int:
        """Where signs are computed with as floats."""
        return self.binary_macs + self.float_macs

    @property
    def weights(self) -> int:
        """Where signs are kept as floats."""
        return self.binary_weights + self.companion_weights + self.float_weights

    @property
    def packed_weights(self) -> float:
        """Where every sign is kept as a bit, in values of 32 bits."""
        return self.binary_weights / WEIGHTS_PER_VALUE + self.companion_weights + self.float_weights

    @property
    def published_macs(self) -> float:
        """As published, for a machine that multiplies 64 signs at once."""
        return self.binary_macs / MACS_PER_OPERATION + self.float_macs

    @property
    def published_weights(self) -> float:
        """As published: the figure is met where the companions are taken for bits, too."""
        return (self.binary_weights + self.companion_weights) / WEIGHTS_PER_VALUE + self.float_weights


def count_binary(bands: int, height: int, width: int) -> BinaryCost:
    """The cost of a BiSRNet of so many bands for a scene `(height, width)`, with what is added to reach multiples."""
    macs = {True: 0, False: 0}

    def add(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        macs[isinstance(layer, BinaryConvolution)] += output.numel() * layer.weight[0].numel()

    with torch.device("meta"), torch.enable_grad():  # shapes alone, and as in training every layer at once
        network = BiSRNet(System.SD_CASSI, bands)
        convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        for layer in convolutions:
            layer.register_forward_hook(add)
        network(torch.empty(1, 1, height, width + network.largest_shift), torch.empty(height, width))
    binary = sum(layer.weight.numel() for layer in convolutions if isinstance(layer, BinaryConvolution))
    body, values = (sum(parameter.numel() for parameter in part.parameters()) for part in (network.body, network))
    return BinaryCost(macs[True], macs[False], binary, body - binary, values - body)
