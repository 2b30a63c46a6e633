"""Slow acts beside the window: stopping a session, opening a source, closing files. The picture stays alive."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, QTimer

T = TypeVar("T")
POLL_MS = 20


class Background(QObject, Generic[T]):
    """Runs `act` in a thread of its own and calls `done(value, error)` in the window's thread.

    Exactly one of the two is None where `act` returns something. With `patience_s` the wait ends with a
    `TimeoutError`, and the thread is left behind.
    """

    def __init__(
        self,
        act: Callable[[], T],
        done: Callable[[T | None, Exception | None], None],
        *,
        name: str,
        parent: QObject,
        patience_s: float | None = None,
    ) -> None:
        super().__init__(parent)
        self._act, self._done = act, done
        self._value: T | None = None
        self._error: Exception | None = None
        self._polls_left = None if patience_s is None else round(patience_s * 1000 / POLL_MS)
        self._thread = threading.Thread(target=self._run, name=f"livecassi-{name}", daemon=True)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._thread.start()
        self._timer.start(POLL_MS)

    def _run(self) -> None:
        try:
            self._value = self._act()
        except Exception as error:
            self._error = error

    def _poll(self) -> None:
        if self._thread.is_alive():
            if self._polls_left is None:
                return
            self._polls_left -= 1
            if self._polls_left > 0:
                return
            self._error = TimeoutError(f"{self._thread.name} did not end in time")
        self._timer.stop()
        self.deleteLater()
        self._done(self._value, self._error)
