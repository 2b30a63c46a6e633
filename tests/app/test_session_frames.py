"""The session with an engine that takes raw frames: what it is given, what comes back, and that nothing is lost."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine, FakeFrameEngine, FakeSource, small_calibration

from livecassi.app.recording import Recording, RecordingOptions
from livecassi.app.result import Result
from livecassi.app.session import Session, SessionState
from livecassi.calibration import Corrector, MeasurementFlag
from livecassi.drivers import Frame
from livecassi.engines import EngineError
from livecassi.engines.frame_engine import FrameEngine, Wanted

LITTLE = Wanted(False, 0.5, ((3, 4),), 3)


class Stage:
    """A session over a gated camera and an engine that takes raw frames; passes wait for `go` where `slow`."""

    def __init__(
        self, *, dark: bool = True, slow: bool = False, source: type[FakeSource] = FakeSource, **engine: int
    ) -> None:
        self.calibration = small_calibration(dark=dark)
        self.source = source(self.calibration.measurement_shape, gated=True)
        self.go, self.begun = threading.Semaphore(0), threading.Semaphore(0)
        self.engine = FakeFrameEngine(
            self.calibration, before_pass=self._before_pass if slow else lambda _: None, **engine
        )
        self.session = Session(self.source, self.calibration)
        self.use(self.engine)

    def use(self, engine: FakeEngine) -> None:
        self.session.use_engine(engine.info.name, lambda: engine)
        self.wait(lambda: not self.session.stats().building)

    def _before_pass(self, _: int) -> None:
        self.begun.release()
        assert self.go.acquire(timeout=10)

    def wait(self, condition: Callable[[], bool]) -> None:
        tick = threading.Event()
        for _ in range(2000):
            if condition():
                return
            tick.wait(0.005)
        pytest.fail("the awaited condition did not come about")

    def deliver(self, count: int = 1) -> None:
        frames = self.session.stats().frames
        assert self.source.gate is not None
        self.source.gate.release(count)
        self.wait(lambda: self.session.stats().frames == frames + count)

    def result(self, fits: Callable[[Result], bool]) -> Result:
        """The next result that fits."""
        found: list[Result] = []

        def arrived() -> bool:
            result = self.session.take_result(0.05)
            found.extend([result] if result is not None and fits(result) else [])
            return bool(found)

        self.wait(arrived)
        return found[0]

    def see(self, index: int) -> Result:
        """The result in which the engine has seen this frame."""
        return self.result(lambda result: result.seen is not None and result.seen.frame_index == index)


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(**options: object) -> Stage:
        stages.append(Stage(**options))
        return stages[-1]

    yield make
    for made in stages:
        for _ in range(99):
            made.go.release()
        made.session.close()


def test_frames_go_in_raw_and_pictures_come_back(stage: Callable[..., Stage]) -> None:
    at = stage()
    assert isinstance(at.engine, FrameEngine)
    assert not isinstance(FakeEngine(at.calibration), FrameEngine)
    at.session.want(LITTLE)
    at.session.start()
    for index in range(3):
        at.deliver()
        result = at.see(index)
        assert result.frame.index == index
        assert result.flags == MeasurementFlag.NONE
        assert result.seen is not None
        assert (result.seen.white_level, set(result.seen.spectra)) == (0.5, {(3, 4)})
    assert at.engine.measured == [], "a frame was corrected on the host"
    assert at.session.stats().saturated_fraction == 0.0
    assert at.session.stats().reconstruct_ms > 0


def test_cubes_come_where_they_are_wanted_and_one_in_any_case(stage: Callable[..., Stage]) -> None:
    at = stage()
    at.session.want(LITTLE)
    at.session.start()
    cubes = []
    for index, cubes_wanted in enumerate((False, False, True, True, False)):
        at.session.want(replace(LITTLE, cubes=cubes_wanted))
        at.deliver()
        cube = at.see(index).cube
        assert cube is not None
        cubes.append(cube.frame_index)
    assert cubes == [0, 0, 2, 3, 3]
    assert [wanted.cubes for _, wanted in at.engine.taken] == [True, False, True, True, False]


def test_recorded_cubes_are_all_of_them(stage: Callable[..., Stage], tmp_path: Path) -> None:
    at = stage()
    at.session.want(LITTLE)
    at.session.start()
    at.deliver()
    at.see(0)
    at.session.start_recording(tmp_path / "recording", RecordingOptions(cubes=True))
    for index in range(1, 6):
        at.deliver()
        at.see(index)
    at.session.stop_recording()
    at.deliver()
    at.see(6)
    with Recording(tmp_path / "recording") as recording:
        kept = [recording.cube(position) for position in range(recording.cube_count)]
    assert [cube.frame_index for cube in kept] == [1, 2, 3, 4, 5]
    expected = at.engine.model.adjoint(Corrector(at.calibration).correct(at.source.frame(3)).values)
    np.testing.assert_allclose(kept[2].values, expected, rtol=2e-3)
    assert not at.engine.taken[-1][1].cubes


def test_what_is_given_late_is_not_lost(stage: Callable[..., Stage]) -> None:
    at = stage(slow=True)
    at.session.start()
    at.deliver()
    assert at.begun.acquire(timeout=10)
    at.deliver(2)  # while the first is at work: of these the newer one has its turn, and the first is given with it
    for _ in range(2):
        at.go.release()
    result = at.see(2)
    assert [index for index, _ in at.engine.taken] == [0, 2]
    assert result.frame.index == 2
    assert at.session.stats().replaced == 1


def test_what_an_engine_owes_at_the_end_is_taken(stage: Callable[..., Stage]) -> None:
    class Keeping(FakeFrameEngine):
        def reconstruct_frame(self, frame: Frame, pedestal: float = 0.0, more: bool = False) -> list:  # type: ignore[type-arg]
            return super().reconstruct_frame(frame, pedestal, more=True)

    class Ending(FakeSource):
        def __init__(self, shape: tuple[int, int], **options: bool) -> None:
            super().__init__(shape, 3, **options)

    at = stage(source=Ending)
    at.use(Keeping(at.calibration, "keeping"))
    at.session.start()
    at.deliver()
    at.deliver()
    at.deliver()
    assert at.see(2).frame.index == 2
    at.wait(lambda: at.session.stats().state is SessionState.ENDED)


def test_the_pedestal_of_the_first_frame_is_removed_from_all(stage: Callable[..., Stage]) -> None:
    class Stray(FakeSource):
        """A scene behind the mask on top of stray light."""

        def frame(self, index: int) -> Frame:
            model = FakeEngine(small_calibration()).model
            light = model.forward(np.full(small_calibration().cube_shape, 0.1, np.float32)) + 0.1
            return Frame((light * 4095).astype(np.uint16), index, index, bit_depth=12)

    at = stage(dark=False, source=Stray)
    at.session.start()
    at.deliver()
    flags = at.see(0).flags
    at.deliver()
    at.see(1)
    assert flags == MeasurementFlag.NO_DARK | MeasurementFlag.PEDESTAL_REMOVED
    assert at.engine.pedestals[0] == at.engine.pedestals[1] == pytest.approx(0.1, abs=0.01)


def test_frames_that_are_measurements_already_are_given_as_such(stage: Callable[..., Stage]) -> None:
    class Measured(FakeSource):
        def frame(self, index: int) -> Frame:
            return Frame(np.full(self.shape, 0.25, np.float32), index, index, bit_depth=0)

    at = stage(source=Measured)
    at.session.start()
    at.deliver()
    result = at.result(lambda result: result.cube is not None)
    assert (at.engine.measured, at.engine.taken, result.seen) == ([0], [], None)


def test_an_engine_that_fails_gives_way_and_its_picture_goes(stage: Callable[..., Stage]) -> None:
    at = stage(fail_at=1)
    at.session.start()
    at.deliver()
    at.see(0)
    at.deliver()
    result = at.result(lambda result: result.cube is None)
    assert (result.seen, result.frame.index) == (None, 1)
    error = at.session.take_error()
    assert isinstance(error, RuntimeError | EngineError)


def test_another_engine_begins_with_a_cube_and_leaves_nothing_behind(stage: Callable[..., Stage]) -> None:
    at = stage()
    at.session.want(LITTLE)
    at.session.start()
    at.deliver()
    at.see(0)
    at.use(FakeEngine(at.calibration))
    at.deliver()
    result = at.result(lambda result: result.cube is not None and result.cube.engine == "fake")
    assert result.seen is None
    other = FakeFrameEngine(at.calibration, "other")
    at.use(other)
    at.deliver()
    seen = at.see(2)
    assert seen.cube is not None
    assert (seen.cube.engine, seen.cube.frame_index) == ("other", 2)
