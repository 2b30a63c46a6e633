"""Timing of passes, on a CPU or by the events of a GPU."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch

COPY_BYTES = {"cpu": 1 << 28, "cuda": 1 << 30}
COPIES = 7


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one pass over several rounds; `cpu_s` is what all threads of the process took together, in median."""

    best_s: float
    median_s: float
    cpu_s: float


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Let torch compute on that many threads of the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def time_in_turn(works: Sequence[Callable[[], object]], rounds: int, device: torch.device) -> list[Timing]:
    """All of `works` in turn, `rounds` times, so that what slows the machine slows them all. Run each once before."""
    runs: list[list[tuple[float, float]]] = [[] for _ in works]
    for _ in range(rounds):
        for work, run in zip(works, runs, strict=True):
            run.append(time_once(work, device))
    return [
        Timing(min(wall for wall, _ in run), median(wall for wall, _ in run), median(cpu for _, cpu in run))
        for run in runs
    ]


def time_once(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds by the clock, on CUDA that of the GPU, and seconds of CPU."""
    cpu = time.process_time()
    if device.type == "cuda":
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(device)
        begun.record()
        work()
        ended.record()
        torch.cuda.synchronize(device)
        return begun.elapsed_time(ended) / 1000, time.process_time() - cpu
    clock = time.perf_counter()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def copy_bandwidth(device: torch.device) -> float:
    """Bytes per second, read and written, of copies within the memory of the device: the best of several."""
    source = torch.ones(COPY_BYTES[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    (timing,) = time_in_turn([lambda: target.copy_(source)], COPIES, device)
    return 2 * source.numel() / timing.best_s
