"""The benchmark of runtimes: every network on every runtime, precision and size that this machine can do."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from livecassi.app.runtimes_contest import Contest, Terms
from livecassi.app.runtimes_figures import Duel, Flat, Limit, Machine, Report
from livecassi.app.timed_runs import load_average
from livecassi.calibration import System
from livecassi.engines.errors import EngineError, EngineUnavailableError
from livecassi.engines.exporting.registry import find_export
from livecassi.engines.networks.contest.candidates import Candidate, Way, candidates
from livecassi.engines.networks.contest.contestants import Workshop
from livecassi.engines.networks.contest.steady import flatness
from livecassi.engines.networks.contest.tasks import NETWORKS, Size, Task, draw_task, save_untrained
from livecassi.engines.networks.contest.turns import in_turns
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.runtimes.preparation import Progress
from livecassi.engines.runtimes.processor import processor_name, usable_cores
from livecassi.engines.weights import read_card

if TYPE_CHECKING:
    from livecassi.engines.networks.contest.in_torch import Limits

USUAL_SIZES = {Place.CPU: ((256, 256),), Place.CUDA: ((256, 256), (512, 512), (1024, 1024))}
LARGEST_SIDE = 4096
LONG_PASS_S = 0.05  # of longer passes the flat run has proportionally fewer
FEWEST_PASSES = 10
TURNS_OF_A_DUEL = 5  # for each round of the others: what is compared is close
RANDOM = "random weights of a fixed seed"

FindWeights = Callable[[str, System], Path | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure; empty `sizes`: the usual ones of each place; `runtimes` None: all that are offered.

    `flat`: so many passes of the quickest candidates in a row, 0 for none. `threads` None: all that may be used.
    `duel`: two of the networks whose quickest candidates are timed once more, against each other in turn.
    """

    networks: tuple[str, ...] = NETWORKS
    system: System = System.DD_CASSI
    sizes: tuple[Size, ...] = ()
    runtimes: tuple[RuntimeName, ...] | None = None
    precisions: tuple[Precision, ...] = tuple(Precision)
    places: tuple[Place, ...] = tuple(Place)
    threads: int | None = None
    flat: int = 0
    terms: Terms = field(default_factory=Terms)
    duel: tuple[str, str] | None = None

    def check(self) -> None:
        """Raises `EngineMismatchError` for a system or size that a network does not take, and `EngineUnavailableError`
        where there is no such network.
        """
        for network in self.networks:
            spec = find_export(network)
            spec.check_system(self.system)
            for size in self.sizes:
                spec.check_size(*size)


def parse_sizes(text: str) -> tuple[Size, ...]:
    """Sides or H x W in px, as in "256,512" or "96x160". Raises `EngineError`."""
    sizes = []
    for word in text.split(","):
        sides = word.strip().split("x")
        if not all(side.isdecimal() for side in sides) or len(sides) > 2:
            raise EngineError(f"sizes '{text}': '{word}' is no size; expected sides in px such as 256,512 or 96x160")
        height, width = int(sides[0]), int(sides[-1])
        if not 1 <= min(height, width) <= max(height, width) <= LARGEST_SIDE:
            raise EngineError(f"sizes '{text}': {height} x {width} px; expected 1 to {LARGEST_SIDE} px a side")
        sizes.append((height, width))
    return tuple(dict.fromkeys(sizes))


def run_benchmark(plan: Plan, find_weights: FindWeights, offered: Sequence[Offer], progress: Progress) -> Report:
    """Measure all of a plan on a machine that offers these runtimes; weights are random where none are found.

    Everything that is prepared lies in a temporary folder, which is gone afterwards. Raises `EngineError` where the
    plan cannot be run, and `PreparationCancelledError` where it is given up; what stops one candidate is in its row.
    """
    plan.check()
    fields = {network: _field(network, plan, offered) for network in plan.networks}
    if not any(fields.values()):
        raise EngineUnavailableError(
            f"nothing here executes {' or '.join(plan.networks)} on the chosen runtimes, precisions and places; choose "
            "others, see 'livecassi doctor'"
        )
    threads = plan.threads or usable_cores()
    with TemporaryDirectory(prefix="livecassi-") as folder, _torch_on(threads, offered):
        report = Report(str(plan.system), plan.terms.rounds, _machine(threads, offered))
        benchmark = _Benchmark(plan, Path(folder), threads, find_weights, progress, report)
        for place in Place:
            here = {network: found[place] for network, found in fields.items() if place in found}
            if here:
                benchmark.hold(place, here, limits=_torch_at(place, offered))
        if plan.duel is not None:
            benchmark.fight(plan.duel)
        return replace(report, load_after=load_average())


