"""When a run is to stop before its end: its time is up, or somebody asked (SIGINT, SIGTERM)."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

SPARE_S = 1.0


class Stopping:
    """While it is entered, Ctrl-C and SIGTERM are noted instead of ending the process; the second Ctrl-C ends it.

    `limit_s` of `clock`, counted from `started`. Signals are noted in the main thread only.
    """

    def __init__(
        self, limit_s: float | None = None, started: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._end = None if limit_s is None else (clock() if started is None else started) + limit_s
        self._before: dict[int, object] = {}
        self.asked = False

    def left_s(self) -> float:
        """Seconds that are left; infinite without a limit."""
        return float("inf") if self._end is None else self._end - self._clock()

    def due(self, needed_s: float) -> bool:
        """Whether to stop now, where what comes next and the end of the run need `needed_s`."""
        return self.asked or self.left_s() < needed_s + SPARE_S

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as `signal.signal` gave it
        self._before.clear()

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
