"""The networks that weights can be loaded into, one line each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError
from livecassi.engines.networks.stills.family import DUAL_BANDS, SINGLE_BANDS, Member, still_family
from livecassi.engines.protocol import STEP_PX

if TYPE_CHECKING:
    from torch.nn import Module


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a network is: the `frames` of one pass, `bands` of its cube, `step_px` columns of shift per band.

    `build(system)` gives the network with random weights. Behind a dual disperser its cubes have `dual_bands`, where
    these are others. Scenes have at least `smallest_side` rows and columns. `follows_shifts`: it is told the calibrated
    shift of each band, whole or not, where others shift back by whole steps. `published`: its authors offer weights.
    `with_prior`: it has a prior that begins with noise.
    """

    name: str
    title: str
    frames: int
    bands: int
    step_px: int
    systems: frozenset[System]
    build: "Callable[[System], Module]"
    smallest_side: int = 1
    dual_bands: int | None = None
    follows_shifts: bool = False
    published: bool = True
    with_prior: bool = False

    def bands_for(self, system: System) -> int:
        """How many bands its cubes of a system have."""
        return self.bands if system.single_disperser or self.dual_bands is None else self.dual_bands

    def check_system(self, system: System | str) -> System:
        """The system by its name. Raises `EngineMismatchError` where this network is not made for it."""
        made_for = ", ".join(sorted(self.systems))
        if system not in self.systems:
            raise EngineMismatchError(
                f"network '{self.name}' is made for {made_for}, not for '{system}'; choose one of these, "
                "or another network"
            )
        return System(system)


def network_specs() -> dict[str, NetworkSpec]:
    """Every network by name."""
    specs = [
        NetworkSpec("pg-svrt", "PG-SVRT, three frames jointly", 3, 30, 2, frozenset(System), _pg_svrt, 17),
        *(_still(member) for member in still_family().values()),
    ]
    return {spec.name: spec for spec in specs}


def find_network(name: str, specs: Mapping[str, NetworkSpec] | None = None) -> NetworkSpec:
    """The network `name` of the list. Raises `EngineUnavailableError`."""
    specs = network_specs() if specs is None else specs
    if name not in specs:
        raise EngineUnavailableError(f"there is no network '{name}'; choose one of: {', '.join(specs)}")
    return specs[name]


def _still(member: Member) -> NetworkSpec:
    spec = NetworkSpec(
        member.name,
        member.title,
        frames=1,
        bands=SINGLE_BANDS,
        step_px=STEP_PX,
        systems=member.systems,
        build=lambda system: member.build(system, spec.bands_for(system)),
        dual_bands=DUAL_BANDS,
        follows_shifts=True,
        published=member.published,
        with_prior=member.with_prior,
    )
    return spec


def _pg_svrt(system: System) -> "Module":
    from livecassi.engines.networks.pg_svrt import PGSVRT

    return PGSVRT(system, bands=30, step=2)
