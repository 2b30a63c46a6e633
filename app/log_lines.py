"""The last lines of the log, kept for the window and for reports."""

import logging
from collections import deque
from types import TracebackType
from typing import Self

LINES_KEPT = 2000
FORMAT = "%(asctime)s  %(levelname)-7s  %(name)s  %(message)s"


class LogLines(logging.Handler):
    """Keeps the newest lines of the `livecassi` loggers; a context manager that attaches and detaches itself.

    Filled by any thread; `take_new` and `last` are for one reader.
    """

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter(FORMAT, "%H:%M:%S"))
        self._kept: deque[str] = deque(maxlen=LINES_KEPT)
        self._new: deque[str] = deque(maxlen=LINES_KEPT)
        self._logger = logging.getLogger("livecassi")
        self._level_before = logging.NOTSET

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record; called by `logging` in the thread that logs."""
        line = self.format(record)
        self._kept.append(line)
        self._new.append(line)

    def take_new(self) -> list[str]:
        """The lines that came since the last call."""
        lines: list[str] = []
        while self._new:
            lines.append(self._new.popleft())
        return lines

    def last(self, count: int) -> list[str]:
        """The newest `count` lines, oldest first."""
        return list(self._kept.copy())[-count:]

    def attach(self) -> None:
        """Start to listen; the loggers of livecassi then let INFO through."""
        self._level_before = self._logger.level
        if self._logger.getEffectiveLevel() > self.level:
            self._logger.setLevel(self.level)
        self._logger.addHandler(self)

    def detach(self) -> None:
        """Stop to listen. May be called again."""
        if self in self._logger.handlers:
            self._logger.removeHandler(self)
            self._logger.setLevel(self._level_before)

    def __enter__(self) -> Self:
        self.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()
