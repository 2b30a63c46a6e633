"""The networks that weights can be loaded into, one line each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError

if TYPE_CHECKING:
    from torch.nn import Module


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a network is: the `frames` of one pass, `bands` of its cube, `step_px` columns of shift per band.

    `build(system)` gives the network with random weights; `parameters` is the number of its values. Scenes have at
    least `smallest_side` rows and columns.
    """

    name: str
    title: str
    frames: int
    bands: int
    step_px: int
    parameters: int
    systems: frozenset[System]
    build: "Callable[[System], Module]"
    smallest_side: int = 1

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
        NetworkSpec("pg-svrt", "PG-SVRT, three frames jointly", 3, 30, 2, 2_476_966, frozenset(System), _pg_svrt, 17),
    ]
    return {spec.name: spec for spec in specs}


def find_network(name: str, specs: Mapping[str, NetworkSpec] | None = None) -> NetworkSpec:
    """The network `name` of the list. Raises `EngineUnavailableError`."""
    specs = network_specs() if specs is None else specs
    if name not in specs:
        raise EngineUnavailableError(f"there is no network '{name}'; choose one of: {', '.join(specs)}")
    return specs[name]


def _pg_svrt(system: System) -> "Module":
    from livecassi.engines.networks.pg_svrt import PGSVRT

    return PGSVRT(system, bands=30, step=2)
