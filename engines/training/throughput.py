"""How fast a training is: samples per second, the loader's share of the time, and the share of the device's rate."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch.nn import Module
from torch.utils.flop_counter import FlopCounterMode

from livecassi.engines.training.recipe import RunPrecision
from livecassi.engines.training.task import Batch, Task

FORWARD_AND_BACKWARD = 3  # the gradient costs two products for each one of the pass
SIDES = {"cpu": 512, "cuda": 8192}  # of the square matrices whose product is timed
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Throughput:
    """Of the steps since the last line of the log; `matrix_share` of the device's measured rate, where it is known."""

    samples_per_s: float
    ms_per_step: float
    loader_share: float
    matrix_share: float | None


class Meter:
    """Times the steps between two lines of the log. `clock` in seconds."""

    def __init__(
        self,
        samples_per_step: int,
        flops_per_step: float = 0.0,
        flops_per_s: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._samples = samples_per_step
        self._share = flops_per_step / flops_per_s if flops_per_s and flops_per_step else None
        self._clock = clock
        self._started, self._waited, self._steps = clock(), 0.0, 0

    def step(self) -> None:
        """Count a step."""
        self._steps += 1

    def pause(self) -> Callable[[], None]:
        """Leave out the time from here until what this gives is called."""
        paused = self._clock()

        def go_on() -> None:
            self._started += self._clock() - paused

        return go_on

    def lap(self, waited_s: float) -> Throughput:
        """The figures since the last lap; `waited_s` is the loader's sum since the beginning."""
        now = self._clock()
        took, steps = max(now - self._started, 1e-9), max(self._steps, 1)
        waited, self._waited = waited_s - self._waited, waited_s
        self._started, self._steps = now, 0
        share = None if self._share is None else self._share * steps / took
        return Throughput(self._samples * steps / took, 1e3 * took / steps, min(1.0, waited / took), share)


def matrix_rate(device: torch.device, precision: RunPrecision) -> float:
    """Operations per second of a large matrix product in this precision, the best of a few."""
    side = SIDES.get(device.type, SIDES["cpu"])
    matrix = torch.rand(side, side, device=device)
    matrix = matrix.bfloat16() if precision is RunPrecision.BF16 else matrix
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        torch.mm(matrix, matrix)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


@torch.no_grad()
def flops_per_step(task: Task, network: Module, batch: Batch, precision: AbstractContextManager[object]) -> float:
    """Operations of convolutions and matrix products in a step of training, two for a multiply-add.

    They are counted on the first sample, in evaluation mode, so that nothing of the network changes.
    """
    samples = len(next(iter(batch.values())))
    training = network.training
    network.eval()
    with FlopCounterMode(display=False) as counter, precision:
        task.loss(network, {name: tensor[:1] for name, tensor in batch.items()})
    network.train(training)
    return float(counter.get_total_flops() * samples * FORWARD_AND_BACKWARD)
