"""The session: the one place that starts and joins threads.

    acquisition      source -> recorder (every frame, in order) -> mailbox of as many frames as the engine looks at,
                     and the newest frame for the screen, which does not wait for an engine
    reconstruction   mailbox -> correct -> engine -> mailbox of one for the screen
    writer           recorder queue -> disk
    builder          makes the next engine while the previous one goes on, or an earlier one again after a failure
    drift            looks at a frame now and then: does the mask still stand where the calibration has it

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

from livecassi.app.drift_watch import EVERY_S, DriftState, DriftWatch
from livecassi.app.engine_slot import EngineSlot, FindSteps
from livecassi.app.live import Hooks, LiveReconstruction
from livecassi.app.rate import RateMeter
from livecassi.app.recording import Recorder, RecorderStats, RecordingOptions
from livecassi.app.result import Result
from livecassi.calibration import Calibration, Corrector
from livecassi.calibration.drift import DriftKind
from livecassi.drivers import Frame, LivecassiError, Source, SourceSettings
from livecassi.engines import Cube, Engine, EngineInfo
from livecassi.engines.frame_engine import Wanted

log = logging.getLogger(__name__)

JOIN_TIMEOUT_S = 5.0  # closing never hangs: a thread stuck in a vendor's library is left behind
PASS_TIMEOUT_S = 60.0  # a session that goes on afterwards gives a slow engine the time for its pass
WRITER_TIMEOUT_S = 60.0  # a slow disk gets the time to take what is queued


class SessionState(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"  # a source with an end delivered its last frame
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SessionStats:
    """One reading of every counter. `lost`: gaps in the source's indices; `dropped`: frames that the recorder
    could not keep; `replaced`: frames that got no cube because a newer one came. `present_engine` is in use, by
    the name `engine`; `next_engine` is what the next frame will meet, the same one unless another has just been built.
    `building` names the engine that is being built, and `preparing` says what is done once for it, if anything. `drift`
    is what is known about the place of the mask.
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
    present_engine: EngineInfo | None
    next_engine: EngineInfo | None
    building: str
    preparing: str
    drift: DriftState
    error: Exception | None

    @property
    def engine(self) -> str:
        """Name of the engine in use, or ''."""
        return self.present_engine.name if self.present_engine is not None else ""


