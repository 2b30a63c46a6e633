"""The loop of a training: steps, checkpoints, validations and figures, until the recipe is done or it is told to stop.

Run again with the same recipe and folder, it goes on at its newest checkpoint; on a CPU bit for bit as if it had never
stopped: samples and random numbers of a step follow from the seed and the step.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from livecassi.engines.errors import TrainingError
from livecassi.engines.training.checkpoints import Checkpoint, CheckpointFolder
from livecassi.engines.training.learner import Learner
from livecassi.engines.training.loading import StepLoader, lost_processes_told
from livecassi.engines.training.processes import Decision, Processes
from livecassi.engines.training.progress import Outcome, Progress, Told, leading
from livecassi.engines.training.recipe import Recipe
from livecassi.engines.training.run_log import RunLog
from livecassi.engines.training.schedule import learning_rate, validation_due
from livecassi.engines.training.stopping import Stopping
from livecassi.engines.training.task import Batch, Task
from livecassi.engines.training.throughput import Meter, Throughput, flops_per_step, matrix_rate

SYNC_EVERY = {"cuda": 8}  # steps between two looks at what a device computed; a CPU has always computed it


class DivergedError(TrainingError):
    """The loss or the weights are no longer numbers; the last good checkpoint is untouched."""


class Trainer:
    """A run of a recipe in a folder. `scenes` says in words what it is trained on."""

    def __init__(
        self, task: Task, recipe: Recipe, folder: Path, processes: Processes, told: Told | None = None, scenes: str = ""
    ) -> None:
        self._task, self._recipe, self._run = task, recipe, recipe.run
        self._processes, self._folder, self._scenes = processes, folder, scenes
        self._told = (told or Told()) if processes.first else Told()
        self._checkpoints = CheckpointFolder(folder)
        found = self._checkpoints.newest(recipe)
        self._loader = StepLoader(task, self._run, processes, found[0].step if found else 0)  # forks: before threads
        self._learner = Learner(task, self._run, processes, goes_on=found is not None)
        self._meter: Meter | None = None
        self._step = self._validated = self._loss_count = 0
        self._seconds = self._loss_sum = 0.0
        self._scores: dict[str, float] = {}
        self._best_scores: dict[str, float] = {}
        self._pending: list[Tensor] = []
        self._saved = -1, -1  # steps done and validated of the newest checkpoint
        self._last: tuple[float | None, Throughput | None] = None, None
        if found:
            self._go_on(*found)

    @property
    def step(self) -> int:
        """How many steps are done."""
        return self._step

    def _go_on(self, checkpoint: Checkpoint, note: str) -> None:
        self._learner.load(checkpoint.network, checkpoint.average, checkpoint.optimiser)
        self._step, self._seconds = checkpoint.step, checkpoint.seconds
        self._validated, self._scores = checkpoint.validated, checkpoint.scores
        self._best_scores = checkpoint.best_scores
        self._loss_sum, self._loss_count = checkpoint.loss_sum, checkpoint.loss_count
        self._saved = checkpoint.step, checkpoint.validated
        if note:
            self._told.remark(note)
        if self._scenes != checkpoint.scenes:
            self._told.remark(f"until now this run was trained on {checkpoint.scenes}, from here on {self._scenes}")

    # ---- the loop --------------------------------------------------------------------------------------------------

    def train(self, stopping: Stopping) -> Outcome:
        """Train until the recipe is done or `stopping` says so, and leave a checkpoint either way.

        Raises `DivergedError` where loss or weights are no longer numbers, and `TrainingError` where memory runs out,
        samples cannot be made, or nothing can be written.
        """
        try:
            log = RunLog(self._folder, self._step) if self._processes.first else None
            with lost_processes_told(), stopping, log or nullcontext():
                if log and log.remark:
                    self._told.remark(log.remark)
                return self._loop(stopping, log)
        finally:
            self._loader.close()

    def _loop(self, stopping: Stopping, log: RunLog | None) -> Outcome:
        stretch_s = checkpoint_s = validation_s = 0.0
        while self._step < self._run.steps or self._is_validation_due():
            if self._is_validation_due():
                if self._is_told_to_stop(stopping, validation_s + checkpoint_s):
                    break
                validation_s = self._timed(lambda: self._validate(log))
                continue
            stretch_s = max(0.9 * stretch_s, self._timed(self._advance))
            if self._step % self._run.log_every == 0 or self._step == self._run.steps:
                self._write_line(log)
            if self._step % self._run.checkpoint_every == 0:
                checkpoint_s = self._timed(self._save)
            if self._is_told_to_stop(stopping, 2 * stretch_s + checkpoint_s):
                break
        if (self._step, self._validated) != self._saved:
            self._save()
        done = self._step >= self._run.steps and not self._is_validation_due()
        return Outcome.FINISHED if done else Outcome.STOPPED

    def _is_validation_due(self) -> bool:
        return validation_due(self._run, self._step, self._validated)

    def _is_told_to_stop(self, stopping: Stopping, needed_s: float) -> bool:
        own = Decision.STOP if stopping.due(needed_s) else Decision.GO_ON
        return self._processes.agree(own) is not Decision.GO_ON

    def _timed(self, work: Callable[[], None]) -> float:
        started = time.perf_counter()
        work()
        took = time.perf_counter() - started
        self._seconds += took
        return took

    # ---- steps -----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Steps up to the next at which the results are looked at; the same ones in every process."""
        run = self._run
        cycles = (SYNC_EVERY.get(self._learner.device.type, 1), run.log_every, run.checkpoint_every)
        while True:
            batch = self._loader.next()
            if self._meter is None:
                self._meter = self._meter_of(batch)
            self._pending.append(self._learner.advance(batch, self._step))
            self._step += 1
            self._meter.step()
            self._tell()
            if self._step == run.steps or any(self._step % cycle == 0 for cycle in cycles) or self._is_validation_due():
                break
        self._settle()

    def _settle(self) -> None:
        """Add up the losses since the last look. Raises `DivergedError` in every process where one is no number."""
        losses = torch.stack(self._pending).double().tolist()
        self._pending.clear()
        first = self._step - len(losses) + 1
        wrong = next((first + place for place, loss in enumerate(losses) if not isfinite(loss)), None)
        own = Decision.GO_ON if wrong is None else Decision.DIVERGED
        if self._processes.agree(own) is Decision.DIVERGED:
            what = "the loss of another process" if wrong is None else f"the loss of step {wrong}"
            self._diverged(f"{what} is {'no number' if wrong is None else losses[wrong - first]}")
        self._loss_sum += sum(losses)
        self._loss_count += len(losses)

    def _check_weights(self) -> None:
        """Before they are scored or kept. Raises `DivergedError` where they are no numbers."""
        if not self._learner.is_finite():
            self._diverged(f"weights after step {self._step} are no numbers")

    def _diverged(self, what: str) -> None:
        step, _ = self._saved
        kept = f"the checkpoint of step {step} is kept" if step >= 0 else "no checkpoint was written yet"
        raise DivergedError(
            f"the training diverged: {what}; {kept}. Lower [run] learning_rate, set gradient_clip, choose precision = "
            '"fp32", or look for scenes with wrong values, and begin in a new folder by --out'
        )

    # ---- now and then ----------------------------------------------------------------------------------------------

    def _meter_of(self, batch: Batch) -> Meter:
        """A meter that knows what this device can do; the network's operations are counted on the first sample."""
        samples = self._run.batch * self._processes.count
        if self._processes.first:
            flops = flops_per_step(self._task, self._learner.network, batch, self._learner.precision())
            meter = Meter(samples, flops, matrix_rate(self._learner.device, self._run.precision))
        else:
            meter = Meter(samples)
        meter.lap(self._loader.waited_s)
        return meter

    def _write_line(self, log: RunLog | None) -> None:
        loss = self._processes.mean(self._loss_sum / max(self._loss_count, 1))
        self._loss_sum, self._loss_count = 0.0, 0
        throughput = self._meter.lap(self._loader.waited_s) if self._meter else None
        self._last = loss, throughput
        self._tell()
        if log is not None and throughput is not None:
            figures = {name: value for name, value in asdict(throughput).items() if value is not None}
            rate = learning_rate(self._run, self._step - 1)
            log.steps(self._step, {"loss": loss, "learning_rate": rate, "seconds": self._seconds, **figures})

    def _tell(self) -> None:
        rate = learning_rate(self._run, max(self._step - 1, 0))
        self._told.progress(Progress(self._step, self._run.steps, rate, self._seconds, *self._last, self._scores))

    def _validate(self, log: RunLog | None) -> None:
        """The first process scores the averaged weights, the others wait."""
        self._validated = self._step
        go_on = self._meter.pause() if self._meter else None
        if self._processes.first:
            self._check_weights()
            with torch.no_grad(), self._learner.average.in_place() as network:
                self._scores = self._task.validate(network)
            if log is not None and self._scores:
                log.scores(self._step, {**self._scores, "seconds": self._seconds})
            if leading(self._scores) > leading(self._best_scores):
                self._best_scores = self._scores
                self._save(best=True)
            self._tell()
        self._processes.wait()
        if go_on:
            go_on()

    def _save(self, *, best: bool = False) -> None:
        if not self._processes.first:
            return
        learner = self._learner
        self._check_weights()
        checkpoint = Checkpoint(
            self._recipe.text,
            self._step,
            self._seconds,
            learner.network.state_dict(),
            learner.average.state(),
            learner.optimiser.state_dict(),
            self._validated,
            self._scores,
            self._best_scores,
            self._loss_sum,
            self._loss_count,
            self._scenes,
            self._task.card().model_dump_json(),
        )
        self._checkpoints.save(checkpoint, best=best)
        if not best:
            self._saved = self._step, self._validated
