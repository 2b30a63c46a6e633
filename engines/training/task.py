"""What the trainer knows of a network that it trains: one file per network says the rest."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.nn import Module

from livecassi.calibration import System
from livecassi.engines.weights import WeightsCard

Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Draw:
    """Which samples a process is asked for: those of one step, of a run with this seed.

    `rank` of `processes` takes its own `size` samples. The same draw always gives the same samples, so that a run that
    was interrupted goes on as if it had not been.
    """

    seed: int
    step: int
    size: int
    rank: int = 0
    processes: int = 1

    @property
    def numbers(self) -> range:
        """The place of each sample in the sequence of all samples of the run."""
        first = (self.step * self.processes + self.rank) * self.size
        return range(first, first + self.size)


class Task(Protocol):
    """A network, its samples, its loss and its validation. Copies of it live in the loader's processes."""

    @property
    def name(self) -> str:
        """The network's name in the list of networks."""
        ...

    @property
    def system(self) -> System:
        """The system that it is trained for."""
        ...

    def build(self) -> Module:
        """The network with random weights, from torch's present seed."""
        ...

    def batch(self, draw: Draw) -> Batch:
        """The samples of a draw: tensors whose first axis is the sample. Runs in the loader's processes, on the CPU.

        Where the recipe wants samples made on the device of the training, in the training's own process.
        """
        ...

    def loss(self, network: Module, batch: Batch) -> Tensor:
        """The loss of a batch on the network's device, a scalar in float32; `network` may be a wrapper of it."""
        ...

    def validate(self, network: Module) -> dict[str, float]:
        """Scores by name on scenes that are never trained on, such as `psnr_db`. `network` is in evaluation mode."""
        ...

    def card(self) -> WeightsCard:
        """The card of weights of this task, without steps, hours and scores, which the trainer adds."""
        ...
