"""Reading a recording: finished, still running, or left behind by a crash."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecassi.app.recording.errors import RecordingError, RecordingUnreadableError, reason_of
from livecassi.app.recording.info import RecordingInfo, gaps_in
from livecassi.app.recording.reading import (
    DAMAGE,
    SegmentContents,
    cube_contents,
    numbered_files,
    raw_contents,
)
from livecassi.app.recording.segments import FRAME_ROW
from livecassi.app.recording.session_file import SESSION_FILE, RecordingState, read_session_file
from livecassi.app.recording.superblock import OpenFile
from livecassi.app.recording.writer import CALIBRATION_FILE
from livecassi.calibration import Calibration
from livecassi.calibration.store import load_calibration
from livecassi.drivers import Frame, SourceInfo
from livecassi.engines import Cube, Quantity


def is_recording(path: Path) -> bool:
    """Whether `path` is the folder of a recording."""
    return (path / SESSION_FILE).is_file()


class Recording:
    """The frames of a recording folder as they lay there when it was opened; a `FrameSequence` for `Replay`.

    Frames that a crash tore, or that lie in a damaged file, are left out and named by `describe`. A context manager;
    may be read from several threads. Raises `RecordingError` where the folder is no recording, or a file is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = read_session_file(folder)
        self._raw = self._segments("raw", raw_contents)
        self._cubes = self._segments("cubes", cube_contents)
        self._ends = np.cumsum([len(segment) for segment in self._raw])
        self._cube_ends = np.cumsum([len(segment) for segment in self._cubes])
        self._open: tuple[Path, OpenFile] | None = None
        self._lock = Lock()  # one reader at a time has the open segment

    def _segments(self, prefix: str, contents: Any) -> list[SegmentContents]:
        counters = self.session.counters
        expected = counters.raw_segments if prefix == "raw" else counters.cube_segments
        files = numbered_files(self.folder, prefix)
        if len(files) < expected:
            raise RecordingError(
                f"{self.folder} has {len(files)} files {prefix}_*.h5, its session.json counts {expected}; "
                "restore the missing files from a copy"
            )
        return [contents(file) for file in files]

    # ---- frames --------------------------------------------------------------------------------------------------

    @property
    def info(self) -> SourceInfo:
        """The recorded source, titled by the folder, with the shape and depth of its frames and their number."""
        title = f"{self.folder.name} ({self.session.source.title})"
        known = self._first_segment()
        if known is None:
            return replace(self.session.source, title=title, frame_count=0)
        height, width = known.shape
        return replace(
            self.session.source,
            title=title,
            frame_shape=(height, width),
            bit_depth=int(known.meta["bit_depth"][0]),
            frame_count=len(self),
        )

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @cached_property
    def meta(self) -> NDArray[np.void]:
        """One row per frame; the columns are those of `/meta` in the files."""
        return np.concatenate([segment.meta for segment in self._raw] or [np.empty(0, FRAME_ROW)])

    def frame(self, position: int) -> Frame:
        """Frame `position`, counted from 0, exactly as it was recorded.

        Raises `IndexError`, or `RecordingUnreadableError` where its file is damaged or gone.
        """
        segment, within = self._find(self._raw, self._ends, position, "frame")
        row = segment.meta[within]
        device_time_ns, temperature_c = int(row["device_time_ns"]), float(row["temperature_c"])
        return Frame(
            self._read(segment, "frames", within),
            index=int(row["index"]),
            host_time_ns=int(row["host_time_ns"]),
            device_time_ns=None if device_time_ns == -1 else device_time_ns,
            exposure_us=float(row["exposure_us"]),
            gain_db=float(row["gain_db"]),
            bit_depth=int(row["bit_depth"]),
            temperature_c=None if np.isnan(temperature_c) else temperature_c,
        )

    def frames(self) -> Iterator[Frame]:
        """Every frame in order."""
        return (self.frame(position) for position in range(len(self)))

    # ---- what lies beside the frames -----------------------------------------------------------------------------

    @cached_property
    def calibration(self) -> Calibration | None:
        """The embedded calibration, None where none was used. Raises `CalibrationError` or `RecordingError`."""
        expected = self.session.calibration_id
        if not expected:
            return None
        path = self.folder / CALIBRATION_FILE
        if not path.is_file():
            raise RecordingError(
                f"{self.folder} was recorded with calibration {expected[:8]}, but {path.name} is missing; "
                "restore it from a copy or name another calibration"
            )
        calibration = load_calibration(path)
        if calibration.id != expected:
            raise RecordingError(
                f"{path} holds calibration {calibration.id[:8]}, the recording was made with {expected[:8]}; "
                "restore the original file"
            )
        return calibration

    @property
    def cube_count(self) -> int:
        """How many cubes were kept."""
        return int(self._cube_ends[-1]) if len(self._cube_ends) else 0

    def cube(self, position: int) -> Cube:
        """Cube `position`, counted from 0, in the precision of float16. Raises as `frame` does."""
        segment, within = self._find(self._cubes, self._cube_ends, position, "cube")
        with self._lock:
            try:
                file = self._file(segment.path)
                return Cube(
                    file["cubes"][within].astype(np.float32),
                    file["wavelengths_nm"][...],
                    calibration_id=str(file.attrs["calibration_id"]),
                    engine=str(file.attrs["engine"]),
                    frame_index=int(segment.meta["frame_index"][within]),
                    host_time_ns=int(segment.meta["host_time_ns"][within]),
                    quantity=Quantity(str(file.attrs["quantity"])),
                )
            except DAMAGE as error:
                raise self._unreadable(segment, within, "cube", error) from error

    def describe(self) -> RecordingInfo:
        """What lies in the folder, for people and for `--json`."""
        session, meta = self.session, self.meta
        first = self._first_segment()
        duration_s = float(meta["host_time_ns"][-1] - meta["host_time_ns"][0]) * 1e-9 if len(meta) else 0.0
        return RecordingInfo(
            folder=str(self.folder),
            state=session.state,
            complete=session.state is RecordingState.FINISHED and not self.damaged,
            failure=session.failure,
            created=session.created,
            application_version=session.application_version,
            schema_version=session.schema_version,
            frames_readable=len(self),
            frame_shape=self.info.frame_shape,
            dtype=str(first.dtype) if first is not None else "",
            bit_depth=self.info.bit_depth,
            duration_s=duration_s,
            frame_rate_hz=(len(meta) - 1) / duration_s if duration_s > 0 else None,
            dropped=max(session.counters.dropped, int(meta["dropped_before"].sum())),
            lost=max(session.counters.lost, int(meta["lost_before"].sum())),
            gaps=gaps_in(meta),
            damaged=self.damaged,
            cubes_readable=self.cube_count,
            calibration_id=session.calibration_id,
            size_bytes=sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file()),
            segments=len(self._raw),
            source=session.source,
            settings=session.settings,
            engine=session.engine,
        )

    @property
    def damaged(self) -> list[str]:
        """The files of which a part cannot be read, and how much; empty for a sound recording."""
        return [segment.damage for segment in (*self._raw, *self._cubes) if segment.damage]

    # ---- files ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the files; reading opens them again."""
        with self._lock:
            self._forget_open_file()

    def _forget_open_file(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _first_segment(self) -> SegmentContents | None:
        return next((segment for segment in self._raw if len(segment)), None)

    def _find(
        self, segments: list[SegmentContents], ends: NDArray[Any], position: int, what: str
    ) -> tuple[SegmentContents, int]:
        count = int(ends[-1]) if len(ends) else 0
        if not 0 <= position < count:
            raise IndexError(f"{what} {position} was asked for, {self.folder} holds {count}")
        number = int(np.searchsorted(ends, position, side="right"))
        return segments[number], position - int(ends[number]) + len(segments[number])

    def _read(self, segment: SegmentContents, name: str, within: int) -> NDArray[Any]:
        with self._lock:
            try:
                values: NDArray[Any] = self._file(segment.path)[name][within]
            except DAMAGE as error:
                self._forget_open_file()
                raise self._unreadable(segment, within, "frame", error) from error
            return values

    def _file(self, path: Path) -> Any:
        if self._open is None or self._open[0] != path:
            self._forget_open_file()
            self._open = (path, OpenFile(path))
        return self._open[1].h5

    def _unreadable(self, segment: SegmentContents, within: int, what: str, error: Exception) -> RecordingError:
        reason = reason_of(error)
        return RecordingUnreadableError(
            f"{what} {within} of {segment.path} cannot be read ({reason}); "
            "the file was damaged, moved or removed: restore it from a copy"
        )
