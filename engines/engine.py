"""The contract of every engine: a solver or a network, built for one calibration."""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from livecassi.calibration import Measurement
from livecassi.engines.cube import Cube


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a built engine is: its registered `name`, where it runs, and the options it was built with."""

    name: str
    runtime: str
    calibration_id: str
    options: tuple[tuple[str, str], ...] = ()


class Engine(Protocol):
    """Reconstructs measurements of one calibration. Used from one thread at a time; a context manager."""

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""
        ...

    def reconstruct(self, measurement: Measurement) -> Cube:
        """The cube `(C, H, W)` behind one measurement `(H, W')`.

        An engine may carry state from the previous measurement (a warm start); `reset` forgets it.
        Raises `EngineMismatchError` for a measurement of another calibration or size.
        """
        ...

    def reset(self) -> None:
        """Forget the previous measurements: the next one stands alone."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
