"""What a still network costs in multiply-adds (MAC), counted by torch as it computes: convolutions and matrix products.

Papers of this family print "GFLOPs" that are multiply-adds, some in units of 2³⁰ (`GIB`), some of 10⁹ (`GIGA`).
"""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.networks.stills.shortened import as_published

GIB = 2**30
GIGA = 10**9


def count_macs(network: StillNetwork, height: int, width: int) -> int:
    """Multiply-adds for one measurement of a scene `(height, width)`, with what is added to reach multiples.

    Nothing is computed: the copy that is counted has shapes and no numbers. What the network derives from the mask is
    counted, too, as published figures do.
    """
    counted = as_published(network).to("meta")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        bench = counted.prepare(torch.empty(network.bands, height, width, device="meta"))
        measurement = torch.empty(1, 1, height, bench.columns, device="meta")
        with counter:
            counted(measurement, bench)
    return counter.get_total_flops() // 2
