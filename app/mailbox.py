"""A mailbox of one: the newest value wins, and what it replaced is counted."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands the newest value from one thread to another; `put` never blocks."""

    def __init__(self) -> None:
        self._filled = threading.Condition()
        self._value: T | None = None
        self._replaced = 0
        self._closed = False

    @property
    def replaced(self) -> int:
        """How many values were overwritten before anybody took them."""
        return self._replaced

    def put(self, value: T) -> None:
        """Leave the newest value, replacing one that was not taken."""
        with self._filled:
            if self._value is not None:
                self._replaced += 1
            self._value = value
            self._filled.notify()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Wait for a value and take it; None after `timeout_s` or once the mailbox is closed and empty."""
        with self._filled:
            self._filled.wait_for(lambda: self._value is not None or self._closed, timeout_s)
            value, self._value = self._value, None
            return value

    def close(self) -> None:
        """Wake every waiter for good; what lies inside may still be taken."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()

    @property
    def closed(self) -> bool:
        """Whether no more values will come."""
        return self._closed
