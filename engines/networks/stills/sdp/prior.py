"""Where the vector comes from that tells a network about the scene: estimated from a measurement, or from the truth."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.sdp.diffusion import Denoiser, Schedule
from livecassi.engines.networks.stills.sdp.encoder import FeatureEncoder
from livecassi.engines.networks.stills.sdp.standard import Standardised

STARTS = 8  # starting noises that are kept with the weights
STARTS_SEED = 2507_13769


@dataclass(frozen=True, slots=True)
class SDPSize:
    """Of the encoders: `width` of features, `blocks` residual blocks; `dim` numbers of the vector."""

    width: int
    blocks: int
    dim: int


USUAL = SDPSize(64, 5, 256)  # 4.68 GMAC and 1.28 M at 256 x 256 x 28
LIGHT = SDPSize(32, 3, 128)  # 1.28 GMAC and 0.35 M: for a network that costs no more than that itself


class PriorProvider(Protocol):
    """What is known of a scene beforehand, as one vector."""

    @property
    def dim(self) -> int:
        """How many numbers it has."""
        ...

    def encode(self, h0: Tensor, mask: Tensor, /) -> Tensor:
        """Vectors `(B, D)` of first estimates H0 `(B, C, H, W)` and masks `(B, C, H, W)`."""
        ...


class DiffusionPrior(nn.Module):
    """The vector by diffusion: `measured` (HFE_y) looks at H0, the denoiser is told what it saw.

    `exact` (HFE_x) looks at the truth, too: what it says is to be predicted. It is there for training alone.
    `starts (8, D)` are the noises z_T to start from, drawn once from a fixed seed; the first is the usual one.
    """

    starts: Tensor

    def __init__(self, bands: int, size: SDPSize) -> None:
        super().__init__()
        self.dim, self.schedule = size.dim, Schedule()
        self.measured = FeatureEncoder(bands, size.width, size.blocks, size.dim)
        self.exact = FeatureEncoder(2 * bands, size.width, size.blocks, size.dim)
        self.standard = Standardised(size.dim)
        self.denoiser = Denoiser(size.dim)
        noise = np.random.default_rng(STARTS_SEED).standard_normal((STARTS, size.dim), np.float32)
        self.register_buffer("starts", torch.from_numpy(noise))

    def encode(self, h0: Tensor, _: Tensor, /) -> Tensor:
        """The vectors `(B, D)` of first estimates, from the first start. The mask is not looked at."""
        return self.diffused(self.measured(h0), self.starts[:1].expand(len(h0), -1))

    def encode_from_starts(self, h0: Tensor, count: int) -> Tensor:
        """As `encode`, from each of the first `count` starts: `(B, count, D)`; the encoder is run once."""
        condition = self.measured(h0)
        starts = self.starts[:count]
        vectors = self.diffused(condition.repeat_interleave(count, 0), starts.repeat(len(h0), 1))
        return vectors.reshape(len(h0), count, -1)

    def diffused(self, condition: Tensor, start: Tensor) -> Tensor:
        """ẑ_0 `(B, D)` of conditions c and starts z_T, both `(B, D)`."""
        return self.schedule.reverse(lambda time, state: self.denoiser(condition, time, state), start)

    def exactly(self, truth: Tensor, h0: Tensor) -> Tensor:
        """z_0 `(B, D)`: what is to be predicted, of the truth and the first estimate, both `(B, C, H, W)`.

        Each number has mean 0 and variance 1 over scenes, and so have all of a scene together, as the noise (ours).
        """
        return F.layer_norm(self.standard(self.exact(torch.cat([truth, h0], 1))), (self.dim,))


@dataclass(frozen=True, slots=True)
class Oracle:
    """A prior that knows the `truth (B, C, H, W)`: how good a prediction can become at best."""

    prior: DiffusionPrior
    truth: Tensor

    @property
    def dim(self) -> int:
        """How many numbers its vector has."""
        return self.prior.dim

    def encode(self, h0: Tensor, _: Tensor, /) -> Tensor:
        """z_0 `(B, D)`; see `PriorProvider`."""
        return self.prior.exactly(self.truth, h0)
