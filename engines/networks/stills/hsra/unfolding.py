"""HSRA-DUM: gradient steps on the data term and HSRA as the prior, in turn, as one network of several stages.

    X^{k+1} = Z^k − μ_k Aᵀ(A Z^k − Y)        Z^{k+1} = f_{k+1}(X^{k+1})

is published (source as in `network`), with a prior of its own for each stage; how μ is made is not. Ours: the residual
is divided by the diagonal of A Aᵀ, so that a step size means the same for every mask, μ_k comes from Z^k itself, and
each prior is told the last features of the one before (hsra.md, section 5).
"""

from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.calibration import System
from livecassi.engines.networks.stills.bench import StillBench
from livecassi.engines.networks.stills.hsra.layers import as_planes, pointwise
from livecassi.engines.networks.stills.hsra.network import MULTIPLE, Backbone, Fuse, HSRASize
from livecassi.engines.networks.stills.modulation import Modulation, Site
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.networks.stills.padding import padded
from livecassi.engines.protocol import STEP_PX

STAGE_SIZE = HSRASize(28, (3, 3, 4, 3, 2))
_HIDDEN = 32
_LEAST_DENSITY = 0.05
_SOFTPLUS_OF_ONE = 0.5413248546129181  # softplus of it is 1
_PLAIN_STEP = 1 / 14  # about 1 / the usual diagonal of A Aᵀ for 28 bands and half-open masks


class Precondition(StrEnum):
    """What the residual of a step is divided by: the diagonal of A Aᵀ, or nothing, as on the poster."""

    GAP = "gap"
    NONE = "none"


class HSRADUM(StillNetwork):
    """HSRA-DUM of so many stages; published are 3 and 4."""

    def __init__(
        self,
        system: System | str,
        bands: int,
        stages: int,
        precondition: Precondition = Precondition.GAP,
        step: int = STEP_PX,
        size: HSRASize = STAGE_SIZE,
    ) -> None:
        super().__init__(system, bands, step)
        self.fuse = Fuse(bands)
        self.stages = nn.ModuleList(
            _UnfoldedStage(bands, size, precondition, f"stage{index}.", told=index > 0) for index in range(stages)
        )
        self._sites = tuple(site for index in range(stages) for site in self._stage(index).prior.sites)

    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        """See `StillNetwork`."""
        return self.estimate_stages(measurement, bench, modulation)[-1]

    def estimate_stages(
        self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None
    ) -> list[Tensor]:
        """See `StillNetwork`."""
        masks = bench.distinct_masks
        first = bench.first_estimate(measurement)
        estimate = as_planes(self.fuse(first, masks), (len(first), *bench.size))
        beyond = padded(masks, MULTIPLE)
        features: Tensor | None = None
        estimates = []
        for index in range(len(self.stages)):
            estimate, features = self._stage(index)(estimate, measurement, bench, beyond, features, modulation)
            estimates.append(estimate)
        return estimates

    def injection_sites(self) -> tuple[Site, ...]:
        """See `StillNetwork`: `stage0.encoder1.0.mk_ptm` and so on, in the order of the pass."""
        return self._sites

    def _stage(self, index: int) -> "_UnfoldedStage":
        stage = self.stages[index]
        assert isinstance(stage, _UnfoldedStage)
        return stage


class _UnfoldedStage(nn.Module):
    """One step towards the measurement, and one of the prior, which is `told` what the one before saw last."""

    def __init__(self, bands: int, size: HSRASize, precondition: Precondition, place: str, *, told: bool) -> None:
        super().__init__()
        self.precondition = precondition
        self.step = StepSize(bands) if precondition is Precondition.GAP else nn.Parameter(torch.tensor(_PLAIN_STEP))
        self.prior = Backbone(bands, size, place=place)
        self.remember = pointwise(size.width, size.width) if told else None

    def forward(
        self,
        estimate: Tensor,
        measurement: Tensor,
        bench: StillBench,
        masks: Tensor,
        features: Tensor | None,
        modulation: Modulation | None,
    ) -> tuple[Tensor, Tensor]:
        """Estimates `(B, C, H, W)`, and `masks` and `features` as large as the prior needs them."""
        step = self.step(estimate) if isinstance(self.step, StepSize) else self.step
        closer = data_step(estimate, measurement, bench, step, self.precondition)
        memory = None if self.remember is None else self.remember(features)
        better, features = self.prior(padded(closer, MULTIPLE), masks, modulation, memory)
        return better[..., : bench.size[0], : bench.size[1]], features


class StepSize(nn.Module):
    """μ of each image from the means of its bands, > 0; 1 before anything is learnt."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(bands, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, estimate: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, 1, 1)`."""
        chosen: Tensor = self.out(F.gelu(self.hidden(estimate.mean((-2, -1)))))
        return -F.logsigmoid(-chosen - _SOFTPLUS_OF_ONE).unsqueeze(-1)  # softplus, which runtimes lack as torch has it


def data_step(
    estimate: Tensor, measurement: Tensor, bench: StillBench, step: Tensor, precondition: Precondition
) -> Tensor:
    """Z − μ Aᵀ((A Z − Y) / s), s the diagonal of A Aᵀ or 1.

    Z `(B, C, H, W)`, Y `(B, H, W')`; μ is one number or `(B, 1, 1)`. Columns at the edge that see hardly any light, and
    mostly noise, take a shorter step: s is at least 0.05, which is ours.
    """
    residual = bench.forward(estimate) - measurement
    if precondition is Precondition.GAP:
        residual = residual / bench.density.clamp(min=_LEAST_DENSITY)
    return estimate - bench.adjoint(step * residual)
