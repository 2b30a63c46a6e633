"""The place of one engine: the next is built while the present one goes on; one that fails gives way to an earlier."""

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from livecassi.drivers import LivecassiError
from livecassi.engines import Engine, EngineError
from livecassi.engines.errors import PreparationCancelledError
from livecassi.engines.runtimes.preparation import Progress, Watched

log = logging.getLogger(__name__)

PROVEN_NS = 60_000_000_000  # an engine that fails sooner after it was built has failed early
MOST_EARLY_FAILURES = 2  # in a row; then it is not gone back to until an operator chooses it again
MOST_REMEMBERED = 4

Make = Callable[[], Engine]
Key = tuple[str, tuple[tuple[str, str], ...]]


class EngineFailedError(EngineError):
    """An engine failed while it ran, or could not be built, and another is in its place: the message names both."""

    def __init__(self, engine: str, message: str) -> None:
        super().__init__(message)
        self.engine = engine


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What comes before an engine can be made: `prepare`, and `meanwhile` the same engine, slower, where it can be."""

    prepare: Callable[[Progress], None]
    meanwhile: Make | None = None


FindSteps = Callable[[], FirstSteps | None]


@dataclass(frozen=True, slots=True)
class Order:
    """An engine that is to be built. `again`: the slot goes back to it by itself.

    `find_steps` says what must come first, or None; it may take seconds itself.
    """

    ticket: int
    name: str
    make: Make
    again: bool = False
    find_steps: FindSteps | None = None


@dataclass(slots=True)
class _Held:
    engine: Engine
    make: Make
    since_ns: int = 0
    worked: bool = False

    @property
    def key(self) -> Key:
        info = self.engine.info
        return info.name, info.options


class EngineSlot:
    """Holds the engine in use and the one that is ready to follow it; the last request wins.

    Of engines that gave a cube it remembers how they were built, not the engines: a network that nobody uses holds
    no memory. When the one in use fails it goes back to the newest of those, and to none that failed early twice
    in a row, so that two broken engines do not alternate for ever.

    `build` runs in a thread of the caller; `current`, `worked` and `fail` belong to the thread that reconstructs.
    """

    def __init__(self, report: Callable[[Exception], None], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._report = report
        self._clock_ns = clock_ns
        self._lock = threading.Lock()  # guards everything below
        self._held: _Held | None = None
        self._ready: _Held | None = None
        self._order: Order | None = None
        self._doing = ""
        self._ticket = 0
        self._known: dict[Key, Make] = {}  # of engines that worked, the one used last at the end
        self._early_failures: dict[Key, int] = {}

    @property
    def engine(self) -> Engine | None:
        """The engine in use."""
        held = self._held
        return held.engine if held is not None else None

    @property
    def newest(self) -> Engine | None:
        """The engine that the next frame will meet: the one that is ready, else the one in use."""
        with self._lock:
            held = self._ready or self._held
            return held.engine if held is not None else None

    @property
    def building(self) -> str:
        """Name of the engine that is being built, or ''."""
        order = self._order
        return order.name if order is not None else ""

    @property
    def preparing(self) -> str:
        """What is being done once for the engine that is being built, such as "exporting pg-svrt, 40 %", or ''."""
        return self._doing

    @property
    def changing(self) -> bool:
        """Whether `current` will give another engine than the one in use."""
        return self._ready is not None

    # ---- building ------------------------------------------------------------------------------------------------

    def request(self, name: str, make: Make, find_steps: FindSteps | None = None) -> Order:
        """Announce the next engine; the order goes to `build`. Earlier requests are void."""
        with self._lock:
            return self._place(name, make, again=False, find_steps=find_steps)

    def cancel(self) -> None:
        """Nobody wants the engine that is being built any more; the one in use goes on."""
        with self._lock:
            self._ticket += 1
            self._order, self._doing = None, ""

    def build(self, order: Order | None) -> None:
        """Make and enter an engine; it is used from the next frame on, unless a later request came meanwhile.

        Where it cannot be built the one in use goes on, else the slot goes back to an earlier one that worked.
        """
        while order is not None:
            try:
                self._take_first_steps(order)
                engine = _entered(order.make)
            except PreparationCancelledError:
                return
            except Exception as error:
                order = self._not_built(order, error)
            else:
                self._built(order, _Held(engine, order.make), last=True)
                return

    def _take_first_steps(self, order: Order) -> None:
        steps = order.find_steps() if order.find_steps is not None else None
        if steps is None:
            return
        if steps.meanwhile is not None and self._held is None and self._ready is None:
            try:
                slower = _Held(_entered(steps.meanwhile), steps.meanwhile)
            except Exception:
                log.warning("engine '%s' cannot run while it is being prepared", order.name, exc_info=True)
            else:
                self._built(order, slower, last=False)
        steps.prepare(Watched(partial(self._tell, order), lambda: order.ticket != self._ticket))

    def _tell(self, order: Order, doing: str, share: float | None) -> None:
        with self._lock:
            if order.ticket == self._ticket:
                self._doing = doing if share is None else f"{doing}, {share:.0%}".replace("%", " %")

    def _built(self, order: Order, made: _Held, last: bool) -> None:
        with self._lock:
            current = order.ticket == self._ticket
            unused = self._ready if current else made
            if current:
                self._ready = made
                if last:
                    self._order, self._doing = None, ""
                if not order.again:
                    self._early_failures.pop(made.key, None)
        _leave(unused)

    def _not_built(self, order: Order, error: Exception) -> Order | None:
        with self._lock:
            if order.ticket != self._ticket:
                return None
            goes_on = self._ready or self._held
            if order.again:
                self._known = {key: make for key, make in self._known.items() if make is not order.make}
            follower = self._go_back() if goes_on is None else None
        if goes_on is not None:
            what_now = f"'{goes_on.engine.info.name}' goes on"
        elif follower is not None:
            what_now = f"went back to '{follower.name}'"
        else:
            what_now = ""
        self._report(_not_built_error(order, error, what_now))
        with self._lock:
            if self._order is order:
                self._order, self._doing = (
                    None,
                    "",
                )  # only now: who sees that nothing is being built any more finds the error told
                if goes_on is not None and self._ready is None and self._held is None:  # it failed meanwhile
                    follower = self._go_back()
        return follower

    # ---- the thread that reconstructs ----------------------------------------------------------------------------

    def current(self) -> Engine | None:
        """The newest engine that is ready; the one that it follows is released."""
        with self._lock:
            previous = None
            if self._ready is not None:
                previous, self._held, self._ready = self._held, self._ready, None
                self._held.since_ns = self._clock_ns()
            engine = self._held.engine if self._held is not None else None
        _leave(previous)
        return engine

    def worked(self) -> None:
        """The engine in use gave a cube: it is one to go back to."""
        with self._lock:
            held = self._held
            if held is None or held.worked:
                return
            held.worked = True
            self._known.pop(held.key, None)
            self._known[held.key] = held.make
            while len(self._known) > MOST_REMEMBERED:
                del self._known[next(iter(self._known))]

    def fail(self, error: Exception) -> tuple[Exception, Order | None]:
        """Release the engine in use, which raised `error`; what to tell, and what to build in its place, if anything.

        A frame that cannot be corrected (one with NaN) never comes here: no engine sees it. Whatever else an engine
        raises is its own failure, also where another frame would have passed: what state it left is not known.
        """
        with self._lock:
            held, self._held = self._held, None
            if held is None:
                return error, None
            early = self._clock_ns() - held.since_ns < PROVEN_NS
            self._early_failures[held.key] = self._early_failures.get(held.key, 0) + 1 if early else 0
            follower = None
            if self._ready is not None:
                what_now = f"'{self._ready.engine.info.name}' takes its place"
            elif self._order is not None:
                what_now = f"'{self._order.name}' is being prepared"
            elif (follower := self._go_back(failed=held.key)) is not None:
                again = follower.name == held.engine.info.name
                what_now = f"went back to '{follower.name}'" + (" with its options before" if again else "")
            else:
                what_now = ""
        _leave(held)
        traceback.clear_frames(error.__traceback__)  # they hold what the engine computed, also on a graphics card
        if not what_now:
            return error, None
        name = held.engine.info.name
        told = EngineFailedError(name, f"engine '{name}' failed: {_words(error)}; {what_now}")
        told.__cause__ = error
        return told, follower

    def close(self, *, release: bool = True) -> None:
        """Forget every engine and void requests under way; `release` False where a stuck thread may use one."""
        with self._lock:
            self._ticket += 1
            held = (self._held, self._ready)
            self._held = self._ready = self._order = None
            self._doing = ""
            self._known.clear()
            self._early_failures.clear()
        if release:
            for one in held:
                _leave(one)

    # ---- under the lock ------------------------------------------------------------------------------------------

    def _place(self, name: str, make: Make, again: bool, find_steps: FindSteps | None = None) -> Order:
        self._ticket += 1
        self._order, self._doing = Order(self._ticket, name, make, again, find_steps), ""
        return self._order

    def _go_back(self, failed: Key | None = None) -> Order | None:
        for key in reversed(self._known):
            if key != failed and self._early_failures.get(key, 0) < MOST_EARLY_FAILURES:
                return self._place(key[0], self._known[key], again=True)
        return None


def _not_built_error(order: Order, error: Exception, what_now: str) -> Exception:
    if not what_now:
        return error
    words = _words(error)
    if not isinstance(error, LivecassiError):
        words = f"engine '{order.name}' could not be built: {words}"
    told = EngineFailedError(order.name, f"{words}; {what_now}")
    told.__cause__ = error
    return told


def _words(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _entered(make: Make) -> Engine:
    engine = make()
    engine.__enter__()
    return engine


def _leave(held: _Held | None) -> None:
    if held is None:
        return
    try:
        held.engine.__exit__(None, None, None)
    except Exception:
        log.exception("engine '%s' could not be released", held.engine.info.name)
