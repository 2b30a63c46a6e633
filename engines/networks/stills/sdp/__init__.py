"""The Spectral Diffusion Prior (SDP), which plugs into every still network."""

from livecassi.engines.networks.stills.sdp.injector import Sites
from livecassi.engines.networks.stills.sdp.network import HOST, Lesson, SDPNetwork
from livecassi.engines.networks.stills.sdp.prior import LIGHT, USUAL, DiffusionPrior, Oracle, PriorProvider, SDPSize

__all__ = [
    "HOST",
    "LIGHT",
    "USUAL",
    "DiffusionPrior",
    "Lesson",
    "Oracle",
    "PriorProvider",
    "SDPNetwork",
    "SDPSize",
    "Sites",
]
