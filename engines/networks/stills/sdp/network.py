"""The Spectral Diffusion Prior (Yu, Wu, Huang, arXiv 2507.13769), plugged into a still network.

Published: a feature of the measurement guides a diffusion, whose result modulates the features of a reconstructing
network (MST and BiSRNet there); two stages of training. The layers, sizes, sites and schedule are not: those here are
ours, mst-bisrnet-sdp.md, 3.
"""

from collections.abc import Sequence
from typing import NamedTuple, overload

import torch
from torch import Tensor

from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.stills.bench import StillBench
from livecassi.engines.networks.stills.modulation import Modulation, Site
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.networks.stills.sdp.injector import Injectors, Sites
from livecassi.engines.networks.stills.sdp.prior import STARTS, USUAL, DiffusionPrior, PriorProvider, SDPSize

HOST = "host."  # before the names of the host's tensors


class Lesson(NamedTuple):
    """What a training looks at: cubes `(B, S, C, H, W)` of S stages, z_0 from the truth, and ẑ_0 by diffusion."""

    cubes: Tensor
    exact: Tensor
    predicted: Tensor


class SDPNetwork(StillNetwork):
    """A still network `host` and the prior that modulates it. Before it is trained it gives what the host gives.

    `sites` as `Sites` says: those of the host that are modulated. The names of the host's tensors begin with `host.`.
    """

    def __init__(self, host: StillNetwork, size: SDPSize = USUAL, sites: Sites | str = Sites.BLOCK) -> None:
        super().__init__(host.system, host.bands, host.step)
        self.host = host
        self.prior = DiffusionPrior(host.bands, size)
        self.injectors = Injectors(host.injection_sites(), size.dim, Sites(sites))

    def prepare(self, mask: Tensor, shifts_px: Sequence[float] | None = None, columns: int | None = None) -> StillBench:
        """As the host prepares it."""
        return self.host.prepare(mask, shifts_px, columns)

    def injection_sites(self) -> tuple[Site, ...]:
        """Those of the host."""
        return self.host.injection_sites()

    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        """Cubes `(B, C, H, W)` of measurements `(B, H, W')`. A modulation that is given replaces the prior's."""
        return self.host.estimate(measurement, bench, self._modulation(measurement, bench, modulation))

    def estimate_stages(
        self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None
    ) -> list[Tensor]:
        """The cubes of every stage of the host, all with the same vector."""
        return self.host.estimate_stages(measurement, bench, self._modulation(measurement, bench, modulation))

    def modulation(self, measurement: Tensor, bench: StillBench, provider: PriorProvider) -> Modulation:
        """How the host is modulated where `provider` tells of the scene, for measurements `(B, H, W')`."""
        return self._injected(provider.encode(bench.first_estimate(measurement), bench.masks(len(measurement))))

    def estimates(self, measurement: Tensor, bench: StillBench, starts: int) -> Tensor:
        """Cubes `(B, starts, C, H, W)` of measurements `(B, 1, H, W')`, one of each of so many starting noises.

        The first is what the network gives. Their spread says how far the prior is a guess. The encoder is run once,
        the host once for each. Raises `EngineMismatchError`.
        """
        if not 1 <= starts <= STARTS:
            raise EngineMismatchError(
                f"cubes of {starts} starting noises were asked for, {STARTS} are kept with the weights; choose 1 to "
                f"{STARTS}"
            )
        seen, prepared = self.checked(measurement, bench)
        vectors = self.prior.encode_from_starts(prepared.first_estimate(seen), starts)
        cubes = [self.host.estimate(seen, prepared, self._injected(vectors[:, start])) for start in range(starts)]
        return torch.stack(cubes, 1)

    @overload
    def forward(self, measurement: Tensor, bench: StillBench | Tensor, *, every_stage: bool = False) -> Tensor: ...

    @overload
    def forward(
        self, measurement: Tensor, bench: StillBench | Tensor, *, truth: Tensor, told: int, every_stage: bool = False
    ) -> Lesson: ...

    def forward(
        self,
        measurement: Tensor,
        bench: StillBench | Tensor,
        *,
        truth: Tensor | None = None,
        told: int = 0,
        every_stage: bool = False,
    ) -> Tensor | Lesson:
        """As every still network; with the `truth (B, C, H, W)` a `Lesson`, where `told` samples go on from z_0.

        In training the starts of a lesson are drawn from torch's present seed. They are noise alone: z_T of the forward
        process holds 5 % of z_0, which a network would learn to read, and which is not there at the end.
        Raises `EngineMismatchError`.
        """
        if truth is None:
            return super().forward(measurement, bench, every_stage=every_stage)
        seen, prepared = self.checked(measurement, bench)
        h0 = prepared.first_estimate(seen)
        starts = self.prior.starts[:1].expand(len(seen), -1)
        starts = torch.randn_like(starts) if self.training else starts
        predicted = self.prior.diffused(self.prior.measured(h0), starts)
        exact = self.prior.exactly(truth, h0)
        modulation = self._injected(torch.cat([exact[:told], predicted[told:].to(exact.dtype)]))
        cubes = self.host.estimate_stages(seen, prepared, modulation)
        return Lesson(torch.stack(cubes if every_stage else cubes[-1:], 1), exact, predicted)

    def _modulation(self, measurement: Tensor, bench: StillBench, given: Modulation | None) -> Modulation:
        return self.modulation(measurement, bench, self.prior) if given is None else given

    def _injected(self, vectors: Tensor) -> Modulation:
        found: Modulation = self.injectors(vectors)
        return found
