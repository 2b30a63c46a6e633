"""A few threads that share the rows of one picture."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from livecassi.engines.errors import EngineError

Task = Callable[[int, int], None]


class RowPool:
    """Runs `task(first, last)` over blocks of rows, the caller's thread taking the first block.

    The tasks must let go of the GIL to gain anything. `close` ends the threads and may be called twice.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._closed = False
        self._pool = ThreadPoolExecutor(threads - 1, thread_name_prefix="livecassi-gap-tv") if threads > 1 else None

    def run(self, task: Task, rows: int) -> None:
        """Every row of `range(rows)` once; returns when all are done, raises what a task raised."""
        if self._closed:
            raise EngineError("this engine was closed; build a new one")
        blocks = min(self.threads, rows)
        if self._pool is None or blocks < 2:
            task(0, rows)
            return
        edges = [rows * block // blocks for block in range(blocks + 1)]
        others = [self._pool.submit(task, edges[b], edges[b + 1]) for b in range(1, blocks)]
        task(edges[0], edges[1])
        for other in others:
            other.result()

    def close(self) -> None:
        """End the threads."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
