"""What an operator chooses about a recording, and what is shown while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """How to record.

    `cubes`: keep reconstructed cubes (float16) too. `compress`: bitshuffle-lz4, lossless; without it the files are
    plain HDF5. A segment is closed and forced to the disk after `segment_seconds`. `queue_frames` wait at most for
    a slow disk. Recording stops while `min_free_bytes` are still free on the disk.
    """

    cubes: bool = False
    compress: bool = True
    segment_seconds: float = 4.0
    queue_frames: int = 64
    min_free_bytes: int = 200_000_000


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """The counters of a recorder at one moment.

    `dropped` frames came to the recorder but not to the disk; `lost` frames never came (gaps in the index).
    `queue_fill` of `queue_frames` wait. `seconds_left` until the disk is full at the rate so far; None while that
    is not known. `error` is empty unless the recording failed.
    """

    frames_written: int
    cubes_written: int
    dropped: int
    lost: int
    bytes_written: int
    queue_fill: int
    queue_frames: int
    free_bytes: int
    seconds_left: float | None
    error: str
    cubes_dropped: int = 0
