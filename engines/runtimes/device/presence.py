"""Which threads a device is current in, so that a call from elsewhere is refused in words instead of by a crash."""

import threading

from livecassi.engines.errors import EngineError


class Presence:
    """Counts how often each thread has entered."""

    def __init__(self) -> None:
        self._inside: dict[int, int] = {}

    def enter(self) -> None:
        """This thread comes in."""
        me = threading.get_ident()
        self._inside[me] = self._inside.get(me, 0) + 1

    def leave(self) -> None:
        """This thread leaves once."""
        self.check()
        me = threading.get_ident()
        self._inside[me] -= 1
        if not self._inside[me]:
            del self._inside[me]

    def check(self) -> None:
        """Raises `EngineError` where the device is not current in this thread."""
        if threading.get_ident() not in self._inside:
            raise EngineError("the device is not current in this thread; use it inside 'with'")

    def check_nobody_else(self) -> None:
        """Raises `EngineError` where another thread is inside."""
        if set(self._inside) - {threading.get_ident()}:
            raise EngineError("the device is still in use by another thread; end that before closing")
