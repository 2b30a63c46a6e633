"""A network that learns: one step of the optimiser after the other, and the moving average that follows."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import torch
from torch import Tensor
from torch.nn import Module

from livecassi.engines.training.average import MovingAverage
from livecassi.engines.training.memory import is_out_of_memory, out_of_memory
from livecassi.engines.training.processes import Processes
from livecassi.engines.training.recipe import Optimiser, RunPrecision, RunRecipe
from livecassi.engines.training.schedule import learning_rate
from livecassi.engines.training.start import load_start
from livecassi.engines.training.task import Batch, Draw, Task

APART = 1_000_003  # of the seeds of steps and processes


class Learner:
    """The network of a task on the device of this process, its optimiser, and the average of its weights.

    `goes_on`: a checkpoint is loaded next, so that the weights to begin with are not read again.
    """

    def __init__(self, task: Task, run: RunRecipe, processes: Processes, *, goes_on: bool = False) -> None:
        self._task, self._run, self._processes = task, run, processes
        self.device = processes.device
        torch.manual_seed(run.seed)
        self.network = task.build()
        if run.start is not None and not goes_on:
            load_start(self.network, run.start, task)
        self.network.to(self.device).train()
        if run.channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch types it so
        self.average = MovingAverage(self.network, run.ema)
        kind = torch.optim.AdamW if run.optimiser is Optimiser.ADAMW else torch.optim.Adam
        self.optimiser: torch.optim.Optimizer = kind(
            [parameter for parameter in self.network.parameters() if parameter.requires_grad],
            run.learning_rate,
            weight_decay=run.weight_decay,
            fused=True,
        )
        self._wrapped = processes.wrapped(self.network)
        if run.compile:
            self._wrapped = cast("Module", torch.compile(self._wrapped))

    def precision(self) -> AbstractContextManager[object]:
        """Where passes compute in the recipe's precision."""
        if self._run.precision is RunPrecision.BF16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def load(self, network: Mapping[str, Tensor], average: Mapping[str, Tensor], optimiser: dict[str, object]) -> None:
        """Go on from what a checkpoint holds."""
        self.network.load_state_dict(network)
        self.average.load(average)
        self.optimiser.load_state_dict(optimiser)

    def advance(self, batch: Batch, step: int) -> Tensor:
        """One step, counted from 0; its loss stays on the device. Raises `TrainingError` where memory runs out."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self._run, step)
        try:
            loss = self._gradient(batch, step)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self.optimiser.zero_grad(set_to_none=True)
            raise out_of_memory(error, self._run.batch, lambda size: self._attempt(size, step)) from error
        if self._run.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._run.gradient_clip)
        self.optimiser.step()
        self.average.update(step)
        return loss

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(tensor.isfinite().all()) for tensor in self.network.state_dict().values())

    def _gradient(self, batch: Batch, step: int) -> Tensor:
        torch.manual_seed(((self._run.seed * APART + step) * APART + self._processes.rank) % 2**63)
        self.optimiser.zero_grad(set_to_none=True)
        with self.precision():
            loss = self._task.loss(self._wrapped, batch)
        torch.autograd.backward(loss)
        return loss.detach()

    def _attempt(self, size: int, step: int) -> None:
        """A step with a batch of another size; the network is not the same afterwards."""
        batch = self._task.batch(Draw(self._run.seed, step, size))
        self._gradient({name: tensor.to(self.device) for name, tensor in batch.items()}, step)
        self.optimiser.step()
