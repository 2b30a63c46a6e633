"""One network at one size and place: every candidate made ready, then all of them timed in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from livecassi.app.runtimes_figures import Apart, Memory, Ratios, Shares, Steady, Times
from livecassi.app.runtimes_rows import Rows
from livecassi.engines.networks.contest.candidates import Candidate, Way
from livecassi.engines.networks.contest.contestants import Array32, Contestant, Workshop
from livecassi.engines.networks.contest.fresh_process import Fresh, measure_fresh
from livecassi.engines.networks.contest.steady import allocations
from livecassi.engines.networks.contest.tasks import Size, Task
from livecassi.engines.networks.contest.turns import Clocks, Laps, in_turns
from livecassi.engines.networks.memory import FREE_SHARE, free_memory
from livecassi.engines.networks.prepared import Target
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Place
from livecassi.engines.runtimes.preparation import Progress

if TYPE_CHECKING:
    from livecassi.engines.networks.contest.in_torch import Limits

MeasureAlone = Callable[[Task, Candidate, Workshop, Progress], Fresh]

TRACED_S = 2.0  # of passes whose memory is traced, the unseen ones too
MOST_TRACED, FEWEST_TRACED = 200, 4


@dataclass(frozen=True, slots=True)
class Terms:
    """How candidates are measured: frames per second for each of `hops`, `alone` in a process of its own, or not so.

    `free` tells the bytes of main memory that candidates may take together.
    """

    rounds: int = 3
    hops: tuple[int, ...] = (1, 3)
    alone: MeasureAlone | None = measure_fresh
    clocks: Clocks = field(default_factory=Clocks)
    free: Callable[[], int | None] = free_memory


class Contest:
    """Candidates of one task, whose rows fill while it goes on; `limits` None: nobody measured them."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        size: Size,
        workshop: Workshop,
        terms: Terms,
        progress: Progress,
        limits: "Limits | None" = None,
    ) -> None:
        self._rows = Rows(candidates, size, progress)
        self._workshop, self._terms, self._progress, self._limits = workshop, terms, progress, limits

    @property
    def found(self) -> Rows:
        """What was found so far, and who is still running."""
        return self._rows

    def hold(self, task: Task) -> None:
        """Measure everything; what stops one candidate is in its row, and the others go on."""
        for candidate in self._rows.running:
            with self._rows.trouble_of(candidate):
                self._prepare(task, candidate)
        if self._terms.alone is not None:
            for candidate in self._rows.running:
                with self._rows.trouble_of(candidate):
                    self._measure_alone(task, candidate, self._terms.alone)
        for group in self._groups():
            self._hold_group(task, group)
        self._compare()

    # ---- making ready ------------------------------------------------------------------------------------------------

    def _prepare(self, task: Task, candidate: Candidate) -> None:
        before = self._workshop.made()
        self._rows.say(candidate, "prepared")
        self._workshop.prepare(task, candidate, self._progress)
        made = {key: value for key, value in self._workshop.made().items() if key not in before}
        exported = [seconds for kind, seconds in made.values() if kind == "exported network"]
        built = [seconds for kind, seconds in made.values() if kind != "exported network"]
        ready = replace(
            self._rows[candidate].ready,
            export_s=sum(exported) if exported else self._exported_before(candidate),
            build_s=sum(built) if built else None,
        )
        self._rows.tell(candidate, ready=ready)

    def _exported_before(self, candidate: Candidate) -> float | None:
        """Seconds of the export that another candidate of this contest paid for."""
        paid = (
            row.ready.export_s
            for other in self._rows.candidates
            if (row := self._rows[other]).ready.export_s is not None and _graph(other) is _graph(candidate)
        )
        return next(paid, None) if candidate.way is Way.EXPORTED else None

    def _measure_alone(self, task: Task, candidate: Candidate, alone: MeasureAlone) -> None:
        self._rows.say(candidate, "alone")
        found = alone(task, candidate, self._workshop, self._progress)
        ready = replace(self._rows[candidate].ready, fresh_start_s=found.start_s)
        self._rows.tell(candidate, ready=ready, memory=Memory(found.peak, found.before, found.device))

    def _groups(self) -> Iterator[list[Candidate]]:
        """Candidates that the memory there holds at once, the baseline in every group; one group where nobody knows."""
        free = self._free()
        baseline = [candidate for candidate in self._rows.running if candidate.baseline]
        group, taken = list(baseline), sum(map(self._bytes, baseline))
        for candidate in self._rows.running:
            if candidate in baseline:
                continue
            if len(group) > len(baseline) and free is not None and taken + self._bytes(candidate) > FREE_SHARE * free:
                yield group
                group, taken = list(baseline), sum(map(self._bytes, baseline))
            group.append(candidate)
            taken += self._bytes(candidate)
        yield group

    def _bytes(self, candidate: Candidate) -> int:
        memory = self._rows[candidate].memory
        if memory is None:
            return 0
        return memory.device or 0 if candidate.place is Place.CUDA else (memory.peak or 0) - (memory.before or 0)

    def _free(self) -> int | None:
        """Bytes that candidates may take together; of a GPU's, torch is asked."""
        if not any(candidate.place is Place.CUDA for candidate in self._rows.running):
            return self._terms.free()
        if not any(candidate.runtime is RuntimeName.TORCH for candidate in self._rows.running):
            return None
        from livecassi.engines.networks.contest.in_torch import free_on_cuda

        return free_on_cuda()

    # ---- passes ------------------------------------------------------------------------------------------------------

    def _hold_group(self, task: Task, group: list[Candidate]) -> None:
        with ExitStack() as stack:
            open_ones: dict[Candidate, Contestant] = {}
            expected: Array32 | None = None
            for candidate in group:
                with self._rows.trouble_of(candidate), ExitStack() as own:
                    contestant = self._opened(task, candidate, own)
                    result = contestant.result()
                    expected = result if candidate.baseline else expected
                    self._rows.tell(candidate, apart=_apart(result, None if candidate.baseline else expected))
                    open_ones[candidate] = contestant
                    stack.push(own.pop_all())
            self._progress.say(f"{_words(task)}: {len(open_ones)} candidates in turn")
            works = {candidate: contestant.run for candidate, contestant in open_ones.items()}
            turns = in_turns(works, self._terms.rounds, self._terms.clocks)
            for candidate, error in turns.stopped.items():
                self._rows.stop(candidate, error)
            self._take_times(task, turns.laps)
            for candidate in turns.laps:
                if candidate.way is not Way.AUTHORS:
                    with self._rows.trouble_of(candidate):
                        self._measure_steady(candidate, open_ones[candidate], turns.laps[candidate])

    def _opened(self, task: Task, candidate: Candidate, stack: ExitStack) -> Contestant:
        self._rows.say(candidate, "started")
        begun = self._terms.clocks.wall()
        contestant = self._workshop.open(task, candidate)
        stack.callback(contestant.close)
        contestant.run()
        seconds = self._terms.clocks.wall() - begun
        ready = replace(self._rows[candidate].ready, start_s=seconds)
        self._rows.tell(candidate, describes=contestant.describes, ready=ready)
        return contestant

    def _take_times(self, task: Task, laps: Mapping[Candidate, Laps]) -> None:
        eager = next((lap for candidate, lap in laps.items() if candidate.baseline), None)
        for candidate, lap in laps.items():
            hops = [hop for hop in self._terms.hops if hop <= task.frames]
            times = Times(
                passes=lap.passes,
                median_ms=1e3 * lap.median_s,
                best_ms=1e3 * lap.best_s,
                worst_ms=1e3 * lap.worst_s,
                spread_ms=1e3 * lap.spread_s,
                cpu_ms=1e3 * lap.cpu_s,
                frames_per_s={str(hop): hop / lap.median_s for hop in hops},
            )
            ratios = Ratios(None if eager is None else eager.median_s / lap.median_s)
            self._rows.tell(candidate, times=times, ratios=ratios, shares=self._shares(task, candidate, lap))

    def _shares(self, task: Task, candidate: Candidate, lap: Laps) -> Shares | None:
        if self._limits is None:
            return None
        from livecassi.engines.networks.contest.in_torch import work_of

        work, rate = work_of(task, candidate.precision), self._limits.macs_per_s.get(candidate.precision)
        macs_per_s = work.macs / lap.median_s
        floor = None if work.floor_bytes is None else work.floor_bytes / self._limits.copy_bytes_per_s
        return Shares(
            macs_per_s, None if rate is None else macs_per_s / rate, None if floor is None else floor / lap.median_s
        )

    def _measure_steady(self, candidate: Candidate, contestant: Contestant, lap: Laps) -> None:
        self._rows.say(candidate, "traced")
        counter = None
        if candidate.place is Place.CUDA and candidate.runtime is RuntimeName.TORCH:
            from livecassi.engines.networks.contest.in_torch import allocated_on_cuda

            counter = allocated_on_cuda
        passes = max(FEWEST_TRACED, min(MOST_TRACED, round(TRACED_S / lap.median_s)))
        found = allocations(contestant.run, passes // 2, counter)
        self._rows.tell(candidate, steady=Steady(found.held, found.passing, found.device))

    def _compare(self) -> None:
        """Ratios to the authors' way, by way of torch eager, which every group was timed beside."""
        authors = next((row.ratios.to_eager for row in self._rows.all if row.way == Way.AUTHORS), None)
        for candidate in self._rows.candidates:
            row = self._rows[candidate]
            if authors is not None and row.ratios.to_eager is not None:
                self._rows.tell(candidate, ratios=replace(row.ratios, to_authors=row.ratios.to_eager / authors))


def _graph(candidate: Candidate) -> Precision:
    """The precision of the graph that is executed."""
    return Target(candidate.runtime, candidate.precision).exported


def _apart(found: Array32, expected: Array32 | None) -> Apart | None:
    if expected is None:
        return None
    from livecassi.engines.networks.contest.in_torch import compare

    apart = compare(found, expected)
    return Apart(apart.rms, apart.largest, apart.psnr_db)


def _words(task: Task) -> str:
    return f"{task.request.network} {task.size[0]} x {task.size[1]}"
