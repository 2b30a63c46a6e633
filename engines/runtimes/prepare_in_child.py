"""The process that prepares one thing, started by `subprocess_preparation`:
`python -m livecassi.engines.runtimes.prepare_in_child`.

The job comes as one line of JSON on standard input, which stays open as long as the starting process lives. Lines of
`child_lines` go to standard output, and whatever libraries write there goes to standard error, which is the log.
"""

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from livecassi.drivers.errors import LivecassiError
from livecassi.engines.errors import DeviceMemoryError, PreparationError
from livecassi.engines.runtimes.cache_folder import disk_full
from livecassi.engines.runtimes.child_lines import Done, Failed, Line, Said
from livecassi.engines.runtimes.jobs import JOB, BuildPlan, CompileForOpenVino, ExportNetwork, Job
from livecassi.engines.runtimes.preparation import Progress

_NICENESS = 10  # the live view keeps its cores
_PR_SET_PDEATHSIG = 1


def carry_out(job: Job, progress: Progress) -> None:
    """Make what a job wants. Raises what the part that makes it raises."""
    match job:
        case ExportNetwork():
            _export(job, progress)
        case CompileForOpenVino():
            from livecassi.engines.runtimes.openvino_cpu import OpenVinoCpu

            OpenVinoCpu(job.network, job.precision, job.threads).compile_to(job.blob)
        case BuildPlan():
            from livecassi.engines.runtimes.tensorrt.builder import build_plan

            build_plan(job.network, job.plan, job.options, progress)


def _export(job: ExportNetwork, progress: Progress) -> None:
    from livecassi.calibration.store import load_calibration
    from livecassi.engines.exporting.export import export_network
    from livecassi.engines.exporting.registry import ExportRequest

    calibration = load_calibration(job.calibration) if job.calibration else None
    request = ExportRequest(job.network, job.weights, job.system, job.height, job.width, job.precision, calibration)
    export_network(request, job.out, progress)


def attend(work: Callable[[str, Progress], None]) -> None:
    """Do `work(line from standard input, progress)`, tell how it goes, and end the process."""
    channel = _taken_stdout()
    _end_with_the_starter()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    report = _Report(channel)
    task = sys.stdin.readline()
    threading.Thread(target=_end_at_the_end_of_input, name="livecassi-starter-watch", daemon=True).start()
    report.tell(_outcome(work, task, report))
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(0)  # all is told: a library that hangs or crashes in its clean-up changes nothing


def _outcome(work: Callable[[str, Progress], None], task: str, progress: Progress) -> Line:
    try:
        work(task, progress)
    except LivecassiError as error:
        if error.__cause__ is not None:
            with suppress(OSError):  # the log may be on a full disk
                traceback.print_exc()
        return Failed.of(error)
    except MemoryError:
        return Failed.of(DeviceMemoryError("the memory of this machine does not hold what is being prepared"))
    except Exception as error:  # the top of the process: whatever happens is told
        if isinstance(error, OSError) and disk_full(error):
            where = f" for {error.filename}" if error.filename else ""
            return Failed.of(PreparationError(f"no space left{where} ({error.strerror}); free some and try again"))
        with suppress(OSError):  # the log may be on a full disk, too
            traceback.print_exc()
        return Failed.of(PreparationError(f"{type(error).__name__}: {error}"))
    return Done()


class _Report:
    """The `Progress` of the process: whoever started it ends it where nobody wants it any more."""

    cancelled = False

    def __init__(self, channel: TextIO) -> None:
        self._channel = channel
        self._lock = threading.Lock()

    def say(self, doing: str, share: float | None = None) -> None:
        self.tell(Said(doing=doing, share=share))

    def tell(self, line: Line) -> None:
        with self._lock:
            self._channel.write(line.model_dump_json() + "\n")
            self._channel.flush()


def _taken_stdout() -> TextIO:
    """Standard output for our lines alone: what libraries write there goes to standard error from now on."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(2, 1)
    return channel


def _end_with_the_starter() -> None:
    """On Linux the kernel ends this process with the thread that started it, even while a library holds the GIL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_at_the_end_of_input() -> None:
    """Elsewhere, and for what this process itself has started: standard input ends with the starter."""
    with suppress(OSError):
        while os.read(0, 1):
            pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Prepare what standard input asks for."""
    attend(lambda task, progress: carry_out(JOB.validate_json(task), progress))


if __name__ == "__main__":
    main()