class _Benchmark:
    """One run of a plan, which fills a report."""

    def __init__(
        self, plan: Plan, folder: Path, threads: int, find_weights: FindWeights, progress: Progress, report: Report
    ) -> None:
        self._plan, self._folder, self._progress, self._report = plan, folder, progress, report
        self._find_weights = find_weights
        self._weights: dict[str, Path] = {}
        self._quickest: dict[str, tuple[Candidate, Task]] = {}  # at the first size that it was timed at
        self._workshop = Workshop(ArtefactCache(folder / "networks"), threads)

    def hold(self, place: Place, fields: Mapping[str, list[Candidate]], *, limits: bool) -> None:
        """Every network at every size of a place, by its candidates; `limits`: what the place does is measured, too."""
        able = self._limits(place, fields) if limits else None
        for network, found in fields.items():
            quickest: tuple[Candidate, Task, float] | None = None
            for size in self._plan.sizes or USUAL_SIZES[place]:
                contest = Contest(found, size, self._workshop, self._plan.terms, self._progress, able)
                task = self._drawn(contest, network, size)
                if task is not None:
                    contest.hold(task)
                    if quickest is None and contest.found.quickest is not None:
                        candidate, seconds = contest.found.quickest
                        quickest = candidate, task, seconds
                        self._quickest.setdefault(network, (candidate, task))
                self._report.rows.extend(contest.found.all)
            if quickest is not None and self._plan.flat:
                self._report.flat.append(self._flat(*quickest))

    def fight(self, duel: tuple[str, str]) -> None:
        """The quickest candidates of two networks in turn; nothing where one of them has none."""
        if not self._quickest.keys() >= set(duel):
            return
        self._progress.say(f"{duel[0]} against {duel[1]}")
        with ExitStack() as stack:
            works = {}
            for network in duel:
                candidate, task = self._quickest[network]
                works[network] = stack.enter_context(closing(self._workshop.open(task, candidate))).run
            laps = in_turns(works, TURNS_OF_A_DUEL * self._plan.terms.rounds, self._plan.terms.clocks).laps
        if laps.keys() >= set(duel):
            titles = (self._quickest[network][0].title for network in duel)
            medians = (1e3 * laps[network].median_s for network in duel)
            self._report.duels.append(Duel(duel, (next(titles), next(titles)), (next(medians), next(medians))))

    def _drawn(self, contest: Contest, network: str, size: Size) -> Task | None:
        """What a contest is about; None where nobody is left to compete, or nothing can be drawn."""
        if not contest.found.running:
            return None
        try:
            return draw_task(network, self._weights_of(network), self._plan.system, size)
        except EngineError as error:
            contest.found.stop_all(error)
            return None

    def _weights_of(self, network: str) -> Path:
        if network not in self._weights:
            found = self._find_weights(network, self._plan.system)
            if found is None:
                found = self._folder / f"{network}.safetensors"
                save_untrained(network, found, self._plan.system)
                self._report.weights[network] = RANDOM
            else:
                self._report.weights[network] = f"{found.name}, {read_card(found).state}"
            self._weights[network] = found
        return self._weights[network]

    def _limits(self, place: Place, fields: Mapping[str, list[Candidate]]) -> "Limits":
        from livecassi.engines.networks.contest.in_torch import measure_limits

        self._progress.say(f"copies and products on {place}")
        used = {candidate.precision for found in fields.values() for candidate in found}
        limits = measure_limits(place, tuple(precision for precision in Precision if precision in used))
        rates = {str(precision): rate for precision, rate in limits.macs_per_s.items()}
        self._report.limits.append(Limit(str(place), limits.copy_bytes_per_s, rates))
        return limits

    def _flat(self, candidate: Candidate, task: Task, pass_s: float) -> Flat:
        """Many passes of one candidate."""
        passes = max(FEWEST_PASSES, round(self._plan.flat * min(1.0, LONG_PASS_S / pass_s)))
        passes = min(passes, self._plan.flat)
        flat = Flat(candidate.network, *task.size, str(candidate.place), candidate.title, passes)
        self._progress.say(f"{candidate.network}: {passes} passes of {candidate.title}")
        try:
            with closing(self._workshop.open(task, candidate)) as contestant:
                found = flatness(contestant.run, passes)
        except EngineError as error:
            return replace(flat, trouble=str(error))
        if found is None:
            return replace(flat, trouble="this system does not tell the resident set of a process")
        return replace(flat, start=found.start, middle=found.middle, end=found.end)


def _field(network: str, plan: Plan, offered: Sequence[Offer]) -> dict[Place, list[Candidate]]:
    """The candidates of a network by place, where more than baselines were chosen or nothing was."""
    found = {place: candidates(network, place, offered, plan.runtimes, plan.precisions) for place in plan.places}
    baselines = plan.runtimes is None or RuntimeName.TORCH in plan.runtimes
    return {
        place: here
        for place, here in found.items()
        if here and (baselines or any(candidate.way is Way.EXPORTED for candidate in here))
    }


def _machine(threads: int, offered: Sequence[Offer]) -> Machine:
    return Machine(
        processor_name().rsplit(" (", 1)[0],
        os.cpu_count() or 1,
        threads,
        os.environ.get("GOMP_SPINCOUNT", "not set"),
        {offer.title: offer.version for offer in offered if offer.available},
        load_average(),
        next((_gpu(offer) for offer in offered if offer.available and offer.place is Place.CUDA), ""),
    )


def _gpu(offer: Offer) -> str:
    return offer.reason.split(";")[0].removeprefix("on ")


def _torch_at(place: Place, offered: Sequence[Offer]) -> bool:
    return any(offer.available and offer.runtime is RuntimeName.TORCH and offer.place is place for offer in offered)


@contextmanager
def _torch_on(threads: int, offered: Sequence[Offer]) -> Iterator[None]:
    """Let torch compute on that many threads, where it is there."""
    if not any(_torch_at(place, offered) for place in Place):
        yield
        return
    from livecassi.engines.networks.pg_svrt.timing import on_threads

    with on_threads(threads):
        yield
