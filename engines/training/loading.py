"""The samples of each step: made ahead in processes of their own, or on the spot on the training's device.

Which samples a step has follows from the seed and the step, so that a resumed run needs no state of its loader.
"""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.data import DataLoader, Dataset

from livecassi.drivers.errors import LivecassiError
from livecassi.engines.errors import TrainingError
from livecassi.engines.training.processes import Processes
from livecassi.engines.training.recipe import RunRecipe, SamplesOn
from livecassi.engines.training.task import Batch, Draw, Task

AHEAD = 2  # batches that each process of the loader makes in advance


class Steps(Dataset["Batch | str"]):
    """The batch of every step by its number, or what a source of scenes refused, in words."""

    def __init__(self, task: Task, run: RunRecipe, processes: Processes) -> None:
        self._task, self._run = task, run
        self._rank, self._count = processes.rank, processes.count

    def __getitem__(self, step: int) -> Batch | str:
        """The batch of a step. Errors that people can mend travel as text: others lose their words on the way."""
        draw = Draw(self._run.seed, step, self._run.batch, self._rank, self._count)
        try:
            return self._task.batch(draw)
        except LivecassiError as error:
            return str(error)


class StepLoader:
    """Batches from step `first` on, on the device of the training. `waited_s` is how long they were waited for."""

    def __init__(self, task: Task, run: RunRecipe, processes: Processes, first: int) -> None:
        self._steps = Steps(task, run, processes)
        self._device = processes.device
        self._next = first
        self._ahead: Iterator[Batch | str] | None = None
        self.waited_s = 0.0
        if run.samples_on is SamplesOn.LOADER and run.workers:
            self._ahead = iter(
                DataLoader(
                    self._steps,
                    batch_size=None,
                    sampler=range(first, run.steps),
                    num_workers=run.workers,
                    prefetch_factor=AHEAD,
                    pin_memory=processes.device.type == "cuda",
                    worker_init_fn=_begin,
                    multiprocessing_context="fork" if sys.platform == "linux" else None,
                    generator=torch.Generator(),
                )
            )

    def next(self) -> Batch:
        """The batch of the next step. Raises `TrainingError` where samples cannot be made."""
        started = time.perf_counter()
        found = self._steps[self._next] if self._ahead is None else next(self._ahead)
        if isinstance(found, str):
            raise TrainingError(f"the samples of step {self._next} cannot be made: {found}")
        batch = {name: tensor.to(self._device, non_blocking=True) for name, tensor in found.items()}
        self._next += 1
        self.waited_s += time.perf_counter() - started
        return batch

    def close(self) -> None:
        """End the loader's processes."""
        self._ahead = None


@contextmanager
def lost_processes_told() -> Iterator[None]:
    """Around all that a training does: torch tells of a loader's process that was killed by interrupting whatever runs.

    Raises `TrainingError` then.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            f"a process that makes samples ended ({str(error).strip()}); it may have run out of memory, "
            "or of shared memory (/dev/shm): set [run] workers lower, or batch; the same command goes on from the "
            "newest checkpoint"
        ) from error


def _begin(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, which ends its loader itself
