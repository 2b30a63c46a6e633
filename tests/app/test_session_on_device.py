"""A session with a video network on a device, made and left in other threads than it works in: nothing is missing."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine, FakeSource

from livecassi.app.colour import device_colours
from livecassi.app.recording import Recording, RecordingOptions
from livecassi.app.session import Session, SessionState
from livecassi.calibration import Calibration, System
from livecassi.drivers import Frame
from livecassi.engines.frame_engine import Wanted
from livecassi.engines.networks.engine import VideoSettings

pytest.importorskip("onnx", reason="the graph is made with onnx")
pytest.importorskip("onnxruntime", reason="the graph is run by ONNX Runtime")

from onnx_on_host import NetworkOnHost
from raw_frames import NET, bench, frame, one_by_one, widened

from livecassi.engines.networks.frame_engine import FrameVideoEngine

COUNT = 12


class Camera(FakeSource):
    """Delivers the frames of `bench`, each when it is asked for; counted from 1."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__(calibration.measurement_shape, COUNT, gated=True)
        self.calibration = calibration

    def frame(self, index: int) -> Frame:
        return frame(self.calibration, index)


def until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(2000):
        if condition():
            return
        tick.wait(0.005)
    pytest.fail("the awaited condition did not come about")


@pytest.mark.parametrize("hop", [1, 3])
def test_recorded_cubes_are_those_of_a_cpu(tmp_path: Path, hop: int) -> None:
    calibration, settings = bench(System.SD_CASSI), VideoSettings(hop=hop)
    expected = one_by_one(calibration, settings, [frame(calibration, index) for index in range(COUNT)], 0.0)
    source, loaded = Camera(calibration), NetworkOnHost(widened(calibration).SerializeToString())
    assert source.gate is not None
    latency = hop - 1
    with Session(source, calibration) as session:
        session.want(Wanted(False, 0.02, ((4, 6),), 3))
        session.use_engine(
            "tiny", lambda: FrameVideoEngine(NET, loaded, calibration, settings, "tiny", device_colours())
        )
        until(lambda: not session.stats().building)
        session.start_recording(tmp_path / "recording", RecordingOptions(cubes=True))
        session.start()
        for index in range(COUNT):  # one by one: the screen and the disk keep up
            source.gate.release()
            until(lambda: (result := session.take_result(0.02)) is not None and result.frame.index == index)  # noqa: B023
            until(lambda: session.stats().recorder.cubes_written >= index + 1 - latency)  # noqa: B023
        until(lambda: session.stats().state is SessionState.ENDED and not session.recording)
        session.use_engine("fake", lambda: FakeEngine(calibration))
        until(lambda: not session.stats().building)
        assert session.take_error() is None
    assert loaded.closed == 1
    with Recording(tmp_path / "recording") as recording:
        cubes = [recording.cube(position) for position in range(recording.cube_count)]
    assert [cube.frame_index for cube in cubes] == list(range(COUNT))
    for cube in cubes:
        scale = float(np.abs(expected[cube.frame_index].values).max())
        np.testing.assert_allclose(cube.values, expected[cube.frame_index].values, atol=2e-3 * scale)  # kept in float16
