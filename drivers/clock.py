"""The clock that paces a source: the machine's, or one that a test moves by hand."""

import threading
import time
from typing import Protocol

from livecassi.drivers.source import StopSignal


class Clock(Protocol):
    """A monotonic clock that can wait."""

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary moment; never falls."""
        ...

    def wait(self, seconds: float, stop: StopSignal) -> bool:
        """Wait that long, or until `stop` is set: then at once and True. Zero and less do not wait."""
        ...


class MonotonicClock:
    """The machine's monotonic clock, the same that stamps frames at arrival."""

    def now_ns(self) -> int:
        """Nanoseconds of `time.monotonic_ns`."""
        return time.monotonic_ns()

    def wait(self, seconds: float, stop: StopSignal) -> bool:
        """Sleep in real time; True when `stop` was set."""
        return stop.wait(seconds) if seconds > 0 else stop.is_set()


class ManualClock:
    """A clock that stands still until somebody waits on it or moves it: simulated time at full speed.

    `wait` returns at once and moves the clock by the time asked for, so a paced source in a test runs as fast as
    the machine allows and its frames carry exact times. Safe to use from several threads.
    """

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """The simulated time."""
        with self._lock:
            return self._now_ns

    def wait(self, seconds: float, stop: StopSignal) -> bool:
        """Move on by `seconds` unless `stop` is set; True when it was."""
        if stop.is_set():
            return True
        self.advance(seconds)
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        """Move the clock forward; negative times leave it where it is."""
        with self._lock:
            self._now_ns += max(0, round(seconds * 1e9))
