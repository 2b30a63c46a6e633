"""The contract of every engine: a solver or a network, built for one calibration."""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from livecassi.calibration import Measurement
from livecassi.engines.cube import Cube


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a built engine is: its registered `name`, where it runs, and the options it was built with.

    `window` is the number of consecutive frames that one cube draws on, `hop` the number of new frames per pass of a
    network, and `latency` how many frames late a cube comes: call n of `reconstruct` gives the cube of the
    measurement of call n - latency. An engine that looks at one frame at a time has 1, 1 and 0.
    """

    name: str
    runtime: str
    calibration_id: str
    options: tuple[tuple[str, str], ...] = ()
    window: int = 1
    hop: int = 1
    latency: int = 0


class Engine(Protocol):
    """Reconstructs measurements of one calibration. Used from one thread at a time; a context manager."""

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""
        ...

    def reconstruct(self, measurement: Measurement) -> Cube | None:
        """Take a measurement `(H, W')` and give the cube `(C, H, W)` that is due.

        That is the cube of the measurement taken `info.latency` calls before; None for the first calls of an engine
        that is late. Every measurement gets its cube once, in order. An engine may carry state from the previous
        measurements (a warm start, a window of frames); `reset` forgets it.
        Raises `EngineMismatchError` for a measurement of another calibration or size.
        """
        ...

    def observe(self, measurement: Measurement) -> None:
        """Take a measurement as a neighbour of those to come, without giving it a cube."""
        ...

    def flush(self) -> list[Cube]:
        """The cubes that are still owed, oldest first: the sequence ends here. The next measurement stands alone."""
        ...

    def reset(self) -> None:
        """Forget the previous measurements and the cubes owed to them: the next one stands alone."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
