"""Which frame is shown where the camera is ahead of the engine."""

import numpy as np
import pytest

from livecassi.app.ahead import FrameAhead
from livecassi.app.result import Result
from livecassi.calibration import MeasurementFlag
from livecassi.drivers import Frame

FRAMES = [Frame(np.zeros((3, 5), np.uint16), index, index) for index in range(30)]


def looks(*pairs: tuple[int | None, int | None]) -> list[int | None]:
    """The frames shown at looks at the screen, each given the frame of the result that came and the newest frame."""
    ahead = FrameAhead()
    shown = []
    for done, newest in pairs:
        result = None
        if done is not None:
            result = Result(FRAMES[done], MeasurementFlag.NONE, None, 1.0)
        frame = ahead.choose(result, FRAMES[newest] if newest is not None else None)
        shown.append(frame.index if frame is not None else None)
    return shown


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 0), (1, 1), (2, 2)],
        [(0, 1), (1, 2), (2, 3)],  # the next frame has just come
        [(0, 3), (3, 7), (7, 10)],  # a camera faster than the screen
        [(0, 0), (None, 1), (1, 1), (None, 2), (2, 2)],  # a look falls between a frame and its turn
        [(0, 0), (None, 0), (None, 0), (1, 1)],  # a slow camera
    ],
)
def test_an_engine_that_keeps_up_brings_the_frame_itself(pairs: list[tuple[int | None, int]]) -> None:
    last = None
    for (done, _), seen in zip(pairs, looks(*pairs), strict=True):
        last = last if done is None else done
        assert seen == last


def test_behind_the_camera_every_look_sees_the_newest_frame_and_none_goes_back() -> None:
    assert looks((0, 0), (None, 1), (None, 2), (None, 3), (1, 4), (None, 4), (None, 5)) == [0, 0, 2, 3, 4, 4, 5]


def test_an_engine_that_has_caught_up_brings_the_frames_again() -> None:
    assert looks((0, 0), (None, 1), (None, 2), (2, 2), (None, 3), (3, 3), (4, 5)) == [0, 0, 2, 2, 2, 3, 4]


def test_before_the_first_result_nothing_is_shown() -> None:
    assert looks((None, None), (None, 0), (None, 1), (1, 1)) == [None, None, None, 1]
