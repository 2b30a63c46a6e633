"""The rows of a contest while it goes on: what was found of each candidate, and what stopped it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from livecassi.app.runtimes_figures import Row
from livecassi.engines.errors import DeviceMemoryError, EngineError, PreparationCancelledError
from livecassi.engines.networks.contest.candidates import Candidate
from livecassi.engines.networks.contest.tasks import Size
from livecassi.engines.runtimes.preparation import Progress


class Rows:
    """A row for each candidate, all at one size. `progress` hears what is under way."""

    def __init__(self, candidates: Sequence[Candidate], size: Size, progress: Progress) -> None:
        self._rows = {candidate: _empty(candidate, size) for candidate in candidates}
        self._progress = progress

    def __getitem__(self, candidate: Candidate) -> Row:
        return self._rows[candidate]

    @property
    def all(self) -> list[Row]:
        """In the order of the candidates."""
        return list(self._rows.values())

    @property
    def candidates(self) -> list[Candidate]:
        """Those that were stopped included."""
        return list(self._rows)

    @property
    def running(self) -> list[Candidate]:
        """The candidates that nothing has stopped."""
        return [candidate for candidate, row in self._rows.items() if not row.trouble]

    @property
    def quickest(self) -> tuple[Candidate, float] | None:
        """The running candidate with the shortest median, and its seconds; None where none was timed."""
        timed = {one: row.times.median_ms / 1e3 for one, row in self._rows.items() if row.times and not row.trouble}
        return min(timed.items(), key=lambda entry: entry[1], default=None)

    def say(self, candidate: Candidate, doing: str) -> None:
        """What is being done with a candidate."""
        row = self._rows[candidate]
        self._progress.say(f"{row.network} {row.height} x {row.width}, {candidate.title} on {row.place}: {doing}")

    def tell(self, candidate: Candidate, **found: object) -> None:
        """Fields of its row, by name."""
        self._rows[candidate] = replace(self._rows[candidate], **found)  # type: ignore[arg-type]

    def stop(self, candidate: Candidate, error: EngineError) -> None:
        """What stopped it."""
        self.tell(candidate, trouble=str(error))

    def stop_all(self, error: EngineError) -> None:
        """Those that are running are stopped by the same."""
        for candidate in self.running:
            self.stop(candidate, error)

    @contextmanager
    def trouble_of(self, candidate: Candidate) -> Iterator[None]:
        """What a block raises stops the candidate, and nobody else. `PreparationCancelledError` passes."""
        try:
            yield
        except PreparationCancelledError:
            raise
        except EngineError as error:
            self.stop(candidate, error)
        except MemoryError as error:
            self.stop(candidate, DeviceMemoryError(f"the memory of this machine does not hold it ({error})"))


def _empty(candidate: Candidate, size: Size) -> Row:
    words = str(candidate.place), str(candidate.runtime), str(candidate.way), str(candidate.precision)
    return Row(candidate.network, *size, *words, candidate.title, trouble=candidate.refused)
