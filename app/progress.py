"""Progress of long work on a terminal; silent where there is none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from livecassi.engines.runtimes.preparation import Watched


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; call what it yields with the number done so far."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def doing() -> Iterator[Watched]:
    """A line on standard error that says what a preparation is doing; Ctrl+C gives it up."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("") as status:
        yield Watched(lambda what, share: status.update(what if share is None else f"{what}, {round(100 * share)} %"))
