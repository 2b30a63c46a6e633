"""The folder of a recording as it is written: segments that roll over, and the session file. One thread uses it."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from livecassi.app.recording.errors import RecordingError, reason_of
from livecassi.app.recording.options import RecordingOptions
from livecassi.app.recording.segments import CubeSegment, RawSegment, cubes_name, raw_name
from livecassi.app.recording.session_file import (
    Counters,
    RecordingState,
    SessionFile,
    application_version,
    write_session_file,
)
from livecassi.calibration import Calibration, CalibrationError
from livecassi.calibration.store import save_calibration
from livecassi.drivers import Frame, SourceInfo, SourceSettings
from livecassi.engines import Cube, EngineInfo

log = logging.getLogger(__name__)

CALIBRATION_FILE = "calibration.h5"
LARGEST_SEGMENT_FRAMES = 1024
LARGEST_SEGMENT_BYTES = 256_000_000  # what a disk of 250 MB/s forces down in a second, while the queue waits
DISK_PROBE_NS = 1_000_000_000


class RecordingWriter:
    """Creates the folder and writes frames and cubes into it. Faults are `OSError`, `RuntimeError`, `RecordingError`.

    `free_bytes(folder)` gives the free space; it is asked at most once per second.
    """

    def __init__(
        self,
        folder: Path,
        source: SourceInfo,
        settings: SourceSettings,
        calibration: Calibration | None,
        engine: EngineInfo | None,
        options: RecordingOptions,
        free_bytes: Callable[[Path], int],
        clock_ns: Callable[[], int],
    ) -> None:
        self.folder = folder
        self.frames_written = self.cubes_written = self.bytes_written = 0
        self._options = options
        self._probe = free_bytes
        self._clock_ns = clock_ns
        self._raw: RawSegment | None = None
        self._cubes: CubeSegment | None = None
        self._raw_segments = self._cube_segments = self._closed_bytes = 0
        self._raw_opened_ns = self._cubes_opened_ns = 0
        self._frame_kind: tuple[object, ...] | None = None
        self._started_ns: int | None = None
        made = _make_folder(folder)
        try:
            self._probe_disk()
            self._refuse_full_disk(made)
            if calibration is not None:
                save_calibration(calibration, folder / CALIBRATION_FILE)
            self._session = SessionFile(
                application_version=application_version(),
                created=datetime.now(UTC).isoformat(),
                host_time_ns=clock_ns(),
                source=source,
                settings=settings,
                calibration_id=calibration.id if calibration is not None else "",
                engine=engine,
            )
            write_session_file(folder, self._session)
        except (OSError, CalibrationError) as error:
            raise RecordingError(
                f"the recording folder {folder} cannot be written ({error}); choose a folder on a disk with space "
                "that you may write to"
            ) from error

    # ---- disk ----------------------------------------------------------------------------------------------------

    @property
    def free_bytes(self) -> int:
        """Free space: as last asked, less what was written since."""
        return max(0, self._probed_bytes - (self.bytes_written - self._written_at_probe))

    @property
    def seconds_left(self) -> float | None:
        """Until the disk is full at the mean rate so far; None in the first half second."""
        if self._started_ns is None or not self.bytes_written:
            return None
        elapsed_s = (self._clock_ns() - self._started_ns) * 1e-9
        if elapsed_s < 0.5:
            return None
        return max(0, self.free_bytes - self._options.min_free_bytes) * elapsed_s / self.bytes_written

    def check_space(self) -> None:
        """Raises `RecordingError` where too little space is left."""
        if self._clock_ns() - self._probed_ns >= DISK_PROBE_NS:
            self._probe_disk()
        if self.free_bytes < self._options.min_free_bytes:
            raise RecordingError(
                f"the disk of {self.folder} has {self.free_bytes / 1e6:.0f} MB left, expected at least "
                f"{self._options.min_free_bytes / 1e6:.0f} MB; free some space or record to another disk"
            )

    def _refuse_full_disk(self, made: bool) -> None:
        """Raises as `check_space`; then the empty folder made for the recording does not stay."""
        try:
            self.check_space()
        except RecordingError:
            if made:
                self.folder.rmdir()
            raise

    def _probe_disk(self) -> None:
        self._probed_bytes = self._probe(self.folder)
        self._written_at_probe = self.bytes_written
        self._probed_ns = self._clock_ns()

    # ---- frames and cubes ----------------------------------------------------------------------------------------

    def write_frame(
        self, frame: Frame, lost_before: int, dropped_before: int, counters: Callable[[], Counters]
    ) -> None:
        """Write one frame; `counters` go into the session file where a new segment begins."""
        self.check_space()
        kind = (frame.shape, frame.pixels.dtype)
        if self._frame_kind is not None and kind != self._frame_kind:
            raise RecordingError(
                f"frame {frame.index} is {kind[1]} of shape {kind[0]}, the recording holds {self._frame_kind[1]} of "
                f"{self._frame_kind[0]}; stop and start a new recording after changing the camera's region or format"
            )
        self._frame_kind = kind
        if self._raw is not None and self._raw_is_full(self._raw):
            self._close_raw()
            self._save_session(counters())
        if self._raw is None:
            self._raw_opened_ns = self._clock_ns()
            if self._started_ns is None:
                self._started_ns = self._raw_opened_ns
            self._raw = RawSegment(self.folder / raw_name(self._raw_segments), frame, self._options.compress)
            self._raw_segments += 1
        self._raw.append(frame, lost_before, dropped_before)
        self.frames_written += 1
        self._count_bytes()

    def write_cube(self, cube: Cube) -> None:
        """Write one cube."""
        self.check_space()
        segment = self._cubes
        if segment is not None and (not segment.holds(cube) or self._is_full(segment, self._cubes_opened_ns)):
            self._close_cubes()
        if self._cubes is None:
            self._cubes_opened_ns = self._clock_ns()
            self._cubes = CubeSegment(self.folder / cubes_name(self._cube_segments), cube)
            self._cube_segments += 1
        self._cubes.append(cube)
        self.cubes_written += 1
        self._count_bytes()

    def rest(self) -> None:
        """Called while nothing comes: watches the disk and closes a segment whose time is over."""
        self.check_space()
        if self._raw is not None and self._raw_is_full(self._raw):
            self._close_raw()

    def _raw_is_full(self, segment: RawSegment) -> bool:
        return segment.count >= LARGEST_SEGMENT_FRAMES or self._is_full(segment, self._raw_opened_ns)

    def _is_full(self, segment: RawSegment | CubeSegment, opened_ns: int) -> bool:
        open_s = (self._clock_ns() - opened_ns) * 1e-9
        return open_s >= self._options.segment_seconds or segment.size_bytes() >= LARGEST_SEGMENT_BYTES

    def _count_bytes(self) -> None:
        growing = [segment.size_bytes() for segment in (self._raw, self._cubes) if segment is not None]
        self.bytes_written = self._closed_bytes + sum(growing)

    # ---- closing -------------------------------------------------------------------------------------------------

    def close(self, counters: Counters, failure: str) -> str:
        """Close the files and say how the recording ended. Returns `failure`, or what went wrong while closing."""
        for close in (self._close_raw, self._close_cubes):
            try:
                close()
            except (OSError, RuntimeError) as error:
                log.exception("a segment in %s could not be closed", self.folder)
                failure = failure or f"the last file in {self.folder} could not be closed: {reason_of(error)}"
        try:
            state = RecordingState.FAILED if failure else RecordingState.FINISHED
            self._save_session(counters, state, failure)
        except OSError as error:
            log.exception("the session file in %s could not be written", self.folder)
            failure = failure or f"session.json in {self.folder} could not be written: {reason_of(error)}"
        return failure

    def _close_raw(self) -> None:
        segment, self._raw = self._raw, None
        if segment is not None:
            self._close_segment(segment)

    def _close_cubes(self) -> None:
        segment, self._cubes = self._cubes, None
        if segment is not None:
            self._close_segment(segment)

    def _close_segment(self, segment: RawSegment | CubeSegment) -> None:
        segment.close()
        self._closed_bytes += segment.path.stat().st_size
        self._count_bytes()

    def _save_session(
        self, counters: Counters, state: RecordingState = RecordingState.RUNNING, failure: str = ""
    ) -> None:
        counters = counters.model_copy(
            update={
                "frames_written": self.frames_written,
                "cubes_written": self.cubes_written,
                "bytes_written": self._closed_bytes,
                "raw_segments": self._raw_segments,
                "cube_segments": self._cube_segments,
            }
        )
        self._session = self._session.model_copy(update={"counters": counters, "state": state, "failure": failure})
        write_session_file(self.folder, self._session)


def _make_folder(folder: Path) -> bool:
    """Whether the folder had to be made. Raises `RecordingError`."""
    if not folder.parent.is_dir():
        raise RecordingError(
            f"the folder {folder.parent} is not there, so {folder.name} cannot be made in it; make it or choose another"
        )
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RecordingError(
                f"{folder} exists already and is not an empty folder; choose a new name, recordings are never replaced"
            )
        made = not folder.exists()
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RecordingError(f"the folder {folder} cannot be made ({error}); choose another place") from error
    return made
