"""A recording is a folder that any HDF5 reader can open, also after a crash.

    session.json      what was recorded, with what, and how it ended: see `session_file.SessionFile`
    calibration.h5    the calibration that was in use, see `livecassi.calibration.store` (absent: none)
    raw_00000.h5 ...  raw frames in segments of a few seconds
    cubes_00000.h5 ...  reconstructed cubes, where they were wanted

A raw segment, in the file format of HDF5 1.10, written in SWMR mode:

    /frames (N, H, W')  uint8, uint16, or float32 for measurements that were replayed; one chunk per frame,
                        bitshuffle-lz4 (HDF5 filter 32008, Python: `import hdf5plugin`) or none, Fletcher-32
    /meta (N,)          one row per frame:
        index               int64    the device's count of exposures
        host_time_ns        int64    monotonic clock of the host at arrival; session.json pairs it with UTC
        device_time_ns      int64    the device's clock, -1 where it has none
        exposure_us         float64
        gain_db             float64
        bit_depth           uint8    0 for measurements
        temperature_c       float64  NaN where unknown
        saturated_fraction  float64  share of the raw pixels at full scale, NaN for measurements
        lost_before         uint32   frames missing before this one that never reached the recorder
        dropped_before      uint32   frames missing before this one because the disk was too slow

`/frames` is written before `/meta` and each is flushed: where a program was killed, the first min(N) of both are
valid; open with `swmr=True`, or run `h5clear -s`. A segment of cubes holds `/cubes (N, C, H, W)` float16 in chunks
of (1, C, 64, 64), bitshuffle-lz4; `/wavelengths_nm (C,)`; `/meta (N,)` with `frame_index` and `host_time_ns`;
attributes `engine`, `calibration_id`, `quantity`.
"""

from livecassi.app.recording.errors import RecordingError, RecordingUnreadableError
from livecassi.app.recording.info import RecordingInfo
from livecassi.app.recording.options import RecorderStats, RecordingOptions
from livecassi.app.recording.recorder import Recorder
from livecassi.app.recording.recording import Recording, is_recording
from livecassi.app.recording.session_file import RecordingState

__all__ = [
    "Recorder",
    "RecorderStats",
    "Recording",
    "RecordingError",
    "RecordingInfo",
    "RecordingOptions",
    "RecordingState",
    "RecordingUnreadableError",
    "is_recording",
]
