"""What an engine needs done once, which takes long and is kept: shown while it goes on, and can be given up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from livecassi.engines.errors import PreparationCancelledError


class Progress(Protocol):
    """Follows a preparation. Called from the thread that prepares."""

    def say(self, doing: str, share: float | None = None) -> None:
        """What is being done, such as "exporting pg-svrt", and which share 0..1 of it is done, where that is known.

        Raises `PreparationCancelledError` where nobody wants the result any more.
        """
        ...

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the result any more."""
        ...


class Unwatched:
    """Nobody follows, nobody gives up."""

    cancelled = False

    def say(self, doing: str, share: float | None = None) -> None:
        """Nothing is shown."""


class Watched:
    """Tells `show(doing, share)`; given up once `gone()` is true."""

    def __init__(self, show: Callable[[str, float | None], None], gone: Callable[[], bool] = lambda: False) -> None:
        self._show, self._gone = show, gone

    @property
    def cancelled(self) -> bool:
        """See `Progress`."""
        return self._gone()

    def say(self, doing: str, share: float | None = None) -> None:
        """See `Progress`."""
        if self._gone():
            raise PreparationCancelledError(f"{doing} was given up; what was begun is removed")
        self._show(doing, share)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What must be made before an engine can start quickly on this machine: once, then it is kept.

    `meanwhile` holds the options with which the same engine runs at once, though slower; None where it cannot.
    `needed` is false where the engine, built without it, just runs so.
    """

    what: str
    run: Callable[[Progress], None]
    meanwhile: Mapping[str, object] | None = None
    needed: bool = True
