"""A process that prepares nothing: `python preparing_child.py` does what the line that it is handed says.

Words of the line: what to do, then an argument. Used by the tests of preparing in a process of its own.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from livecassi.calibration import CalibrationInvalidError
from livecassi.engines.runtimes.preparation import Progress
from livecassi.engines.runtimes.prepare_in_child import attend

HOLD = "import os, socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.recv(1)"


def connected(port: str) -> socket.socket:
    """Whoever listens there sees when this process is gone."""
    return socket.create_connection(("127.0.0.1", int(port)))


def wait_for_ever() -> None:
    threading.Event().wait()


def work(task: str, progress: Progress) -> None:
    what, _, argument = task.strip().partition(" ")
    if what == "say":
        os.write(1, b"chatter of a library\n")
        progress.say("half way", 0.5)
        progress.say(f"niceness {os.nice(0)}", None)
    elif what == "refuse":
        raise CalibrationInvalidError("this calibration is broken")
    elif what == "surprise":
        raise ValueError("nobody thought of this")
    elif what == "memory":
        bytearray(1 << 60)
    elif what == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), argument)
    elif what == "limit":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        Path(argument).write_bytes(bytes(100_000))
    elif what == "die":
        sys.stderr.write("the last words\n")
        sys.stderr.flush()
        os.kill(os.getpid(), getattr(signal, argument))
        wait_for_ever()
    elif what == "litter":
        progress.say(tempfile.mkdtemp())
        os._exit(0)
    elif what == "exit":
        os._exit(int(argument))
    elif what == "hang":
        held = connected(argument)
        wait_for_ever()
        held.close()
    elif what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", HOLD, argument])
        held = connected(argument)
        grandchild.wait()
        held.close()


if __name__ == "__main__":
    attend(work)
