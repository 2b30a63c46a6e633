"""BiSRNet: a small U-Net whose weights and activations are signs."""

from livecassi.engines.networks.stills.bisrnet.network import BiSRNet

__all__ = ["BiSRNet"]
