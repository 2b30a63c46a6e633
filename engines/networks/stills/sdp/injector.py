"""The SPIM of SDP: one vector becomes two per site of a network, which multiply its features and are added to them.

Published: F' = γ ⊙ F + β. Ours: F (1 + γ) + β with a linear layer that begins at zero, so that a prior that has
learned nothing yet leaves a network exactly as it is; and the sites, which are not published.
"""

from enum import StrEnum

from torch import Tensor, nn

from livecassi.engines.networks.stills.modulation import Modulation, Site


class Sites(StrEnum):
    """Which sites of a network are used: all in every block, the first of each scale, or those with most channels."""

    BLOCK = "block"
    STAGE = "stage"
    BOTTLENECK = "bottleneck"


def chosen_sites(sites: tuple[Site, ...], which: Sites) -> tuple[Site, ...]:
    """The sites that are used, in the network's order, in which a scale begins where the number of channels changes."""
    if which is Sites.STAGE:
        before = (0, *(site.channels for site in sites))
        return tuple(site for site, channels in zip(sites, before, strict=False) if site.channels != channels)
    if which is Sites.BOTTLENECK:
        most = max((site.channels for site in sites), default=0)
        return tuple(site for site in sites if site.channels == most)
    return sites


class Injectors(nn.Module):
    """A linear layer per site, from vectors of `dim` numbers to γ and β of its channels, at zero in the beginning.

    The sites that are not `which` are left out, and the network's features there are as they were.
    """

    def __init__(self, sites: tuple[Site, ...], dim: int, which: Sites) -> None:
        super().__init__()
        used = chosen_sites(sites, which)
        self.linear = nn.ModuleDict({_key(site.name): nn.Linear(dim, 2 * site.channels, bias=False) for site in used})
        for linear in self.linear.values():
            nn.init.zeros_(linear.weight)  # type: ignore[arg-type]  # torch types modules' attributes so
        self._names = tuple(site.name for site in used)

    def forward(self, vectors: Tensor) -> Modulation:
        """γ and β `(B, channels)` of every site that is used, of vectors `(B, D)`."""
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for name in self._names:
            gain, offset = self.linear[_key(name)](vectors).chunk(2, 1)
            found[name] = gain, offset
        return found


def _key(site: str) -> str:
    """A site's name as it may stand in the names of tensors, and in the code that an export writes."""
    return f"at_{site.replace('.', '_')}"
