"""Work beside the window of which only the newest matters: a newer wish cancels the older one and takes its place."""

from collections.abc import Callable
from threading import Event
from typing import Generic, TypeVar

from PySide6.QtCore import QObject

from livecassi.app.windows.background import Background

T = TypeVar("T")


class Latest(QObject, Generic[T]):
    """Runs one act at a time in a thread; `done(value, error)` comes in the window's thread, for the newest wish only.

    `act(cancelled)` should look at the event now and then; it is set when a newer wish waits, or by `cancel`.
    """

    def __init__(self, name: str, parent: QObject) -> None:
        super().__init__(parent)
        self._name = name
        self._running: Background[T] | None = None
        self._cancelled = Event()
        self._next: tuple[Callable[[Event], T], Callable[[T | None, Exception | None], None]] | None = None

    def ask(self, act: Callable[[Event], T], done: Callable[[T | None, Exception | None], None]) -> None:
        """Run `act` as soon as the present one has ended; what waited before is forgotten."""
        self._next = act, done
        self._cancelled.set()
        self._begin()

    def cancel(self) -> None:
        """Give up what runs and what waits; nothing is told."""
        self._next = None
        self._cancelled.set()

    @property
    def busy(self) -> bool:
        """Whether something runs or waits."""
        return self._next is not None or (self._running is not None and not self._cancelled.is_set())

    @property
    def running(self) -> bool:
        """Whether a thread is at work, even if on something that was given up."""
        return self._running is not None

    def _begin(self) -> None:
        if self._running is not None or self._next is None:
            return
        act, done = self._next
        self._next = None
        self._cancelled = cancelled = Event()

        def ended(value: T | None, error: Exception | None) -> None:
            self._running = None
            wanted = not cancelled.is_set()
            self._begin()
            if wanted:
                done(value, error)

        self._running = Background(lambda: act(cancelled), ended, name=self._name, parent=self)
