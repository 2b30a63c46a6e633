"""The contract of a network in torch that reconstructs what a bench measures, one or several frames in a pass."""

from typing import Protocol, Self

import torch
from torch import Tensor

from livecassi.calibration import Calibration


class PreparedBench(Protocol):
    """All that a network computes from a bench alone, once."""

    @property
    def size(self) -> tuple[int, int]:
        """`(H, W)` of the scene."""
        ...

    def part(self, rows: slice, columns: slice) -> "PreparedBench":
        """The same for a part of the scene."""
        ...


class BenchNetwork(Protocol):
    """A network: measurements `(B, T, H, W')` and a prepared bench in, cubes `(B, T, C, H, W)` out."""

    def to(self, device: torch.device, /) -> Self:
        """Move it."""
        ...

    def for_bench(self, calibration: Calibration, device: torch.device | str = "cpu") -> PreparedBench:
        """What depends on the bench alone, on a device. Raises `EngineMismatchError` for a bench of another form."""
        ...

    def __call__(self, measurement: Tensor, bench: PreparedBench) -> Tensor:
        """The cubes."""
        ...
