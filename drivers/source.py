"""The contract of everything that delivers frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from livecassi.drivers.frame import Frame


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What an operator may set; None leaves a setting as it is. A reply holds the values applied."""

    exposure_us: float | None = None
    gain_db: float | None = None
    frame_rate_hz: float | None = None


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source is: `kind` (replay, prototype, harvester), a title for people, and the frames to expect.

    `exposure_range_us` and `gain_range_db` are None where the source has no such setting (a replay has neither).
    `frame_count` is None for a source without an end. `roi` is the region of the sensor that the frames show: first
    row, first column, height, width. `flip_rows` and `flip_columns`: whether the camera delivers them in the opposite
    order; `binning`: sensor pixels per pixel of the frames, down and across. None: the source does not tell.
    """

    kind: str
    title: str
    serial: str
    frame_shape: tuple[int, int]
    bit_depth: int
    exposure_range_us: tuple[float, float] | None = None
    gain_range_db: tuple[float, float] | None = None
    frame_count: int | None = None
    roi: tuple[int, int, int, int] | None = None
    flip_rows: bool | None = None
    flip_columns: bool | None = None
    binning: tuple[int, int] | None = None

    @property
    def waits(self) -> bool:
        """Whether a slow reader loses nothing: a replay holds its next frame, a camera goes on exposing."""
        return self.kind == "replay"


class StopSignal(Protocol):
    """What a source watches while it delivers; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether the caller wants no more frames."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until set or until `timeout` seconds have passed."""
        ...


class Source(Protocol):
    """A camera, its simulation, or a file of frames.

    Drivers hold no threads: `frames` runs in the caller's thread. `configure` may be called from another thread
    while frames flow.
    """

    @property
    def info(self) -> SourceInfo:
        """What this source is."""
        ...

    def configure(self, settings: SourceSettings) -> SourceSettings:
        """Apply what is not None and return every setting as the device applied it (None: it has none such).

        Raises `SourceError` where the device refuses.
        """
        ...

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Start the device and deliver frames in order until `stop` is set or the source ends.

        Leaving the iterator stops the device; iterating again starts it anew.
        Raises `SourceLostError` when the device vanishes.
        """
        ...
