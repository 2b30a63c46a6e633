"""HSRA and HSRA-DUM, re-implemented from their published description; `network` and `unfolding` tell the source."""

from livecassi.engines.networks.stills.hsra.blocks import HSRAAblation
from livecassi.engines.networks.stills.hsra.network import HSRA, HSRA_L, HSRA_M, HSRA_S, HSRASize
from livecassi.engines.networks.stills.hsra.unfolding import HSRADUM, Precondition, data_step

__all__ = ["HSRA", "HSRADUM", "HSRA_L", "HSRA_M", "HSRA_S", "HSRAAblation", "HSRASize", "Precondition", "data_step"]
