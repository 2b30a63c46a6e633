"""Diffusion of one short vector in a few fixed steps, which predict the vector itself.

    z_t = √ᾱ_t z_0 + √(1 - ᾱ_t) ε                                    the forward process, t = 1..T
    z_{t-1} = c1_t ẑ_0 + c2_t z_t,    ẑ_0 = f(c, t, z_t)             the reverse process, the posterior's mean alone

with β_t = linspace(√0.1, √0.99, T)², as published for DiffIR; that SDP takes the same is not published, T = 4 is ours.
Nothing is drawn between steps, so that a start always leads to the same vector.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod, sqrt

import torch
from torch import Tensor, nn

from livecassi.engines.networks.stills.sdp.encoder import SLOPE, begin_evenly

FIRST_BETA, LAST_BETA = 0.1, 0.99
HIDDEN = 4  # layers of the denoiser after its first

Denoise = Callable[[Tensor, Tensor], Tensor]  # (t / 10 T (B, 1), z_t) to ẑ_0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much noise each of `steps` T adds. Steps are counted from 1."""

    steps: int = 4

    @property
    def betas(self) -> tuple[float, ...]:
        """β_1..β_T."""
        first, last = sqrt(FIRST_BETA), sqrt(LAST_BETA)
        apart = (last - first) / max(self.steps - 1, 1)
        return tuple((first + apart * step) ** 2 for step in range(self.steps))

    def left(self, step: int) -> float:
        """ᾱ_t, the share of z_0 in the variance of z_t; 1 at t = 0."""
        return prod([1 - beta for beta in self.betas[:step]])

    def posterior(self, step: int) -> tuple[float, float]:
        """c1 and c2 of a step: what ẑ_0 and z_t are multiplied by to give z_{t-1}."""
        beta, before, here = self.betas[step - 1], self.left(step - 1), self.left(step)
        return beta * sqrt(before) / (1 - here), (1 - before) * sqrt(1 - beta) / (1 - here)

    def noised(self, exact: Tensor, step: int, noise: Tensor) -> Tensor:
        """z_t of vectors z_0 `(B, D)` and noise of variance 1."""
        here = self.left(step)
        return sqrt(here) * exact + sqrt(1 - here) * noise

    def reverse(self, denoise: Denoise, start: Tensor) -> Tensor:
        """ẑ_0 `(B, D)` from z_T: every step asks `denoise` once; the last one returns what it says."""
        state = found = start
        for step in range(self.steps, 0, -1):
            found = denoise(start.new_full((start.shape[0], 1), step / (10 * self.steps)), state)
            if step > 1:
                exact_share, state_share = self.posterior(step)
                state = exact_share * found + state_share * state
        return found


class Denoiser(nn.Module):
    """f: one linear layer and four more, between vectors of `dim` numbers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(2 * dim + 1, dim)]
        for _ in range(HIDDEN):
            layers += [nn.LeakyReLU(SLOPE), nn.Linear(dim, dim)]
        self.layers = nn.Sequential(*layers)
        begin_evenly(self)

    def forward(self, condition: Tensor, time: Tensor, state: Tensor) -> Tensor:
        """ẑ_0 `(B, D)` of conditions c `(B, D)`, the time `(B, 1)` and z_t `(B, D)`."""
        found: Tensor = self.layers(torch.cat([condition, time, state], 1))
        return found
