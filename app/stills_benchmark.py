"""The benchmark of still networks: what each costs by count, and how long a cube takes on the runtimes here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livecassi.app.runtimes_benchmark import FindWeights, Plan, run_benchmark
from livecassi.app.runtimes_figures import Report as Timings
from livecassi.engines.errors import EngineUnavailableError
from livecassi.engines.networks.contest.tasks import Size
from livecassi.engines.networks.loading import require_torch
from livecassi.engines.networks.stills.family import WITH_PRIOR, still_family
from livecassi.engines.runtimes.offers import Offer
from livecassi.engines.runtimes.preparation import Progress

if TYPE_CHECKING:
    from livecassi.engines.networks.stills.tally import Cost


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found; `timings` None where nothing was to be timed."""

    costs: "tuple[Cost, ...]"
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


def run_stills(
    costs: Sequence[str],
    plan: Plan | None,
    size: Size,
    find_weights: FindWeights,
    offered: Sequence[Offer],
    progress: Progress,
) -> Report:
    """Count `costs` at a size, and time the networks of a plan, if there is one.

    Raises as `run_benchmark`, and `EngineUnavailableError` without torch, which counts.
    """
    require_torch(costs[0])
    from livecassi.engines.networks.stills.tally import cost_of

    counted = []
    for name in costs:
        progress.say(f"counting {name}")
        counted.append(cost_of(name, size))
    timings = None if plan is None else run_benchmark(plan, find_weights, offered, progress)
    return Report(tuple(counted), timings)
