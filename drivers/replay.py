"""The source `replay`: frames that were recorded or brought as files, delivered as a camera would."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from livecassi.drivers.clock import Clock, MonotonicClock
from livecassi.drivers.errors import SourceError, SourceLostError, SourceUnsupportedError
from livecassi.drivers.frame import Frame
from livecassi.drivers.source import SourceInfo, SourceSettings, StopSignal


class FrameSequence(Protocol):
    """Recorded frames that can be read one by one; indices ascend and may have gaps."""

    @property
    def info(self) -> SourceInfo:
        """What was recorded."""
        ...

    def __len__(self) -> int: ...

    def frame(self, position: int) -> Frame:
        """Frame at `position`, counted from 0; raises `SourceError` where it cannot be read."""
        ...


class Replay:
    """A `Source` over recorded frames.

    With `frame_rate_hz` the frames are paced by `clock` and stamped with its time, as at arrival from a camera; a
    reader that falls behind gets every frame, later. Without a rate they come untouched and as fast as they are
    taken, for work without a screen. Recorded indices and their gaps are kept; with `loop` they go on rising.
    """

    def __init__(
        self,
        frames: FrameSequence,
        frame_rate_hz: float | None = 25.0,
        loop: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if len(frames) == 0:
            raise SourceUnsupportedError(f"'{frames.info.title}' holds no frames; choose another recording")
        self._frames = frames
        self._loop = loop
        self._clock = clock or MonotonicClock()
        self._frame_rate_hz: float | None = None
        self._set_rate(frame_rate_hz)

    @property
    def info(self) -> SourceInfo:
        """The recorded source's frames; no exposure, no gain, and no end where it loops."""
        return replace(
            self._frames.info,
            kind="replay",
            exposure_range_us=None,
            gain_range_db=None,
            frame_count=None if self._loop else len(self._frames),
        )

    def configure(self, settings: SourceSettings) -> SourceSettings:
        """Set the frame rate, from the next frame on; what was recorded cannot be exposed again."""
        if settings.frame_rate_hz is not None:
            self._set_rate(settings.frame_rate_hz)
        return SourceSettings(frame_rate_hz=self._frame_rate_hz)

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Deliver from the first frame on. Raises `SourceLostError` when the file can no longer be read."""
        due_ns = self._clock.now_ns()
        risen = 0
        while True:
            first = last = None
            for position in range(len(self._frames)):
                if stop.is_set():
                    return
                frame = self._read(position)
                first, last = frame.index if first is None else first, frame.index
                if risen:
                    frame = replace(frame, index=frame.index + risen)
                if self._frame_rate_hz is not None:
                    if self._clock.wait((due_ns - self._clock.now_ns()) * 1e-9, stop):
                        return
                    now_ns = self._clock.now_ns()
                    frame = replace(frame, host_time_ns=now_ns)
                    period_ns = round(1e9 / self._frame_rate_hz)
                    due_ns = (due_ns if now_ns - due_ns < period_ns else now_ns) + period_ns  # no burst after a pause
                yield frame
            if not self._loop:
                return
            assert first is not None
            assert last is not None
            risen += last - first + 1

    def _read(self, position: int) -> Frame:
        try:
            return self._frames.frame(position)
        except SourceError as error:
            raise SourceLostError(
                f"the replay stopped at frame {position + 1} of {len(self._frames)}: {error}"
            ) from error

    def _set_rate(self, frame_rate_hz: float | None) -> None:
        if frame_rate_hz is not None and not (math.isfinite(frame_rate_hz) and frame_rate_hz > 0):
            raise SourceUnsupportedError(f"a frame rate of {frame_rate_hz:g} Hz was asked for, expected one above 0")
        self._frame_rate_hz = frame_rate_hz
