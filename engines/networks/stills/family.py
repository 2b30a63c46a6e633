"""The family of still networks by name: what each is, and how it is built with random weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livecassi.calibration import System

if TYPE_CHECKING:
    from livecassi.engines.networks.stills.network import StillNetwork

WITH_PRIOR = "+sdp"
SINGLE_BANDS = 28  # 453.5 to 648 nm, those of the published SD-CASSI protocol
DUAL_BANDS = 30  # 410 to 700 nm in steps of 10 nm: ours, nothing is published for a dual disperser
SINGLE = frozenset({System.SD_CASSI})
BOTH = frozenset({System.SD_CASSI, System.DD_CASSI})


@dataclass(frozen=True, slots=True)
class Member:
    """A still network: `build(system, bands)` makes it, importing torch only then."""

    name: str
    title: str
    systems: frozenset[System]
    published: bool  # whether its authors offer weights
    build: "Callable[[System, int], StillNetwork]"

    @property
    def with_prior(self) -> bool:
        """Whether the Spectral Diffusion Prior is plugged in."""
        return self.name.endswith(WITH_PRIOR)

    @property
    def host(self) -> str:
        """The network that a prior is plugged into; of one without prior its own name."""
        return self.name.removesuffix(WITH_PRIOR)


def still_family() -> dict[str, Member]:
    """Every still network by name, each host followed by itself with the prior."""
    hosts = [
        *(Member(f"hsra-{size}", _hsra_title(size), BOTH, False, _hsra(size)) for size in "sml"),
        *(Member(f"hsra-dum-{stages}", _dum_title(stages), BOTH, False, _hsra_dum(stages)) for stages in (3, 4)),
        *(
            Member(f"mst-{size}", f"MST-{size.upper()} (the authors' architecture)", SINGLE, True, _mst(size))
            for size in "sml"
        ),
        Member("bisrnet", "BiSRNet (binarised, small in memory)", SINGLE, True, _bisrnet),
    ]
    members = [member for host in hosts for member in (host, _with_prior(host))]
    return {member.name: member for member in members}


def _hsra_title(size: str) -> str:
    return f"HSRA-{size.upper()} (re-implementation from the published description)"


def _dum_title(stages: int) -> str:
    return f"HSRA-DUM, {stages} stages (re-implementation from the published description)"


def _with_prior(host: Member) -> Member:
    def build(system: System, bands: int) -> "StillNetwork":
        from livecassi.engines.networks.stills.sdp import LIGHT, USUAL, SDPNetwork

        return SDPNetwork(host.build(system, bands), LIGHT if host.name == "bisrnet" else USUAL)

    title = f"{host.title.partition(' (')[0]} with the Spectral Diffusion Prior (re-implementation)"
    return Member(f"{host.name}{WITH_PRIOR}", title, host.systems, False, build)


def _hsra(size: str) -> "Callable[[System, int], StillNetwork]":
    def build(system: System, bands: int) -> "StillNetwork":
        from livecassi.engines.networks.stills.hsra import HSRA, HSRA_L, HSRA_M, HSRA_S

        return HSRA(system, bands, {"s": HSRA_S, "m": HSRA_M, "l": HSRA_L}[size])

    return build


def _hsra_dum(stages: int) -> "Callable[[System, int], StillNetwork]":
    def build(system: System, bands: int) -> "StillNetwork":
        from livecassi.engines.networks.stills.hsra import HSRADUM

        return HSRADUM(system, bands, stages)

    return build


def _mst(size: str) -> "Callable[[System, int], StillNetwork]":
    def build(system: System, bands: int) -> "StillNetwork":
        from livecassi.engines.networks.stills.mst import MST, MST_L, MST_M, MST_S

        return MST(system, bands, {"s": MST_S, "m": MST_M, "l": MST_L}[size])

    return build


def _bisrnet(system: System, bands: int) -> "StillNetwork":
    from livecassi.engines.networks.stills.bisrnet import BiSRNet

    return BiSRNet(system, bands)
