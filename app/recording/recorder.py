"""The recorder: a bounded queue between the acquisition thread and the disk. First in, first out; drops are marked."""

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from livecassi.app.recording.errors import RecordingError, reason_of
from livecassi.app.recording.options import RecorderStats, RecordingOptions
from livecassi.app.recording.session_file import Counters
from livecassi.app.recording.writer import RecordingWriter
from livecassi.calibration import Calibration
from livecassi.drivers import Frame, SourceInfo, SourceSettings
from livecassi.engines import Cube, EngineInfo

log = logging.getLogger(__name__)

CUBES_WAITING = 8
REST_S = 0.5


def free_disk_bytes(folder: Path) -> int:
    """Free space of the disk that holds `folder`. Raises `OSError`."""
    return shutil.disk_usage(folder).free


class _Waiting(NamedTuple):
    frame: Frame
    lost_before: int
    dropped_before: int


class Recorder:
    """Records every frame that is appended into a new `folder`.

    The caller gives a thread to `run`, which writes until `finish` was called and the queue is empty; `append` and
    `append_cube` may be called from other threads and do not touch the disk. A fault of the disk ends the recording:
    `stats.error` tells, everything written before stays readable.

    Raises `RecordingError` where the folder is not empty or cannot be written, or the disk is too full.
    """

    def __init__(
        self,
        folder: Path,
        source: SourceInfo,
        settings: SourceSettings,
        calibration: Calibration | None,
        engine: EngineInfo | None,
        options: RecordingOptions | None = None,
        *,
        free_bytes: Callable[[Path], int] = free_disk_bytes,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.folder = folder
        self.options = options or RecordingOptions()
        self._writer = RecordingWriter(
            folder, source, settings, calibration, engine, self.options, free_bytes, clock_ns
        )
        self._changed = threading.Condition()  # guards everything below
        self._frames: deque[_Waiting] = deque()
        self._cubes: deque[Cube] = deque()
        self._finishing = False
        self._error = ""
        self._first_index: int | None = None
        self._last_index: int | None = None
        self._lost = self._dropped = self._cubes_dropped = 0
        self._lost_before = self._dropped_before = 0

    # ---- any thread ----------------------------------------------------------------------------------------------

    def append(self, frame: Frame, block: bool = False) -> bool:
        """Queue a frame for the disk; False where it is not going to be written.

        A full queue drops the frame, counts it and marks the next one; with `block` it waits for room instead.
        After a failure every frame is counted as dropped; after `finish` frames are not counted any more.
        """
        with self._changed:
            if block:
                self._changed.wait_for(lambda: self._finishing or self._error or not self._full())
            if self._finishing:
                return False
            self._count_lost(frame.index)
            if self._error or self._full():
                self._dropped += 1
                self._dropped_before += 1
                return False
            self._frames.append(_Waiting(frame, self._lost_before, self._dropped_before))
            self._lost_before = self._dropped_before = 0
            self._changed.notify_all()
            return True

    def append_cube(self, cube: Cube) -> bool:
        """Queue a cube where cubes are kept; frames go first, and a full queue drops and counts the cube.

        A cube that comes late, of a frame before the first one here, is not of this recording and not taken.
        """
        if not self.options.cubes:
            return False
        with self._changed:
            if self._finishing or self._first_index is None or cube.frame_index < self._first_index:
                return False
            if self._error or len(self._cubes) >= CUBES_WAITING:
                self._cubes_dropped += 1
                return False
            self._cubes.append(cube)
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """Take no more; `run` writes what is queued and ends. May be called again, and before `run`."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()

    @property
    def stats(self) -> RecorderStats:
        """The counters now; never waits for the disk."""
        with self._changed:
            return RecorderStats(
                frames_written=self._writer.frames_written,
                cubes_written=self._writer.cubes_written,
                dropped=self._dropped,
                lost=self._lost,
                bytes_written=self._writer.bytes_written,
                queue_fill=len(self._frames),
                queue_frames=self.options.queue_frames,
                free_bytes=self._writer.free_bytes,
                seconds_left=self._writer.seconds_left,
                error=self._error,
                cubes_dropped=self._cubes_dropped,
            )

    def _full(self) -> bool:
        return len(self._frames) >= self.options.queue_frames

    def _count_lost(self, index: int) -> None:
        if self._first_index is None:
            self._first_index = index
        if self._last_index is not None and index > self._last_index + 1:
            missing = index - self._last_index - 1
            self._lost += missing
            self._lost_before += missing
        self._last_index = index

    def _counters(self) -> Counters:
        with self._changed:
            return Counters(dropped=self._dropped, lost=self._lost, cubes_dropped=self._cubes_dropped)

    # ---- the writer's thread -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Write until `finish` was called and the queue is empty, or the disk fails. Runs in a thread of its own."""
        try:
            while self._write_next():
                pass
        except Exception as error:
            if not isinstance(error, RecordingError | OSError | RuntimeError):
                log.exception("unexpected error in the writer")
            self._fail(error)
        with self._changed:
            failure = self._error
        failure = self._writer.close(self._counters(), failure)
        with self._changed:
            self._error = failure
            self._changed.notify_all()

    def _write_next(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._cubes or self._finishing, REST_S)
            waiting = self._frames[0] if self._frames else None
            cube = self._cubes[0] if waiting is None and self._cubes else None
            ended = self._finishing and waiting is None and cube is None
        if waiting is not None:
            self._writer.write_frame(*waiting, self._counters)
            with self._changed:
                self._frames.popleft()  # only now, so that a frame that could not be written is counted
                self._changed.notify_all()
        elif cube is not None:
            self._writer.write_cube(cube)
            with self._changed:
                self._cubes.popleft()
        elif not ended:
            self._writer.rest()
        return not ended

    def _fail(self, error: Exception) -> None:
        with self._changed:
            written = self._writer.frames_written
            self._error = (
                f"recording into {self.folder} ended after {written} frames, which are kept: "
                f"{error if isinstance(error, RecordingError) else reason_of(error)}"
            )
            if not isinstance(error, RecordingError):
                self._error += "; check the disk and start a new recording"
            self._dropped += len(self._frames)
            self._cubes_dropped += len(self._cubes)
            self._frames.clear()
            self._cubes.clear()
            log.error("%s", self._error)
            self._changed.notify_all()
