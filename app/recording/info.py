"""What a recording holds, as a report for people and programs."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from livecassi.app.recording.session_file import RecordingState
from livecassi.drivers import SourceInfo, SourceSettings
from livecassi.engines import EngineInfo


class RecordingInfo(BaseModel):
    """The report of `livecassi recording info`.

    `gaps` lists (index of the frame before the gap, number of missing frames), whether the source lost them or the
    disk was too slow; `damaged` the files of which a part cannot be read. `complete`: finished and sound.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    folder: str
    state: RecordingState
    complete: bool
    failure: str
    created: str
    application_version: str
    schema_version: str
    frames_readable: int
    frame_shape: tuple[int, int]
    dtype: str
    bit_depth: int
    duration_s: float
    frame_rate_hz: float | None
    dropped: int
    lost: int
    gaps: list[tuple[int, int]]
    damaged: list[str]
    cubes_readable: int
    calibration_id: str
    size_bytes: int
    segments: int
    source: SourceInfo
    settings: SourceSettings
    engine: EngineInfo | None


def gaps_in(meta: NDArray[np.void]) -> list[tuple[int, int]]:
    """(index before, missing frames) wherever frames are missing, from the index and from the marks."""
    if not len(meta):
        return []
    index = meta["index"].astype(np.int64)
    marked = meta["lost_before"].astype(np.int64) + meta["dropped_before"]
    stepped = np.diff(index, prepend=index[0] - 1 - marked[0]) - 1
    missing = np.maximum(stepped, marked)
    before = np.concatenate(([index[0] - 1 - marked[0]], index[:-1]))
    return [(int(before[k]), int(missing[k])) for k in np.flatnonzero(missing > 0)]
