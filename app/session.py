"""The session: the one place that starts and joins threads.

    acquisition      source -> recorder (every frame, in order) -> mailbox of one
    reconstruction   mailbox -> correct -> engine -> mailbox of one for the screen
    writer           recorder queue -> disk
    builder          makes the next engine while the previous one goes on

Disk is first-in first-out and may not lose; the screen is latest-wins and may. No Qt here: a window pulls with
`take_result`, a command waits in `wait_result`.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from livecassi.app.engine_slot import EngineSlot
from livecassi.app.mailbox import Mailbox
from livecassi.app.rate import RateMeter
from livecassi.app.recording import Recorder, RecorderStats, RecordingOptions
from livecassi.calibration import Calibration, Corrector, Measurement
from livecassi.drivers import Frame, LivecassiError, Source, SourceSettings
from livecassi.engines import Cube, Engine

log = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 5.0  # closing never hangs: a thread stuck in a vendor's library is left behind
LATE_ENGINE_POLL_S = 0.02
WRITER_TIMEOUT_S = 60.0  # a slow disk gets the time to take what is queued


class SessionState(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"  # a source with an end delivered its last frame
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """What the screen shows: the raw frame, its measurement, and the cube where an engine made one."""

    frame: Frame
    measurement: Measurement
    cube: Cube | None
    reconstruct_ms: float


@dataclass(frozen=True, slots=True)
class SessionStats:
    """One reading of every counter. `lost`: gaps in the source's indices; `dropped`: frames that the recorder
    could not keep; `replaced`: frames that the screen skipped because a newer one came.
    """

    state: SessionState
    camera_hz: float
    reconstruction_hz: float
    reconstruct_ms: float
    frames: int
    lost: int
    replaced: int
    saturated_fraction: float | None
    settings: SourceSettings
    recorder: RecorderStats | None
    engine: str
    building: str
    error: Exception | None


class Session:
    """Runs one source through one calibration and a changing engine; a context manager that closes it.

    `release` frees what the source holds (a camera, open files); it is called once, by `close`.
    """

    def __init__(
        self,
        source: Source,
        calibration: Calibration,
        *,
        release: Callable[[], None] = lambda: None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.source = source
        self.calibration = calibration
        self._corrector = Corrector(calibration, pedestal=None)
        self._release = release
        self._clock_ns = clock_ns
        self._settings = source.configure(SourceSettings())
        self._waits = source.info.waits  # for the disk and through a pause
        self._newest: Mailbox[Frame] = Mailbox()
        self._results: Mailbox[Result] = Mailbox()
        self._stop = threading.Event()
        self._resume = threading.Event()
        self._resume.set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()  # guards recorder and error
        self._recorder: Recorder | None = None
        self._writer: threading.Thread | None = None
        self._frames_to_record: int | None = None
        self._latest_recorder: Recorder | None = None
        self._engines = EngineSlot(self._report)
        self._error: Exception | None = None
        self._state = SessionState.IDLE
        self._camera_rate = RateMeter()
        self._cube_rate = RateMeter()
        self._frames = 0
        self._lost = 0
        self._replaced_before = 0
        self._reconstruct_ms = 0.0
        self._cube_came = False
        self._saturated: float | None = None

    # ---- running -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start acquisition and reconstruction, also again after an end. Starting a running session does nothing."""
        if self._state in (SessionState.RUNNING, SessionState.PAUSED):
            return
        for thread in self._threads:
            if not thread.name.endswith("builder"):
                thread.join(JOIN_TIMEOUT_S)
        self._stop.clear()
        self._resume.set()
        self._replaced_before += self._newest.replaced
        self._newest, self._results = Mailbox(), Mailbox()
        self._cube_came = False
        if self._state is SessionState.FAILED:
            self._error = None  # of the run that ended; that of an engine built before a first start is still to tell
        self._state = SessionState.RUNNING
        self._spawn("acquisition", self._acquire)
        self._spawn("reconstruction", self._reconstruct)

    def stop(self) -> None:
        """Stop the source, finish the recording and release the engine. Safe to call twice and from any state."""
        self._stop.set()
        self._resume.set()
        self._newest.close()
        stuck = False
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)
            if thread.is_alive():
                stuck = True
                log.error("thread %s did not end within %.0f s and is left behind", thread.name, JOIN_TIMEOUT_S)
        self._threads.clear()
        self.stop_recording()
        self._engines.close(release=not stuck)
        if self._state is not SessionState.FAILED:
            self._state = SessionState.IDLE

    def close(self) -> None:
        """Stop for good and release the source."""
        self.stop()
        release, self._release = self._release, lambda: None
        release()

    def pause(self) -> None:
        """Freeze: a file stops playing; a camera goes on and is recorded, but the screen holds its picture."""
        if self._state is SessionState.RUNNING:
            self._resume.clear()
            self._state = SessionState.PAUSED

    def resume(self) -> None:
        """Go on after a pause."""
        if self._state is SessionState.PAUSED:
            self._state = SessionState.RUNNING
        self._resume.set()

    def configure(self, settings: SourceSettings) -> SourceSettings:
        """Set the source and remember what it applied. Raises `SourceError` where it refuses."""
        self._settings = self.source.configure(settings)
        return self._settings

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- engine --------------------------------------------------------------------------------------------------

    def use_engine(self, name: str, build: Callable[[], Engine]) -> None:
        """Build an engine in the background; the present one goes on until the new one is ready.

        A later call wins over an earlier one that is still building. A failure is an `error`; the old engine stays.
        """
        ticket = self._engines.request(name)
        self._spawn("builder", lambda: self._engines.build(ticket, build))

    # ---- recording -----------------------------------------------------------------------------------------------

    def start_recording(
        self, folder: Path, options: RecordingOptions | None = None, *, frames: int | None = None
    ) -> None:
        """Record every frame from now on, or the next `frames`, into a new `folder`. Raises `RecordingError`."""
        self.stop_recording()
        engine = self._engines.newest
        recorder = Recorder(
            folder,
            self.source.info,
            self._settings,
            self.calibration,
            engine.info if engine is not None else None,
            options or RecordingOptions(),
        )
        writer = threading.Thread(target=recorder.run, name="livecassi-writer")
        writer.start()
        with self._lock:
            self._recorder = self._latest_recorder = recorder
            self._writer, self._frames_to_record = writer, frames

    def stop_recording(self) -> RecorderStats | None:
        """Write what is queued, close the files and return the final counters; None if nothing was recording."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
            writer = self._writer
        if recorder is not None:
            recorder.finish()
        if writer is not None:
            writer.join(WRITER_TIMEOUT_S)
        return recorder.stats if recorder is not None else None

    @property
    def recording(self) -> bool:
        """Whether frames go to disk."""
        return self._recorder is not None

    # ---- what the screen pulls -----------------------------------------------------------------------------------

    def take_result(self, timeout_s: float = 0.0) -> Result | None:
        """The newest result that nobody has taken yet, or None."""
        return self._results.take(timeout_s)

    def take_error(self) -> Exception | None:
        """The error that nobody has taken yet, or None."""
        with self._lock:
            error, self._error = self._error, None
        return error

    def stats(self) -> SessionStats:
        """Every counter, read now."""
        now = self._clock_ns()
        with self._lock:
            recorder, error = self._latest_recorder, self._error
        engine = self._engines.engine
        running = self._state is SessionState.RUNNING
        return SessionStats(
            state=self._state,
            camera_hz=self._camera_rate.hz(now),
            reconstruction_hz=self._cube_rate.hz(now) if running else 0.0,
            reconstruct_ms=self._reconstruct_ms,
            frames=self._frames,
            lost=self._lost,
            replaced=self._replaced_before + self._newest.replaced,
            saturated_fraction=self._saturated,
            settings=self._settings,
            recorder=recorder.stats if recorder is not None else None,
            engine=engine.info.name if engine is not None else "",
            building=self._engines.building,
            error=error,
        )

    # ---- threads -------------------------------------------------------------------------------------------------

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        self._threads = [t for t in self._threads if t.is_alive()]
        thread = threading.Thread(target=run, name=f"livecassi-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _report(self, error: Exception) -> None:
        if not isinstance(error, LivecassiError):
            log.exception("unexpected error", exc_info=error)
        with self._lock:
            self._error = error

    def _acquire(self) -> None:
        last_index: int | None = None
        try:
            for frame in self.source.frames(self._stop):
                self._camera_rate.tick(self._clock_ns())
                self._frames += 1
                if last_index is not None:
                    self._lost += max(0, frame.index - last_index - 1)
                last_index = frame.index
                self._record(frame)
                if self._resume.is_set():
                    self._newest.put(frame)
                elif self._waits:
                    self._newest.put(frame)
                    self._resume.wait()
            if not self._stop.is_set():
                self._state = SessionState.ENDED
        except Exception as error:
            self._report(error)
            self._state = SessionState.FAILED
        finally:
            self._newest.close()
            self.stop_recording()

    def _record(self, frame: Frame) -> None:
        with self._lock:
            recorder = self._recorder
            if recorder is not None and self._frames_to_record is not None:
                self._frames_to_record -= 1
            last = self._frames_to_record == 0
        if recorder is None:
            return
        recorder.append(frame, block=self._waits)
        if last:
            self.stop_recording()

    def _reconstruct(self) -> None:
        last: Frame | None = None
        while (frame := self._newest.take()) is not None and self._try_to_show(frame):
            last = frame
        if last is not None and self._engine_comes_late():
            self._try_to_show(last)
        self._results.close()

    def _engine_comes_late(self) -> bool:
        """Wait for an engine that was still being built when the source ended before its first cube."""
        while self._engines.building and not self._stop.wait(LATE_ENGINE_POLL_S):
            pass
        return not self._cube_came and not self._stop.is_set()

    def _try_to_show(self, frame: Frame) -> bool:
        """Whether it is worth going on: an engine that fails is dropped, but correction must work."""
        try:
            self._show(frame)
        except Exception as error:
            self._report(error)
            return self._engines.drop()
        return True

    def _show(self, frame: Frame) -> None:
        started = self._clock_ns()
        measurement = self._corrector.correct(frame)
        self._saturated = measurement.saturated_fraction
        engine = self._engines.current()
        if engine is not None and not self._cube_came:  # a first cube can take long: show the frame meanwhile
            self._results.put(Result(frame, measurement, None, 0.0))
        cube = engine.reconstruct(measurement) if engine is not None else None
        finished = self._clock_ns()
        if cube is not None:
            self._cube_came = True
            self._reconstruct_ms = (finished - started) / 1e6
            self._cube_rate.tick(finished)
            recorder = self._recorder
            if recorder is not None:
                recorder.append_cube(cube)
        self._results.put(Result(frame, measurement, cube, (finished - started) / 1e6))