class Session:
    """Runs one source through one calibration and a changing engine; a context manager that closes it.

    `release` frees what the source holds (a camera, open files); it is called once, by `close`. Every `drift_every_s`
    seconds a frame is looked at for drift, unless the source gives floating-point measurements.
    """

    def __init__(
        self,
        source: Source,
        calibration: Calibration,
        *,
        release: Callable[[], None] = lambda: None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        drift_every_s: float = EVERY_S,
    ) -> None:
        self.source = source
        self.calibration = calibration
        self._corrector = Corrector(calibration, pedestal=None)
        self._release = release
        self._clock_ns = clock_ns
        self._settings = source.configure(SourceSettings())
        self._waits = source.info.waits  # for the disk and through a pause
        self._stop = threading.Event()
        self._settled = threading.Event()  # every cube that the run owes has come
        self._resume = threading.Event()
        self._resume.set()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._lock = threading.Lock()  # guards threads, stopping, recorder and error
        self._recorder: Recorder | None = None
        self._writer: threading.Thread | None = None
        self._frames_to_record: int | None = None
        self._latest_recorder: Recorder | None = None
        self._engines = EngineSlot(self._report, clock_ns)
        self._wanted = Wanted()
        self._error: Exception | None = None
        self._state = SessionState.IDLE
        self._camera_rate = RateMeter()
        self._cube_rate = RateMeter()
        self._frames = 0
        self._lost = 0
        self._replaced_before = 0
        self._live = self._new_run()
        self._drift = DriftWatch(
            calibration,
            lambda: self.newest_frame,
            clock_ns,
            every_s=drift_every_s,
            watching=bool(source.info.bit_depth),
        )

    # ---- running -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start acquisition and reconstruction, also again after an end. Starting a running session does nothing."""
        if self._state in (SessionState.RUNNING, SessionState.PAUSED):
            return
        self._tell_to_stop()  # a run that ended may still wait for an engine
        for thread in self._threads:
            if not thread.name.endswith("builder"):
                thread.join(JOIN_TIMEOUT_S)
        self._stop, self._settled = threading.Event(), threading.Event()
        self._replaced_before += self._live.replaced
        self._live = self._new_run()
        if self._state is SessionState.FAILED:
            self._error = None  # of the run that ended; that of an engine built before a first start is still to tell
        self._state = SessionState.RUNNING
        live, stop, settled = self._live, self._stop, self._settled
        self._spawn("acquisition", lambda: self._acquire(live, stop, settled))
        self._spawn("reconstruction", lambda: self._reconstruct(live, stop, settled))
        self._spawn("drift", lambda: self._drift.run(stop))

    def stop(self) -> None:
        """Stop the source, finish the recording and release the engine. Safe to call twice and from any state.

        The engine is given the time for the pass that it is in, not for the cubes that it still owes.
        """
        self._halt(PASS_TIMEOUT_S)

    def _halt(self, pass_timeout_s: float) -> None:
        with self._lock:
            self._stopping = True  # from now on no thread of the session makes another
        self._tell_to_stop()
        self._engines.cancel()  # nobody waits for an engine that is still being prepared
        stuck = False
        for thread in self._threads:
            timeout_s = pass_timeout_s if thread.name.endswith("reconstruction") else JOIN_TIMEOUT_S
            thread.join(timeout_s)
            if thread.is_alive():
                stuck = True
                log.error("thread %s did not end within %.0f s and is left behind", thread.name, timeout_s)
        self._threads.clear()
        self.stop_recording()
        self._engines.close(release=not stuck)
        self._stopping = False
        if self._state is not SessionState.FAILED:
            self._state = SessionState.IDLE

    def _tell_to_stop(self) -> None:
        self._stop.set()
        self._resume.set()
        self._settled.set()
        self._live.frames.close()
        self._drift.wake()

    def close(self) -> None:
        """Stop for good and release the source. A pass that takes long is not waited for: its thread ends by itself."""
        self._halt(JOIN_TIMEOUT_S)
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

    def use_engine(self, name: str, build: Callable[[], Engine], find_steps: FindSteps | None = None) -> None:
        """Build an engine in the background; the present one goes on until the new one is ready.

        A later call wins over an earlier one that is still building. A failure is an `error`; the old engine stays.
        `build` is kept: where a later engine fails, this one may be built again. `find_steps` says, in the background,
        what must be done before.
        """
        order = self._engines.request(name, build, find_steps)
        self._spawn("builder", lambda: self._engines.build(order))

    def cancel_engine(self) -> None:
        """Give up the engine that is being built; the present one goes on."""
        self._engines.cancel()

    def _on_engine_failed(self, error: Exception) -> None:
        told, follower = self._engines.fail(error)
        if told is not error and not isinstance(error, LivecassiError):
            log.error("unexpected error in an engine", exc_info=error)
        self._report(told)
        if follower is not None:
            self._spawn("builder", lambda: self._engines.build(follower))

    # ---- drift ---------------------------------------------------------------------------------------------------

    def check_drift(self, kind: DriftKind = DriftKind.SCENE, wavelength_nm: float | None = None) -> None:
        """Look for drift in the newest frame, of whatever `kind` the camera sees now; `stats().drift` will tell.

        Raises `CalibrationMismatchError` for a line that the calibration does not know.
        """
        self._drift.check(kind, wavelength_nm)

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
        results = self._live.results.take(timeout_s)
        return results[-1] if results else None

    @property
    def newest_frame(self) -> Frame | None:
        """The newest frame that came while not paused, whether or not the engine has come to it.

        Read after `take_result`, it is never older than the frame of that result.
        """
        return self._live.newest_frame

    def want(self, wanted: Wanted) -> None:
        """What the screen needs of the frames to come, for an engine that can leave out the rest; all else gives all.

        Cubes that are recorded come whatever the screen wants.
        """
        self._wanted = wanted

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
        live, engine, newest = self._live, self._engines.engine, self._engines.newest
        running = self._state is SessionState.RUNNING
        return SessionStats(
            state=self._state,
            camera_hz=self._camera_rate.hz(now),
            reconstruction_hz=self._cube_rate.hz(now) if running else 0.0,
            reconstruct_ms=live.reconstruct_ms,
            frames=self._frames,
            lost=self._lost,
            replaced=self._replaced_before + live.replaced,
            saturated_fraction=live.saturated_fraction,
            settings=self._settings,
            recorder=recorder.stats if recorder is not None else None,
            present_engine=engine.info if engine is not None else None,
            next_engine=newest.info if newest is not None else None,
            building=self._engines.building,
            preparing=self._engines.preparing,
            drift=self._drift.state,
            error=error,
        )

    # ---- threads -------------------------------------------------------------------------------------------------

    def _new_run(self) -> LiveReconstruction:
        hooks = Hooks(self._report, self._on_engine_failed, self._keep_cube, self._keeps_cubes, lambda: self._wanted)
        return LiveReconstruction(self._corrector, self._engines, self._cube_rate, hooks, self._clock_ns)

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        with self._lock:
            if self._stopping:
                return
            self._threads = [t for t in self._threads if t.is_alive()]
            thread = threading.Thread(target=run, name=f"livecassi-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _report(self, error: Exception) -> None:
        if not isinstance(error, LivecassiError):
            log.exception("unexpected error", exc_info=error)
        with self._lock:
            self._error = error

    def _acquire(self, live: LiveReconstruction, stop: threading.Event, settled: threading.Event) -> None:
        last_index: int | None = None
        try:
            for frame in self.source.frames(stop):
                self._camera_rate.tick(self._clock_ns())
                self._frames += 1
                if last_index is not None:
                    self._lost += max(0, frame.index - last_index - 1)
                last_index = frame.index
                self._record(frame)
                if self._resume.is_set():
                    live.offer(frame)
                elif self._waits:
                    live.offer(frame)
                    self._resume.wait()
            if not stop.is_set():
                self._state = SessionState.ENDED
        except Exception as error:
            self._state = SessionState.FAILED
            self._report(error)
        finally:
            live.frames.close()
            if self._state is SessionState.ENDED and self._keeps_cubes():
                settled.wait()
            self.stop_recording()

    def _reconstruct(self, live: LiveReconstruction, stop: threading.Event, settled: threading.Event) -> None:
        try:
            live.run(stop)
        except Exception as error:
            self._report(error)
        finally:
            settled.set()

    def _keeps_cubes(self) -> bool:
        recorder = self._recorder
        return recorder is not None and recorder.options.cubes

    def _keep_cube(self, cube: Cube) -> None:
        recorder = self._recorder
        if recorder is not None:
            recorder.append_cube(cube)

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
