"""A mailbox of few: the newest values win, and what fell out unseen is counted."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands the newest values from one thread to another; `put` never blocks and no more than `keep` values wait."""

    def __init__(self, keep: int = 1) -> None:
        self._filled = threading.Condition()
        self._values: deque[T] = deque()
        self._keep = keep
        self._replaced = 0
        self._closed = False

    @property
    def replaced(self) -> int:
        """How many values fell out before anybody took them."""
        return self._replaced

    def keep(self, count: int) -> None:
        """From now on the newest `count` values wait; older ones fall out."""
        with self._filled:
            self._keep = count
            self._shed()

    def put(self, value: T) -> None:
        """Leave the newest value; the oldest that was not taken falls out where there is no room."""
        with self._filled:
            self._values.append(value)
            self._shed()
            self._filled.notify()

    def take(self, timeout_s: float | None = None) -> list[T]:
        """Wait for values and take them all, oldest first: those newer than the last one taken.

        Empty after `timeout_s`, or once the mailbox is closed and nothing lies inside.
        """
        with self._filled:
            self._filled.wait_for(lambda: self._values or self._closed, timeout_s)
            values = list(self._values)
            self._values.clear()
            return values

    def close(self) -> None:
        """Wake every waiter for good; what lies inside may still be taken."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._values)

    @property
    def closed(self) -> bool:
        """Whether no more values will come."""
        return self._closed

    def _shed(self) -> None:
        while len(self._values) > self._keep:
            self._values.popleft()
            self._replaced += 1
