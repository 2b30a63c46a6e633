"""MST: a U-Net whose attention is over bands and is guided by the mask. Its three published sizes."""

from livecassi.engines.networks.stills.mst.network import MST, MST_L, MST_M, MST_S, MaskedBench

__all__ = ["MST", "MST_L", "MST_M", "MST_S", "MaskedBench"]
