"""A training on the terminal: a bar that moves, or lines now and then where there is no terminal."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from livecassi.engines.training.progress import Progress

LINE_EVERY_S = 30.0

Show = Callable[["Progress"], None]


@contextmanager
def training_display(title: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Show]:
    """Call what it yields with where the run is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal or os.environ.get("RANK", "0") != "0":  # of several processes the first one speaks
        yield _Lines(clock).show
        return
    bar = Bar(
        TextColumn(title),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    )
    with bar:
        work = bar.add_task("", total=None)

        def show(progress: "Progress") -> None:
            bar.update(work, total=progress.steps, completed=progress.step, description=figures(progress))

        yield show


class _Lines:
    """A line for every new validation, and one every half minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = clock()
        self._scores: Mapping[str, float] | None = None

    def show(self, progress: "Progress") -> None:
        validated = self._scores is not None and progress.scores != self._scores
        if progress.loss is None or (self._clock() < self._next and not validated):
            return
        self._next, self._scores = self._clock() + LINE_EVERY_S, progress.scores
        typer.echo(f"step {progress.step} of {progress.steps}: {figures(progress)}", err=True)


def figures(progress: "Progress") -> str:
    """Loss, learning rate, speed and the last scores in one line."""
    if progress.loss is None:
        return ""
    parts = [f"loss {progress.loss:.5f}", f"rate {progress.learning_rate:.2e}"]
    if speed := progress.throughput:
        parts += [
            f"{speed.samples_per_s:.1f} samples/s",
            f"{speed.ms_per_step:.0f} ms a step",
            f"loader {speed.loader_share:.0%}",
        ]
        parts += [] if speed.matrix_share is None else [f"{speed.matrix_share:.1%} of the matrix rate"]
    return ", ".join(parts + [scores_in_words(progress.scores)] * bool(progress.scores))


def scores_in_words(scores: Mapping[str, float]) -> str:
    """`psnr_db 30.12, ssim 0.9123`."""
    return ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
