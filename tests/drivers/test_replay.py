"""The source `replay`: pacing, numbering, looping, stopping and loss."""

import threading
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from livecassi.drivers.clock import ManualClock
from livecassi.drivers.errors import (
    SourceError,
    SourceLostError,
    SourceNotFoundError,
    SourceUnsupportedError,
)
from livecassi.drivers.frame import Frame
from livecassi.drivers.replay import Replay
from livecassi.drivers.source import SourceInfo, SourceSettings


class Recorded:
    """Frames with the given indices; frame `lost_at` cannot be read."""

    def __init__(self, indices: list[int], lost_at: int | None = None) -> None:
        self._indices = indices
        self._lost_at = lost_at
        self.info = SourceInfo("harvester", "bench", "7", (3, 5), 12, (10.0, 1e6), (0.0, 24.0), len(indices))

    def __len__(self) -> int:
        return len(self._indices)

    def frame(self, position: int) -> Frame:
        if position == self._lost_at:
            raise SourceNotFoundError("segment 2 is gone")
        pixels = np.full((3, 5), position, np.uint16)
        return Frame(pixels, self._indices[position], host_time_ns=100 + position, exposure_us=250.0)


def test_unpaced_frames_come_untouched_with_their_gaps() -> None:
    frames = list(Replay(Recorded([4, 5, 8]), frame_rate_hz=None).frames(threading.Event()))
    assert [(f.index, f.host_time_ns, f.exposure_us) for f in frames] == [
        (4, 100, 250.0),
        (5, 101, 250.0),
        (8, 102, 250.0),
    ]
    np.testing.assert_array_equal(frames[2].pixels, np.full((3, 5), 2))


def test_paced_frames_arrive_at_the_rate_of_the_clock() -> None:
    clock = ManualClock(start_ns=1_000)
    frames = list(Replay(Recorded([0, 1, 2]), frame_rate_hz=40.0, clock=clock).frames(threading.Event()))
    assert [f.host_time_ns for f in frames] == [1_000, 25_001_000, 50_001_000]


def test_a_slow_reader_gets_every_frame_without_a_burst() -> None:
    clock = ManualClock()
    times = []
    for frame in Replay(Recorded(list(range(5))), frame_rate_hz=100.0, clock=clock).frames(threading.Event()):
        times.append(frame.host_time_ns // 1_000_000)
        if frame.index == 1:
            clock.advance(0.5)
    assert times == [0, 10, 510, 520, 530]


def test_a_loop_goes_on_counting_and_keeps_gaps() -> None:
    replay = Replay(Recorded([4, 5, 8]), frame_rate_hz=None, loop=True)
    assert [f.index for f in islice(replay.frames(threading.Event()), 8)] == [4, 5, 8, 9, 10, 13, 14, 15]
    assert replay.info.frame_count is None
    assert [f.index for f in islice(replay.frames(threading.Event()), 1)] == [4]


def test_stop_ends_the_delivery() -> None:
    stop = threading.Event()
    seen = []
    for frame in Replay(Recorded([0, 1, 2, 3]), frame_rate_hz=30.0, clock=ManualClock(), loop=True).frames(stop):
        seen.append(frame.index)
        if len(seen) == 6:
            stop.set()
    assert seen == [0, 1, 2, 3, 4, 5]


def test_info_and_settings_of_a_replay() -> None:
    recorded = Recorded([0, 1])
    replay = Replay(recorded, frame_rate_hz=None)
    expected = replace(recorded.info, kind="replay", exposure_range_us=None, gain_range_db=None)
    assert replay.info == expected
    assert replay.configure(SourceSettings(exposure_us=5.0, gain_db=1.0)) == SourceSettings()
    assert replay.configure(SourceSettings(frame_rate_hz=12.5)) == SourceSettings(frame_rate_hz=12.5)


def test_a_rate_set_while_frames_flow_acts_on_the_next() -> None:
    clock = ManualClock()
    replay = Replay(Recorded([0, 1, 2, 3]), frame_rate_hz=100.0, clock=clock)
    times = []
    for frame in replay.frames(threading.Event()):
        times.append(frame.host_time_ns // 1_000_000)
        if frame.index == 1:
            replay.configure(SourceSettings(frame_rate_hz=10.0))
    assert times == [0, 10, 20, 120]


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate_hz: float) -> None:
    with pytest.raises(SourceUnsupportedError, match="expected one above 0"):
        Replay(Recorded([0]), frame_rate_hz=rate_hz)


def test_nothing_to_replay_is_refused() -> None:
    with pytest.raises(SourceUnsupportedError, match="'bench' holds no frames"):
        Replay(Recorded([]))


def test_a_recording_that_vanishes_is_lost_after_what_could_be_read() -> None:
    frames = Replay(Recorded([0, 1, 2, 3], lost_at=2), frame_rate_hz=None).frames(threading.Event())
    assert [next(frames).index, next(frames).index] == [0, 1]
    with pytest.raises(SourceLostError, match=r"frame 3 of 4: segment 2 is gone") as caught:
        next(frames)
    assert isinstance(caught.value.__cause__, SourceError)
