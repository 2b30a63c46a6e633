"""Progress of a build: phases within phases, each of some steps, become one share from 0 to 1; giving up goes back."""

import threading
from dataclasses import dataclass

from livecassi.engines.errors import PreparationCancelledError
from livecassi.engines.runtimes.preparation import Progress
from livecassi.engines.runtimes.tensorrt.api import Api

LEAST_STEP = 0.002  # of the share, below which nothing is said


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class BuildWatch:
    """Follows the phases of a build for `progress`. From any thread; never raises: that would end the program."""

    def __init__(self, progress: Progress, doing: str) -> None:
        self._progress, self._doing = progress, doing
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._share = self._said = 0.0
        self.failure: Exception | None = None

    def begin(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, within another or by itself."""
        with self._lock:
            self._phases[phase] = _Phase(parent, max(1, steps))

    def step(self, phase: str, step: int) -> bool:
        """Step number `step` of a phase is done. False: the build is to end."""
        with self._lock:
            if phase in self._phases:
                self._phases[phase].done = step + 1
                self._share = max(self._share, self._share_up_to(phase))
            return self._goes_on(phase)

    def end(self, phase: str) -> None:
        """A phase is over, all its steps done or not."""
        with self._lock:
            self._phases.pop(phase, None)

    def _share_up_to(self, phase: str) -> float:
        share, name, seen = 0.0, phase, set[str]()
        while (found := self._phases.get(name)) is not None and name not in seen:
            seen.add(name)
            share = min(1.0, (found.done + share) / found.steps)
            name = found.parent or ""
        return share

    def _goes_on(self, phase: str) -> bool:
        if self.failure is not None:
            return False
        try:
            if self._progress.cancelled:
                raise PreparationCancelledError(f"{self._doing} was given up; what was begun is removed")
            if self._share >= self._said + LEAST_STEP:
                self._said = self._share
                self._progress.say(f"{self._doing}: {phase}", self._share)
        except Exception as error:  # cannot cross NVIDIA's code; raised again behind it
            self.failure = error
            return False
        return True


def native_monitor(api: Api, watch: BuildWatch) -> object:
    """What the library calls; it must outlive the builder."""

    class Monitor(api.IProgressMonitor):  # type: ignore[misc,name-defined] # the base is known at run time only
        def __init__(self) -> None:
            api.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            watch.begin(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return watch.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            watch.end(phase_name)

    return Monitor()
