"""Main memory: how much is free, and whether what tensors free goes back to the system."""

import ctypes
import math
import sys
from pathlib import Path

# At the peak of a pass, for each of its frames: torch in small pieces, torch all at once, and a graph that other
# runtimes execute.
BYTES_PER_PIXEL = {"cpu": 4_000, "cuda": 20_000, "graph": 8_700}
FREE_SHARE = 0.8  # of the free memory that a pass may take


def fits(size: tuple[int, ...], frames: int, how: str, free: int | None) -> bool:
    """Whether a pass over whole `frames` of `size` (H, W) fits into `free` bytes; None: nobody knows, so it may."""
    return free is None or frames * math.prod(size) * BYTES_PER_PIXEL[how] < FREE_SHARE * free


def free_memory() -> int | None:
    """Bytes that can be had without swapping, what is cached of files included; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def keep_freed_memory() -> None:
    """Let the C library keep what tensors free instead of giving it back to the system.

    Features are freed and taken again hundreds of times in a pass; fetching fresh pages each time takes a fifth of it
    on a CPU. Holds for the process; on other systems than Linux with glibc it does nothing.
    """
    library = _glibc()
    if library is not None:
        trim_threshold, mmap_threshold, largest = -1, -3, 1 << 30
        library.mallopt(trim_threshold, largest)
        library.mallopt(mmap_threshold, largest)


def give_back_freed_memory() -> None:
    """Give the system what was kept; does nothing where nothing is kept."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
