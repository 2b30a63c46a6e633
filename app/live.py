"""The reconstruction of one run: newest frames -> measurements -> engine -> results for the screen."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event

from livecassi.app.engine_slot import EngineSlot
from livecassi.app.mailbox import Mailbox
from livecassi.app.rate import RateMeter
from livecassi.app.result import Result
from livecassi.calibration import Corrector, Inspection, Measurement
from livecassi.drivers import Frame
from livecassi.engines import Cube, Engine
from livecassi.engines.frame_engine import FrameEngine, Made, Seen, Wanted

LATE_ENGINE_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the run calls: `report` an error, the engine's `failed`, `keep` a cube, whether cubes are being kept.

    `wanted` is what the screen wants of the frames to come, where an engine can choose what it gives.
    """

    report: Callable[[Exception], None]
    failed: Callable[[Exception], None]
    keep: Callable[[Cube], None]
    keeps_cubes: Callable[[], bool]
    wanted: Callable[[], Wanted]


@dataclass(frozen=True, slots=True)
class _Turn:
    """A frame that has its turn at the engine."""

    frame: Frame
    inspected: Inspection


class LiveReconstruction:
    """One run of a source: `run` is the work of the reconstruction thread, the rest is read by others.

    The acquisition offers every frame: `frames` holds as many as the engine in use looks at, `newest_frame` is for a
    screen that does not wait for an engine, and `results` is emptied by the screen.
    An engine that keeps up is given every frame. One that does not is given the newest consecutive frames: as many
    as a pass takes get their cubes, those before are only observed, so that a window never has holes of our making.
    A `FrameEngine` is given frames as they came, and gives cubes only where they are wanted.
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
        self._seen: Seen | None = None
        self._newest: _Turn | None = None
        self._gave_a_cube = False  # the engine in use
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
            self._take([self._newest.frame], stop)
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
        turns = [turn for frame in frames if (turn := self._inspected(frame)) is not None]
        if not turns:
            return
        engine = self._engine_in_use()
        self._newest = turns[-1]
        self.saturated_fraction = turns[-1].inspected.saturated_fraction
        if engine is None:
            self._cube = self._seen = None
            self._skipped += len(turns) - 1
            self._show(turns[-1])
            return
        if self._cube is None:
            self._show(turns[-1])  # a first cube can take long: show the frame meanwhile
        due = engine.info.latency + 1  # what one pass gives cubes to, and the frame that it may look ahead
        try:
            for turn in turns[:-due]:
                self._skipped += 1
                self._observe(engine, turn)
            for turn in turns[-due:]:
                if stop.is_set():
                    return
                self._reconstruct(engine, turn, more=turn is not turns[-1] or self.frames.waiting)
                self._show(turn)
        except Exception as error:
            self._give_up(error)

    def _inspected(self, frame: Frame) -> _Turn | None:
        """None for a frame that cannot be corrected, such as one with NaN: it is left out, the first one is told."""
        try:
            return _Turn(frame, self._corrector.inspect(frame))
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
            self._gave_a_cube = False
            self._times_ns = deque(maxlen=1 if engine is None else engine.info.hop)
        self.frames.keep(1 if engine is None else engine.info.window)
        return engine

    def _observe(self, engine: Engine, turn: _Turn) -> None:
        if isinstance(engine, FrameEngine) and turn.frame.bit_depth:
            engine.observe_frame(turn.frame, self._pedestal)
        else:
            engine.observe(self._measurement(turn))

    def _reconstruct(self, engine: Engine, turn: _Turn, more: bool) -> None:
        started = self._clock_ns()
        self._owed += 1
        if isinstance(engine, FrameEngine) and turn.frame.bit_depth:
            wanted = self._hooks.wanted()
            cubes = wanted.cubes or not self._gave_a_cube or self._hooks.keeps_cubes()
            engine.want(wanted if cubes == wanted.cubes else replace(wanted, cubes=cubes))
            made = engine.reconstruct_frame(turn.frame, self._pedestal, more)
        else:
            cube = engine.reconstruct(self._measurement(turn))
            made = [] if cube is None else [Made(cube)]
        self._times_ns.append(self._clock_ns() - started)
        for one in made:
            self._came(one)

    @property
    def _pedestal(self) -> float:
        return self._corrector.pedestal or 0.0

    def _measurement(self, turn: _Turn) -> Measurement:
        return self._corrector.measurement(turn.frame, turn.inspected)

    def _came(self, made: Made) -> None:
        self._seen = made.seen
        self._owed -= 1
        self._engines.worked()
        self._cube_rate.tick(self._clock_ns())
        if made.cube is not None:
            self._cube, self._gave_a_cube = made.cube, True
            self._hooks.keep(made.cube)

    def _settle(self, engine: Engine | None) -> None:
        """Take from the engine what it still owes, and show the last of it."""
        if engine is None:
            return
        try:
            made = engine.flush_frames() if isinstance(engine, FrameEngine) else []
            made += [Made(cube) for cube in engine.flush()]
        except Exception as error:
            self._give_up(error)
            return
        for one in made:
            self._came(one)
        if made and self._newest is not None:
            self._show(self._newest)

    def _give_up(self, error: Exception) -> None:
        """The engine failed: frames go on raw until another is in its place."""
        self._skipped += self._owed
        self._owed = 0
        self._cube = self._seen = None
        self._hooks.failed(error)
        if self._newest is not None:
            self._show(self._newest)

    def _show(self, turn: _Turn) -> None:
        self.results.put(Result(turn.frame, turn.inspected.flags, self._cube, self.reconstruct_ms, self._seen))
