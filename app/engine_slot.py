"""The place of one engine: the next is built while the present one goes on, then they are swapped."""

import threading
from collections.abc import Callable

from livecassi.engines import Engine


class EngineSlot:
    """Holds the engine in use and the one that is ready to follow it; the last request wins.

    `build` runs in a thread of the caller; `current` and `drop` belong to the thread that reconstructs.
    """

    def __init__(self, report: Callable[[Exception], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._ready: Engine | None = None
        self._building = ""
        self._ticket = 0

    @property
    def engine(self) -> Engine | None:
        """The engine in use."""
        return self._engine

    @property
    def newest(self) -> Engine | None:
        """The engine that the next frame will meet: the one that is ready, else the one in use."""
        with self._lock:
            return self._engine if self._ready is None else self._ready

    @property
    def building(self) -> str:
        """Name of the engine that is being built, or ''."""
        return self._building

    def request(self, name: str) -> int:
        """Announce the next engine; the ticket goes to `build`. Earlier requests are void."""
        with self._lock:
            self._ticket += 1
            self._building = name
            return self._ticket

    def build(self, ticket: int, make: Callable[[], Engine]) -> None:
        """Make and enter an engine; it is used from the next frame on, unless a later request came meanwhile."""
        try:
            engine = make()
            engine.__enter__()
        except Exception as error:
            with self._lock:
                current = ticket == self._ticket
                if current:
                    self._building = ""
            if current:
                self._report(error)
            return
        with self._lock:
            current = ticket == self._ticket
            unused = self._ready if current else engine
            if current:
                self._ready = engine
                self._building = ""
        _leave(unused)

    def current(self) -> Engine | None:
        """The newest engine that is ready; the one that it follows is released."""
        with self._lock:
            if self._ready is None:
                return self._engine
            previous, self._engine, self._ready = self._engine, self._ready, None
            engine = self._engine
        _leave(previous)
        return engine

    def drop(self) -> bool:
        """Release the engine in use, which failed; False where there was none."""
        with self._lock:
            engine, self._engine = self._engine, None
        _leave(engine)
        return engine is not None

    def close(self, *, release: bool = True) -> None:
        """Forget every engine and void requests under way; `release` False where a stuck thread may use one."""
        with self._lock:
            self._ticket += 1
            engines = (self._engine, self._ready)
            self._engine = self._ready = None
            self._building = ""
        if release:
            for engine in engines:
                _leave(engine)


def _leave(engine: Engine | None) -> None:
    if engine is not None:
        engine.__exit__(None, None, None)
