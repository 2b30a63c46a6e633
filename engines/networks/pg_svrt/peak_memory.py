"""How much memory a pass of PG-SVRT takes at its peak.

On a CPU that is the resident set of a process that does nothing else, run as a program of its own:
`python -m livecassi.engines.networks.pg_svrt.peak_memory SYSTEM HEIGHT WIDTH WEIGHTS PRECISION THREADS` writes one line
of JSON. On CUDA it is what torch's allocator handed out.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch

from livecassi.calibration import System
from livecassi.engines.errors import EngineError
from livecassi.engines.networks.pg_svrt.timing import on_threads
from livecassi.engines.networks.pg_svrt.trial import draw_trial, load_for_trials
from livecassi.engines.networks.runner import Placing
from livecassi.engines.precision import Precision

T = TypeVar("T")

MODULE = "livecassi.engines.networks.pg_svrt.peak_memory"
STATUS, FORGET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PASSES = 2  # what the first one freed may lie about in pieces that do not serve the second


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Bytes before the passes, with the network, the mask and the libraries in memory, and at the peak."""

    start: int
    peak: int


def peak_in_fresh_process(
    system: System, height: int, width: int, weights: Path, precision: Precision, threads: int
) -> PeakMemory | None:
    """On a CPU; None on systems that do not tell (others than Linux). Raises `EngineError` where the process failed."""
    if not STATUS.exists() or "VmHWM" not in STATUS.read_text("ascii"):
        return None
    command = [sys.executable, "-m", MODULE, system, str(height), str(width), str(weights), precision, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise EngineError(
            f"the process that measures the memory of a pass over {height} x {width} px ended with code "
            f"{done.returncode} ({said[-1] if said else 'without a word'}); -9 is the system's answer where memory ran "
            "out: choose smaller sizes"
        )
    return PeakMemory(**json.loads(done.stdout))


def with_peak_on_cuda(work: Callable[[], T], device: torch.device) -> tuple[T, PeakMemory | None]:
    """What `work` gives, and what torch's allocator had handed out at its peak; None on a CPU."""
    if device.type != "cuda":
        return work(), None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    start = torch.cuda.memory_allocated(device)
    result = work()
    torch.cuda.synchronize(device)
    return result, PeakMemory(start, torch.cuda.max_memory_allocated(device))


def peak_of_passes(
    system: System, height: int, width: int, weights: Path, precision: Precision, threads: int
) -> PeakMemory:
    """Run the passes in this process and read its resident set (Linux)."""
    with on_threads(threads):
        trial = draw_trial(load_for_trials(weights, system), weights, height, width)
        runner, window = trial.runner(Placing("cpu", precision)), trial.window
        with suppress(OSError):  # where it cannot be written, the peak of drawing the scene may be the larger one
            FORGET_PEAK.write_text("5")
        start = _kib("VmRSS") * 1024
        for _ in range(PASSES):
            runner.run(window)
        return PeakMemory(start, _kib("VmHWM") * 1024)


def _kib(entry: str) -> int:
    lines = STATUS.read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{entry}:"))


def main() -> None:
    """Measure and write {"start", "peak"}, in bytes."""
    system, height, width, weights, precision, threads = sys.argv[1:]
    found = peak_of_passes(System(system), int(height), int(width), Path(weights), Precision(precision), int(threads))
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
