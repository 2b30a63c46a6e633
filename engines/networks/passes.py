"""A pass of a network over a window of frames, whatever executes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineError

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CubeValues:
    """The values of one cube `(C, H, W)`, and their spread, where the network has one."""

    values: Array32
    spread: Array32 | None = None


FetchValues = Callable[[], CubeValues]  # brings one cube from where it was made


class Passes(Protocol):
    """A network made ready for one calibration. Used from one thread at a time."""

    @property
    def describes(self) -> str:
        """In words: program, device, precision, tiles."""
        ...

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """The options that it was made ready with: runtime, device, precision, tile."""
        ...

    def run(self, window: Array32, positions: Sequence[int], gain: Array32) -> list[FetchValues]:
        """The cubes at `positions` of a window `(T, H, W')`, each `(C, H, W)` and multiplied by `gain (C, 1, 1)`.

        They can be fetched until the next pass. Raises `EngineError` where they are not finite or memory ran out.
        """
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


def no_numbers(describes: str) -> EngineError:
    """The error for a network that gave none, on what is described so."""
    return EngineError(
        f"the network gave NaN or infinite values on {describes}; check the weights and the measurement, or choose "
        "precision=fp32"
    )


def ready(values: Array32) -> FetchValues:
    """The fetching of a cube that is in main memory already."""
    return lambda: CubeValues(values)
