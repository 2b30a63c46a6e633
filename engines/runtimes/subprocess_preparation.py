"""Preparing in a process of its own: it can be watched and given up, and takes nothing down with it when it crashes."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING

from pydantic import ValidationError

from livecassi.calibration.store import save_calibration
from livecassi.engines.errors import DeviceMemoryError, EngineError, PreparationCancelledError, PreparationError
from livecassi.engines.runtimes.cache_folder import cannot_write
from livecassi.engines.runtimes.child_lines import LINE, Done, Failed, Line, Said
from livecassi.engines.runtimes.jobs import ExportNetwork, Job
from livecassi.engines.runtimes.preparation import Progress

if TYPE_CHECKING:
    from livecassi.engines.exporting.registry import ExportRequest

CHILD = ("-m", "livecassi.engines.runtimes.prepare_in_child")
PATIENCE_SECONDS = 5.0  # from asking a process to end to ending it
_LOOK_SECONDS = 0.1  # how often we look whether it is still wanted
_STARTED_ALONE = 0x00004000 | 0x00000200  # Windows: BELOW_NORMAL_PRIORITY_CLASS, CREATE_NEW_PROCESS_GROUP

log = logging.getLogger(__name__)


def prepare_in_child(job: Job, progress: Progress, written: Path | None = None) -> None:
    """Do a job in a process of its own, at low priority, and return when it is done.

    What libraries write goes to the file `written`. Raises `PreparationCancelledError` within a second of
    `progress.cancelled`, `DeviceMemoryError` where the system ended the process, `PreparationError` where it crashed,
    and whatever livecassi raised inside it.
    """
    run_in_child(job.model_dump_json(), job.what, progress, written)


def export_in_child(request: "ExportRequest", out: Path, progress: Progress, written: Path | None = None) -> None:
    """Export a network in a process of its own: see `export_network` and `prepare_in_child`."""
    # Beside `out`: where this process is killed, what is left of an entry of the cache is removed by the next one.
    with tempfile.TemporaryDirectory(prefix="livecassi-", dir=out.parent) as temporary:
        calibration = None
        if request.calibration is not None:
            calibration = Path(temporary) / "calibration.h5"
            save_calibration(request.calibration, calibration)
        job = ExportNetwork(
            network=request.network,
            weights=request.weights.absolute(),
            system=request.system,
            height=request.height,
            width=request.width,
            precision=request.precision,
            calibration=calibration,
            out=out.absolute(),
        )
        prepare_in_child(job, progress, written)


def run_in_child(
    task: str, what: str, progress: Progress, written: Path | None = None, program: Sequence[str] = CHILD
) -> None:
    """Hand `task`, one line, to a program that attends as `prepare_in_child.attend` does, and follow it to its end.

    `what` names the task in messages. Raises as `prepare_in_child`.
    """
    progress.say(what)
    with tempfile.TemporaryDirectory(prefix="livecassi-") as temporary:
        chatter = written or Path(temporary) / "log"
        with _opened(chatter) as file, _started(program, file, temporary) as child:
            with suppress(OSError):  # it died already: its end tells why
                child.input.write(task.encode() + b"\n")
                child.input.flush()
            _follow(child, what, progress)
            if not child.done:
                raise _death(child.process, what, chatter, kept=written is not None)


def _follow(child: "_Child", what: str, progress: Progress) -> None:
    """Pass on what the process says, until it is done or says no more.

    Its last words may come to us after it has ended: they are waited for, though not for ever, as what it started may
    hold the pipe open.
    """
    patience = int(PATIENCE_SECONDS / _LOOK_SECONDS)
    while True:
        if progress.cancelled:
            raise PreparationCancelledError(f"{what} was given up; what was begun is removed")
        try:
            line = child.lines.get(timeout=_LOOK_SECONDS)
        except Empty:
            if child.process.poll() is None:
                continue
            patience -= 1
            if patience > 0:
                continue
            return
        match line:
            case Said():
                progress.say(line.doing, line.share)
            case Failed():
                raise line.error()
            case Done():
                child.done = True
                return
            case None:
                return


class _Child:
    """A process, where to write to it, and what it tells as it comes, None at the end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        self.process, self.input = process, process.stdin
        self.lines: SimpleQueue[Line | None] = SimpleQueue()
        self.done = False
        self.reader = threading.Thread(target=self._read, name="livecassi-preparation-lines", daemon=True)
        self.reader.start()  # pipes cannot be waited for with a time limit

    def _read(self) -> None:
        for line in self.process.stdout or ():
            try:
                self.lines.put(LINE.validate_json(line))
            except ValidationError:
                log.warning("unreadable line from a preparation: %r", line[:200])
        self.lines.put(None)


@contextmanager
def _started(program: Sequence[str], chatter: IO[bytes], temporary: str) -> Iterator[_Child]:
    """The process, which has ended, and all that it started, when the block ends.

    Its temporary files are in `temporary`: it may be killed before it removes them, and torch never does.
    """
    with _process(program, chatter, temporary) as process:
        child = _Child(process)
        try:
            yield child
        finally:
            _end(process)
            child.reader.join()


def _process(program: Sequence[str], chatter: IO[bytes], temporary: str) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-X", "faulthandler", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=chatter,
            env={**os.environ, **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), temporary)},
            start_new_session=True,
            creationflags=_STARTED_ALONE if sys.platform == "win32" else 0,
        )
    except OSError as error:
        raise PreparationError(
            f"no process can be started to prepare a network ({error.strerror or error}); close other programs"
        ) from error


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        _signal(child, "SIGTERM")
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE_SECONDS)
    _signal(child, "SIGKILL")
    child.wait()


def _signal(child: "subprocess.Popen[bytes]", name: str) -> None:
    """To the process and all that it started."""
    if not hasattr(os, "killpg"):
        child.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, getattr(signal, name))


def _death(child: "subprocess.Popen[bytes]", what: str, chatter: Path, kept: bool) -> EngineError:
    """What to tell of a process that ended without a word."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(PATIENCE_SECONDS)
    code = child.returncode
    last = _last_line(chatter)
    said = f" after saying: {last}" if last else ""
    where = f"; see {chatter}" if kept else ""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        if name == "SIGKILL":
            return DeviceMemoryError(
                f"{what} was ended by the system ({name}), most likely because memory ran out; close other programs, "
                f"or choose a smaller region{where}"
            )
        return PreparationError(f"{what} crashed ({name}){said}; choose another runtime{where}")
    return PreparationError(f"{what} ended without a result (code {code}){said}{where}")


def _last_line(chatter: Path) -> str:
    try:
        lines = chatter.read_text("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextmanager
def _opened(chatter: Path) -> Iterator[IO[bytes]]:
    try:
        file = chatter.open("wb")
    except OSError as error:
        raise cannot_write(error, chatter.parent, 0) from error
    with file:
        yield file
