"""What NVIDIA's libraries say, into Python's logging, and to whoever listens for the reason of a failure."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from livecassi.engines.errors import DeviceMemoryError, EngineError
from livecassi.engines.runtimes.tensorrt.api import Api, EnumMember

LEVELS = {
    "INTERNAL_ERROR": logging.WARNING,  # an error of ours follows it and says what to do
    "ERROR": logging.WARNING,
    "WARNING": logging.INFO,
    "INFO": logging.DEBUG,
}  # VERBOSE, ten lines for every node, is not kept
LAST_LINES = 3
SMALLER = "choose a smaller region of the sensor or another engine"
NO_MEMORY = ("out of memory", "outofmemory", "could not be allocated", "memoryallocation", "failed_allocation")

log = logging.getLogger(__name__)


class NativeLog:
    """`native` is given to the library, which may call it from any thread."""

    def __init__(self, api: Api) -> None:
        hear = self._hear

        class Logger(api.ILogger):  # type: ignore[misc,name-defined] # the base is known at run time only
            def __init__(self) -> None:
                api.ILogger.__init__(self)

            def log(self, severity: EnumMember, message: str) -> None:
                hear(severity.name, message)

        self._lock = threading.Lock()
        self._listeners: list[list[str]] = []
        self.native: object = Logger()

    @contextmanager
    def heard(self) -> Iterator[list[str]]:
        """The lines that are said until the block ends, "ERROR: ..." and so on."""
        lines: list[str] = []
        with self._lock:
            self._listeners.append(lines)
        try:
            yield lines
        finally:
            with self._lock:
                self._listeners = [listener for listener in self._listeners if listener is not lines]

    def _hear(self, severity: str, message: str) -> None:
        if severity not in LEVELS:
            return
        log.log(LEVELS[severity], "%s", message)
        with self._lock:
            for listener in self._listeners:
                listener.append(f"{severity}: {message}")


@cache
def native_log(api: Api) -> NativeLog:
    """The log of a library. A process has one: the library keeps the first logger it is given and ignores others."""
    return NativeLog(api)


def failure(what: str, lines: list[str], advice: str, otherwise: type[EngineError] = EngineError) -> EngineError:
    """The error for a failure, with the reason among the lines; too little memory where they say so."""
    errors = [line for line in lines if line.startswith(("ERROR", "INTERNAL_ERROR"))]
    reason = "; ".join(" ".join(line.split()) for line in (errors or lines)[-LAST_LINES:]) or "it gave no reason"
    if any(sign in line.casefold() for line in errors for sign in NO_MEMORY):
        return DeviceMemoryError(f"{what}: the memory of the GPU does not hold it ({reason}); {SMALLER}")
    return otherwise(f"{what} ({reason}); {advice}")
