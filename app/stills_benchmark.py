"""The benchmark of still networks: what each costs by count, and how long a cube takes on the runtimes here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from livecassi.app.runtimes_benchmark import FindWeights, Plan, run_benchmark
from livecassi.app.runtimes_figures import Report as Timings
from livecassi.calibration import System
from livecassi.engines.errors import EngineUnavailableError
from livecassi.engines.networks.contest.tasks import Size
from livecassi.engines.networks.loading import require_torch
from livecassi.engines.networks.registry import find_network
from livecassi.engines.networks.stills.family import WITH_PRIOR, still_family
from livecassi.engines.runtimes.offers import Offer
from livecassi.engines.runtimes.preparation import Progress

SYSTEM = System.SD_CASSI
PUBLISHED_SIZE = (256, 256)
# Printed as "GFLOPs" at 256 x 256: those of HSRA fit 2^30 multiply-adds, others 10^9 (published-numbers.md, section 1).
PUBLISHED = {
    "hsra-s": 9.01, "hsra-m": 13.05, "hsra-l": 27.34, "hsra-dum-3": 37.39, "hsra-dum-4": 49.82,
    "mst-s": 12.96, "mst-m": 18.07, "mst-l": 28.15, "bisrnet": 1.18,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network costs at a size: values, and multiply-adds of convolutions and matrix products.

    `binary_parameters` and `binary_macs` as binarised networks are counted: what is binary for a 32nd and a 64th.
    `published` is the printed figure at 256 x 256.
    """

    network: str
    height: int
    width: int
    parameters: int
    macs: int
    published: float | None
    binary_parameters: float | None = None
    binary_macs: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found; `timings` None where nothing was to be timed."""

    costs: tuple[Cost, ...]
    timings: Timings | None


def hosts() -> tuple[str, ...]:
    """The still networks without a prior."""
    return tuple(name for name in still_family() if not name.endswith(WITH_PRIOR))


def check_names(names: Sequence[str]) -> None:
    """Raises `EngineUnavailableError` for what is no still network."""
    if unknown := [name for name in names if name not in still_family()]:
        raise EngineUnavailableError(
            f"there is no still network '{unknown[0]}'; choose some of: {', '.join(still_family())}"
        )


def cost_of(name: str, size: Size = PUBLISHED_SIZE) -> Cost:
    """The cost of a network for SD-CASSI, counted without computing. Raises `EngineUnavailableError` without torch."""
    require_torch(name)
    import torch

    from livecassi.engines.networks.stills.bisrnet import BiSRNet
    from livecassi.engines.networks.stills.bisrnet.cost import count_binary
    from livecassi.engines.networks.stills.cost import count_macs
    from livecassi.engines.networks.stills.network import StillNetwork

    with torch.device("meta"):
        network = find_network(name).build(SYSTEM)
    assert isinstance(network, StillNetwork)
    parameters = sum(values.numel() for values in network.parameters())
    cost = Cost(name, *size, parameters, count_macs(network, *size), PUBLISHED.get(name))
    if not isinstance(network, BiSRNet):
        return cost
    binary = count_binary(network.bands, *size)
    return replace(cost, binary_parameters=binary.published_weights, binary_macs=binary.published_macs)


def run_stills(
    costs: Sequence[str],
    plan: Plan | None,
    size: Size,
    find_weights: FindWeights,
    offered: Sequence[Offer],
    progress: Progress,
) -> Report:
    """Count `costs` at a size, and time the networks of a plan, if there is one. Raises as `run_benchmark`."""
    counted = []
    for name in costs:
        progress.say(f"counting {name}")
        counted.append(cost_of(name, size))
    timings = None if plan is None else run_benchmark(plan, find_weights, offered, progress)
    return Report(tuple(counted), timings)
