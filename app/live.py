"""The reconstruction of one run: newest frames -> measurements -> engine -> results for the screen."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from livecassi.app.engine_slot import EngineSlot
from livecassi.app.mailbox import Mailbox
from livecassi.app.rate import RateMeter
from livecassi.app.result import Result
from livecassi.calibration import Corrector, Measurement
from livecassi.drivers import Frame
from livecassi.engines import Cube, Engine

LATE_ENGINE_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the run calls: `report` an error, the engine's `failed`, `keep` a cube, whether cubes are being kept."""

    report: Callable[[Exception], None]
    failed: Callable[[Exception], None]
    keep: Callable[[Cube], None]
    keeps_cubes: Callable[[], bool]


class LiveReconstruction:
    """One run of a source: `run` is the work of the reconstruction thread, the rest is read by others.

    The acquisition offers every frame: `frames` holds as many as the engine in use looks at, `newest_frame` is for a
    screen that does not wait for an engine, and `results` is emptied by the screen.
    An engine that keeps up is given every frame. One that does not is given the newest consecutive frames: as many
    as a pass takes get their cubes, those before are only observed, so that a window never has holes of our making.
    """

    def __init__(
        self,
        corrector: Corrector,
        engines: EngineSlot,
        cube_rate: RateMeter,
        hooks: Hooks,
        clock_ns: Callable[[], int],
    ) -> None:
        self.frames: Mailbox[Frame] = Mailbox()
        self.results: Mailbox[Result] = Mailbox()
        self.newest_frame: Frame | None = None
        self.saturated_fraction: float | None = None
        self._corrector, self._engines, self._cube_rate = corrector, engines, cube_rate
        self._hooks, self._clock_ns = hooks, clock_ns
        self._cube: Cube | None = None
        self._newest: tuple[Frame, Measurement] | None = None
        self._owed = self._skipped = 0
        self._times_ns: deque[int] = deque(maxlen=1)  # of as many calls as make one pass
        self._refused_a_frame = False

    def offer(self, frame: Frame) -> None:
        """Leave a frame for the screen and the engine; never waits. The acquisition thread calls it."""
        self.newest_frame = frame  # before it can become a result: the newest frame is never older than one
        self.frames.put(frame)

    @property
    def replaced(self) -> int:
        """How many frames got no cube because a newer one came, or the engine was changed."""
        return self.frames.replaced + self._skipped

    @property
    def reconstruct_ms(self) -> float:
        """The time per cube; 0 before a whole pass was made."""
        times, calls = tuple(self._times_ns), self._times_ns.maxlen
        return sum(times) / len(times) / 1e6 if len(times) == calls else 0.0

    # ---- the reconstruction thread -------------------------------------------------------------------------------

    def run(self, stop: Event) -> None:
        """Until the source ends, whose last cubes are waited for, or until `stop`, which waits for one pass at most."""
        self._forget_the_run_before()
        while not stop.is_set() and (frames := self.frames.take()):
            self._take(frames, stop)
        if self._newest is not None and self._engine_comes_late(stop):
            self._take([self._newest[0]], stop)
        if not stop.is_set():
            self._settle(self._engines.engine)
        self.results.close()

    def _forget_the_run_before(self) -> None:
        engine = self._engines.engine
        if engine is None:
            return
        try:
            engine.reset()
        except Exception as error:
            self._give_up(error)

    def _engine_comes_late(self, stop: Event) -> bool:
        """Wait for an engine that is still being built although the source ended before its first cube."""
        while self._engines.building and not stop.wait(LATE_ENGINE_POLL_S):
            pass
        return self._engines.changing and self._cube is None and not self._owed and not stop.is_set()

    def _take(self, frames: list[Frame], stop: Event) -> None:
        pairs = [(frame, measurement) for frame in frames if (measurement := self._correct(frame)) is not None]
        if not pairs:
            return
        engine = self._engine_in_use()
        self._newest = pairs[-1]
        self.saturated_fraction = pairs[-1][1].saturated_fraction
        if engine is None:
            self._cube = None
            self._skipped += len(pairs) - 1
            self._show(*pairs[-1])
            return
        if self._cube is None:
            self._show(*pairs[-1])  # a first cube can take long: show the frame meanwhile
        due = engine.info.latency + 1  # what one pass gives cubes to, and the frame that it may look ahead
        try:
            for _, measurement in pairs[:-due]:
                self._skipped += 1
                engine.observe(measurement)
            for frame, measurement in pairs[-due:]:
                if stop.is_set():
                    return
                self._reconstruct(engine, measurement)
                self._show(frame, measurement)
        except Exception as error:
            self._give_up(error)

    def _correct(self, frame: Frame) -> Measurement | None:
        """None for a frame that cannot be corrected, such as one with NaN: it is left out, the first one is told."""
        try:
            return self._corrector.correct(frame)
        except Exception as error:
            if not self._refused_a_frame:
                self._hooks.report(error)
            self._refused_a_frame = True
            return None

    def _engine_in_use(self) -> Engine | None:
        """The engine for the next frames; what the one before it still owes is made only where cubes are kept."""
        if self._engines.changing:
            if self._hooks.keeps_cubes():
                self._settle(self._engines.engine)
            self._skipped += self._owed
            self._owed = 0
        before, engine = self._engines.engine, self._engines.current()
        if engine is not before:
            self._times_ns = deque(maxlen=1 if engine is None else engine.info.hop)
        self.frames.keep(1 if engine is None else engine.info.window)
        return engine

    def _reconstruct(self, engine: Engine, measurement: Measurement) -> None:
        started = self._clock_ns()
        self._owed += 1
        cube = engine.reconstruct(measurement)
        self._times_ns.append(self._clock_ns() - started)
        if cube is not None:
            self._came(cube)

    def _came(self, cube: Cube) -> None:
        self._cube = cube
        self._owed -= 1
        self._engines.worked()
        self._cube_rate.tick(self._clock_ns())
        self._hooks.keep(cube)

    def _settle(self, engine: Engine | None) -> None:
        """Take from the engine what it still owes, and show the last of it."""
        if engine is None:
            return
        try:
            cubes = engine.flush()
        except Exception as error:
            self._give_up(error)
            return
        for cube in cubes:
            self._came(cube)
        if cubes and self._newest is not None:
            self._show(*self._newest)

    def _give_up(self, error: Exception) -> None:
        """The engine failed: frames go on raw until another is in its place."""
        self._skipped += self._owed
        self._owed = 0
        self._cube = None
        self._hooks.failed(error)
        if self._newest is not None:
            self._show(*self._newest)

    def _show(self, frame: Frame, measurement: Measurement) -> None:
        self.results.put(Result(frame, measurement, self._cube, self.reconstruct_ms))
