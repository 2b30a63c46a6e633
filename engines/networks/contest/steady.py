"""What passes take in the long run: bytes that Python and NumPy hand out, and the resident set of the process."""

import gc
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STATUS, _FORGET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Allocations:
    """Bytes per pass once it is warm: `held` when it is over, and `passing`, at most at one time while it runs.

    Those are Python's and NumPy's. `device`: what torch's allocator hands out on a GPU, None where it plays no part.
    """

    held: float
    passing: int
    device: float | None = None


def allocations(run: Callable[[], object], passes: int, on_device: Callable[[], int] | None = None) -> Allocations:
    """Of so many passes after as many unseen ones. `on_device` counts the bytes that were handed out since the start.

    A hundred of them are needed until lists of the interpreter's own, of freed objects, have grown as long as they do.
    """
    traced = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        for _ in range(passes):
            run()
        gc.collect()
        begun = on_device() if on_device else 0
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(passes):
            run()
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        if not traced:
            tracemalloc.stop()
    return Allocations((after - before) / passes, peak - before, (on_device() - begun) / passes if on_device else None)


@dataclass(frozen=True, slots=True)
class Flatness:
    """The resident set in bytes before, in the middle and at the end of many passes."""

    passes: int
    start: int
    middle: int
    end: int


def flatness(run: Callable[[], object], passes: int) -> Flatness | None:
    """Over `passes` passes after an unseen one; None on systems that do not tell (others than Linux)."""
    run()
    start = resident_bytes()
    for _ in range(passes // 2):
        run()
    middle = resident_bytes()
    for _ in range(passes - passes // 2):
        run()
    end = resident_bytes()
    if start is None or middle is None or end is None:
        return None
    return Flatness(passes, start, middle, end)


def resident_bytes() -> int | None:
    """Of this process; None where the system does not tell."""
    return _entry("VmRSS")


def peak_bytes() -> int | None:
    """The largest resident set of this process so far, or since `forget_peak`; None where the system does not tell."""
    return _entry("VmHWM")


def forget_peak() -> None:
    """Let `peak_bytes` begin anew, where the system can."""
    with suppress(OSError):
        _FORGET_PEAK.write_text("5")


def _entry(name: str) -> int | None:
    try:
        lines = _STATUS.read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
