"""Where a prior may act inside a network: two vectors per site that multiply features and are added to them."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

Modulation = Mapping[str, tuple[Tensor, Tensor]]  # site to (γ, β), each `(B, channels)`


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a network with so many channels."""

    name: str
    channels: int


def modulated(features: Tensor, modulation: Modulation | None, site: str, *, channels_last: bool = False) -> Tensor:
    """F (1 + γ) + β at a site, features `(B, C, H, W)`, or `(B, H, W, C)`; as they are where it says nothing."""
    if modulation is None or site not in modulation:
        return features
    gain, offset = modulation[site]
    if channels_last:
        return features * (1 + gain[:, None, None]) + offset[:, None, None]
    return features * (1 + gain[..., None, None]) + offset[..., None, None]
