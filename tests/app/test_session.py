"""The session: order, latest-wins, counters, failures, and that nothing is lost or left running."""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from fakes import FakeEngine, FakeSource, FakeWindowEngine, small_calibration

from livecassi.app import session as session_module
from livecassi.app.engine_slot import EngineFailedError
from livecassi.app.rate import RateMeter
from livecassi.app.recording import Recording, RecordingOptions
from livecassi.app.result import Result
from livecassi.app.session import Session, SessionState
from livecassi.calibration import CalibrationMismatchError, Corrector, Measurement
from livecassi.drivers import Frame, SourceLostError, SourceSettings
from livecassi.engines import Cube, Engine, EngineUnavailableError


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait for a condition that another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited condition did not come about"
        time.sleep(0.002)


def next_cube(session: Session) -> Result:
    """The next result that has a cube."""
    found: list[Result] = []

    def arrived() -> bool:
        result = session.take_result(0.05)
        if result is not None and result.cube is not None:
            found.append(result)
        return bool(found)

    until(arrived)
    return found[0]


def test_rate_counts_intervals_and_falls_when_nothing_comes() -> None:
    meter = RateMeter()
    for tick in range(11):
        meter.tick(tick * 100_000_000)
    assert meter.hz(1_000_000_000) == pytest.approx(10.0)
    assert meter.hz(1_900_000_000) < 10.0
    assert meter.hz(9_000_000_000) == 0.0


def test_rate_of_what_happens_seldom_is_told_too() -> None:
    meter = RateMeter()
    for burst in range(4):
        for _ in range(3):
            meter.tick(burst * 6_000_000_000)
    assert meter.hz(18_000_000_000) == pytest.approx(0.5, rel=0.01)
    assert 0.2 < meter.hz(24_000_000_000) < 0.5
    assert meter.hz(90_000_000_000) == 0.0


def test_cubes_flow_and_everything_stops() -> None:
    calibration = small_calibration()
    source, engine = FakeSource(calibration.measurement_shape), FakeEngine(calibration)
    with Session(source, calibration) as session:
        session.use_engine("fake", lambda: engine)
        session.start()
        result = next_cube(session)
        assert result.cube is not None
        np.testing.assert_array_equal(
            result.cube.values, engine.model.adjoint(Corrector(calibration).correct(result.frame).values)
        )
        assert result.frame.index == result.cube.frame_index
        until(lambda: session.stats().camera_hz > 0)
    assert not source.running
    assert (engine.entered, engine.exited) == (1, 1)
    assert session.stats().state is SessionState.IDLE


def test_raw_frames_are_shown_while_the_engine_is_being_built() -> None:
    calibration = small_calibration()
    ready = threading.Event()

    def build() -> Engine:
        assert ready.wait(10)
        return FakeEngine(calibration)

    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        session.use_engine("slow", build)
        session.start()
        until(lambda: (result := session.take_result(0.1)) is not None and result.cube is None)
        assert session.stats().building == "slow"
        ready.set()
        next_cube(session)
        assert (session.stats().building, session.stats().engine) == ("", "fake")


def test_the_raw_frame_is_seen_while_the_first_cube_is_made() -> None:
    calibration = small_calibration()
    seen = threading.Event()

    class Thorough(FakeEngine):
        def reconstruct(self, measurement: Measurement) -> Cube:
            assert seen.wait(10)
            return super().reconstruct(measurement)

    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        session.use_engine("thorough", lambda: Thorough(calibration))
        until(lambda: not session.stats().building)
        session.start()
        until(lambda: (result := session.take_result(0.1)) is not None and result.cube is None)
        seen.set()
        next_cube(session)


def test_a_file_that_ends_before_its_engine_is_ready_still_gives_a_cube_of_its_last_frame() -> None:
    calibration = small_calibration()
    ready = threading.Event()

    def build() -> Engine:
        assert ready.wait(10)
        return FakeEngine(calibration)

    with Session(FakeSource(calibration.measurement_shape, count=2, is_file=True), calibration) as session:
        session.use_engine("slow", build)
        session.start()
        until(lambda: session.stats().state is SessionState.ENDED)
        until(lambda: session.take_result(0.05) is not None)
        ready.set()
        assert next_cube(session).frame.index == 1


def test_switching_engines_releases_the_old_one_and_the_last_request_wins() -> None:
    calibration = small_calibration()
    first, second, third = (FakeEngine(calibration, name) for name in ("first", "second", "third"))
    slow = threading.Event()

    def build_second() -> Engine:
        assert slow.wait(10)
        return second

    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        session.use_engine("first", lambda: first)
        session.start()
        next_cube(session)
        session.use_engine("second", build_second)
        session.use_engine("third", lambda: third)
        until(lambda: session.stats().engine == "third")
        slow.set()
        until(lambda: second.exited == 1)
        assert session.stats().engine == "third"
        assert first.exited == 1
    assert third.exited == 1


def test_an_engine_that_cannot_be_built_is_an_error_and_the_old_one_stays() -> None:
    calibration = small_calibration()

    def broken() -> Engine:
        raise RuntimeError("no such weights")

    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        session.use_engine("fake", lambda: FakeEngine(calibration))
        session.start()
        next_cube(session)
        session.use_engine("broken", broken)
        until(lambda: session.stats().error is not None)
        error = session.take_error()
        assert isinstance(error, EngineFailedError)
        assert str(error) == "engine 'broken' could not be built: no such weights; 'fake' goes on"
        assert session.take_error() is None
        next_cube(session)


def test_an_engine_that_breaks_leaves_raw_frames_and_the_recording_going(tmp_path: Path) -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape, gated=True)
    assert source.gate is not None
    with Session(source, calibration) as session:
        engine = FakeEngine(calibration, fail_at=0)
        session.use_engine("fake", lambda: engine)
        until(lambda: not session.stats().building)
        session.start_recording(tmp_path / "recording")
        session.start()
        source.gate.release()
        until(lambda: session.stats().error is not None)
        assert engine.exited == 1
        for _ in range(3):
            source.gate.release()
        until(lambda: (result := session.take_result(0.1)) is not None and result.cube is None)
        until(lambda: session.stats().frames == 4)
        final = session.stop_recording()
    assert final is not None
    assert final.frames_written == 4


def test_every_frame_goes_to_disk_while_the_screen_skips(tmp_path: Path) -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape, count=60, interval_s=0.0, skip=frozenset({7, 8, 30}))
    with Session(source, calibration) as session:
        session.start_recording(tmp_path / "recording")
        session.start()
        until(lambda: session.stats().state is SessionState.ENDED)
        stats = session.stats()
    assert stats.lost == 3
    with Recording(tmp_path / "recording") as recording:
        indices = [frame.index for frame in recording.frames()]
        info = recording.describe()
    assert indices == [i for i in range(60) if i not in (7, 8, 30)]
    assert (info.lost, info.dropped) == (3, 0)


def test_the_recording_ends_itself_after_the_frames_asked_for(tmp_path: Path) -> None:
    calibration = small_calibration()
    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        session.start_recording(tmp_path / "recording", frames=5)
        session.start()
        until(lambda: not session.recording)
        session.stop()
        stats = session.stats().recorder
    assert stats is not None
    assert stats.frames_written == 5


def test_a_lost_camera_is_told_and_its_recording_is_kept(tmp_path: Path) -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape, lose_at=6)
    with Session(source, calibration) as session:
        session.start_recording(tmp_path / "recording")
        session.start()
        until(lambda: session.stats().state is SessionState.FAILED and not session.recording)
        assert isinstance(session.take_error(), SourceLostError)
    with Recording(tmp_path / "recording") as recording:
        assert len(recording) == 6
        assert recording.describe().complete


def test_a_session_starts_again_after_a_failure() -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape, lose_at=2)
    with Session(source, calibration) as session:
        session.start()
        until(lambda: session.stats().state is SessionState.FAILED)
        session.stop()
        source.lose_at = None
        session.use_engine("fake", lambda: FakeEngine(calibration))
        session.start()
        next_cube(session)
        assert session.stats().state is SessionState.RUNNING


def test_a_frame_of_another_size_is_one_error_and_acquisition_goes_on() -> None:
    calibration = small_calibration()
    with Session(FakeSource((HEIGHT_OFF, 9)), calibration) as session:
        session.start()
        until(lambda: session.stats().error is not None)
        error = session.take_error()
        assert isinstance(error, CalibrationMismatchError)
        assert "choose the calibration" in str(error)
        seen = session.stats().frames
        until(lambda: session.stats().frames > seen)
        assert session.take_error() is None


HEIGHT_OFF = 11


def test_pausing_a_camera_freezes_the_screen_but_not_the_disk(tmp_path: Path) -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape, gated=True)
    assert source.gate is not None
    with Session(source, calibration) as session:
        session.start_recording(tmp_path / "recording")
        session.start()
        source.gate.release()
        until(lambda: session.take_result(0.05) is not None)
        session.pause()
        source.gate.release(2)
        until(lambda: session.stats().frames == 3)
        assert session.take_result(0.05) is None
        assert session.stats().state is SessionState.PAUSED
        session.resume()
        source.gate.release()
        until(lambda: (r := session.take_result(0.05)) is not None and r.frame.index == 3)
        final = session.stop_recording()
    assert final is not None
    assert final.frames_written == 4


@pytest.mark.parametrize("count", [1000, None], ids=["to its end", "again and again"])
def test_pausing_a_file_holds_it_and_stopping_while_paused_does_not_hang(count: int | None) -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape, count=count, interval_s=0.0, is_file=True)
    session = Session(source, calibration)
    session.start()
    until(lambda: session.stats().frames > 2)
    session.pause()
    time.sleep(0.05)
    held = session.stats().frames
    time.sleep(0.05)
    assert session.stats().frames == held
    session.stop()
    assert not source.running


def test_settings_reach_the_source_and_the_applied_values_come_back() -> None:
    calibration = small_calibration()
    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        applied = session.configure(SourceSettings(exposure_us=2500.0))
        assert applied == SourceSettings(2500.0, 0.0, 100.0)
        assert session.stats().settings == applied


def test_stop_twice_and_without_start() -> None:
    session = Session(FakeSource((3, 5)), small_calibration())
    session.stop()
    session.stop()
    assert session.stats().state is SessionState.IDLE


def test_an_engine_that_failed_before_the_start_is_told_after_it() -> None:
    def refuse() -> NoReturn:
        raise EngineUnavailableError("no such engine")

    calibration = small_calibration()
    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        session.use_engine("absent", refuse)
        until(lambda: not session.stats().building)
        session.start()
        assert isinstance(session.take_error(), EngineUnavailableError)


# ---- engines that look at a window of frames -------------------------------------------------------------------------


class Stage:
    """A session over a gated camera and one window engine, whose passes wait for `go` where `slow`."""

    def __init__(self, *, slow: bool = False, count: int | None = None, **engine: object) -> None:
        self.calibration = small_calibration()
        self.source = FakeSource(self.calibration.measurement_shape, count=count, gated=True)
        self.go = threading.Semaphore(0)
        self.begun: list[list[int]] = []
        self.engine = FakeWindowEngine(
            self.calibration, before_pass=self._before_pass if slow else self.begun.append, **engine
        )
        self.session = Session(self.source, self.calibration)
        self.session.use_engine("window", lambda: self.engine)
        until(lambda: not self.session.stats().building)

    def _before_pass(self, frames: list[int]) -> None:
        self.begun.append(frames)
        assert self.go.acquire(timeout=10)

    def deliver(self, count: int) -> None:
        """Let the camera deliver frames, and wait until they came."""
        frames = self.session.stats().frames
        self.source.gate.release(count)
        until(lambda: self.session.stats().frames == frames + count)

    def see(self, frame: int) -> Result:
        """Wait until a frame is on the screen after its turn at the engine."""
        found: list[Result] = []

        def arrived() -> bool:
            result = self.session.take_result(0.05)
            if result is not None and result.frame.index == frame:
                found.append(result)
            return bool(found)

        until(arrived)
        return found[-1]

    def finish(self) -> None:
        for _ in range(99):
            self.go.release()
        self.session.close()


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(**options: object) -> Stage:
        stages.append(Stage(**options))
        return stages[-1]

    yield make
    for made in stages:
        made.finish()


def cubes_in(folder: Path) -> list[int]:
    """The frames whose cubes a recording holds."""
    with Recording(folder) as recording:
        return [recording.cube(position).frame_index for position in range(recording.cube_count)]


def test_an_engine_that_keeps_up_is_given_every_frame_and_looks_at_three(stage: Callable[..., Stage]) -> None:
    at = stage()
    at.session.start()
    for index in range(5):
        at.deliver(1)
        until(lambda index=index: len(at.begun) == index + 1)
    assert at.engine.passes == [[0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert at.engine.observed == []
    assert at.session.stats().replaced == 0


def test_an_engine_that_is_slower_than_the_camera_still_sees_consecutive_frames(stage: Callable[..., Stage]) -> None:
    at = stage(slow=True)
    at.session.start()
    at.deliver(1)
    until(lambda: at.begun == [[0]])
    at.deliver(10)
    at.go.release()
    until(lambda: len(at.begun) == 2)
    at.go.release()
    assert at.see(10).cube.frame_index == 10
    assert at.engine.passes == [[0], [8, 9, 10]]
    assert at.engine.observed == [8, 9]
    assert at.session.stats().replaced == 9
    at.deliver(2)  # one comes as the engine waits, the other while it works
    at.go.release(9)
    until(lambda: len(at.engine.passes) >= 3 and at.engine.passes[-1] == [10, 11, 12])


def test_three_frames_per_pass_get_three_cubes_though_the_camera_is_faster(
    stage: Callable[..., Stage], tmp_path: Path
) -> None:
    at = stage(slow=True, hop=3, count=12)
    at.session.start_recording(tmp_path / "recording", RecordingOptions(cubes=True))
    at.session.start()
    for index in range(2):
        at.deliver(1)
        assert at.see(index).cube is None, "the picture stays raw until the first cube"
    at.deliver(1)
    until(lambda: at.begun == [[0, 1, 2]])
    at.deliver(9)
    at.go.release(9)
    until(lambda: at.session.stats().state is SessionState.ENDED and not at.session.recording)
    at.session.stop()
    assert at.begun == [[0, 1, 2], [9, 10, 11]]
    assert cubes_in(tmp_path / "recording") == [0, 1, 2, 9, 10, 11]
    assert at.session.stats().replaced == 6


def test_a_late_cube_is_shown_with_the_newest_frame_and_stays_until_the_next(stage: Callable[..., Stage]) -> None:
    at = stage(hop=3)
    at.session.start()
    shown = []
    for index in range(6):
        at.deliver(1)
        if index == 2:  # the frame is shown first, then with its cube
            until(
                lambda: (
                    (r := at.session.take_result(0.05)) is not None and r.cube is not None and shown.append(r) is None
                )
            )
        else:
            shown.append(at.see(index))
    assert [result.frame.index for result in shown] == [0, 1, 2, 3, 4, 5]
    assert [result.cube and result.cube.frame_index for result in shown] == [None, None, 0, 1, 2, 3]
    assert not any(result.has_cube_of(result.frame) for result in shown)


def test_the_rate_counts_cubes_that_came_and_the_time_is_that_of_one() -> None:
    calibration = small_calibration()
    now = [0]
    source = FakeSource(calibration.measurement_shape, gated=True)

    def take_three_tenths(_frames: list[int]) -> None:
        now[0] += 300_000_000

    engine = FakeWindowEngine(calibration, hop=3, before_pass=take_three_tenths)
    with Session(source, calibration, clock_ns=lambda: now[0]) as session:
        session.use_engine("window", lambda: engine)
        until(lambda: not session.stats().building)
        session.start()
        for index in range(9):
            source.gate.release()
            until(lambda index=index: engine.calls_made == index + 1)
        # three cubes at 0.3 s, three at 0.6 s, one at 0.9 s
        until(lambda: session.stats().reconstruction_hz == pytest.approx(6 / 0.6))
        assert session.stats().reconstruct_ms == pytest.approx(100.0)


@pytest.mark.parametrize("centre", [False, True], ids=["latest", "centre"])
@pytest.mark.parametrize(("hop", "count"), [(1, 4), (2, 5), (3, 2), (3, 7)])
def test_when_the_source_ends_every_cube_that_is_owed_is_recorded_once_and_the_last_shown(
    stage: Callable[..., Stage], tmp_path: Path, hop: int, count: int, centre: bool
) -> None:
    at = stage(hop=hop, centre=centre and hop < 3, count=count)
    at.session.start_recording(tmp_path / "recording", RecordingOptions(cubes=True))
    at.session.start()
    for index in range(count):
        at.source.gate.release()
        until(lambda index=index: at.engine.calls_made == index + 1)
    until(lambda: at.session.stats().state is SessionState.ENDED and not at.session.recording)
    at.session.stop()
    assert cubes_in(tmp_path / "recording") == list(range(count))
    result = at.session.take_result()
    assert result is not None
    assert (result.frame.index, result.cube.frame_index) == (count - 1, count - 1)
    assert result.has_cube_of(result.frame)


def test_an_engine_that_comes_after_the_end_gives_the_cube_of_the_last_frame_though_it_is_late() -> None:
    calibration = small_calibration()
    ready = threading.Event()

    def build() -> Engine:
        assert ready.wait(10)
        return FakeWindowEngine(calibration, hop=3)

    with Session(FakeSource(calibration.measurement_shape, count=4), calibration) as session:
        session.use_engine("late", build)
        session.start()
        until(lambda: session.stats().state is SessionState.ENDED)
        ready.set()
        assert next_cube(session).cube.frame_index == 3


def test_memory_stays_flat_and_stopping_waits_for_one_pass_only(stage: Callable[..., Stage]) -> None:
    at = stage(slow=True, hop=2)
    alive: list[weakref.ref[np.ndarray]] = []
    make_frame = at.source.frame

    def watched(index: int) -> Frame:
        frame = make_frame(index)
        alive.append(weakref.ref(frame.pixels))
        return frame

    at.source.frame = watched
    at.session.start()
    at.deliver(1)
    assert at.see(0).cube is None
    at.deliver(1)
    until(lambda: at.begun == [[0, 1]])
    at.deliver(300)
    assert len(alive) == 302
    # three wait, two are at the engine or on the screen, one is in the hands of the camera
    assert sum(pixels() is not None for pixels in alive) <= 3 + 2 + 1
    stopper = threading.Thread(target=at.session.stop)
    stopper.start()
    until(lambda: not at.source.running)
    at.go.release()
    stopper.join(session_module.JOIN_TIMEOUT_S)
    assert not stopper.is_alive()
    assert at.begun == [[0, 1]], "neither the frames that wait nor the cubes that are owed cost another pass"
    assert at.engine.exited == 1


def test_the_newest_frame_is_at_hand_while_the_engine_is_in_a_pass_and_a_pause_holds_it(
    stage: Callable[..., Stage],
) -> None:
    at = stage(slow=True)
    assert at.session.newest_frame is None
    at.session.start()
    at.deliver(1)
    until(lambda: at.begun == [[0]])
    for index in (1, 2, 3):
        at.deliver(1)
        until(lambda index=index: at.session.newest_frame.index == index)
    assert at.session.stats().reconstruct_ms == 0.0
    at.session.pause()
    at.deliver(2)
    at.go.release()
    until(lambda: at.session.stats().reconstruct_ms > 0)
    assert at.session.newest_frame.index == 3
    at.session.resume()
    at.deliver(1)
    until(lambda: at.session.newest_frame.index == 6)


def test_the_newest_frame_is_never_older_than_a_result(stage: Callable[..., Stage]) -> None:
    at = stage()
    at.session.start()
    at.source.gate.release(500)
    last = -1
    while last < 499:
        result, newest = at.session.take_result(10), at.session.newest_frame
        assert result is not None
        last = result.frame.index
        assert newest.index >= last


def test_a_file_in_a_pause_does_not_run_ahead_on_the_screen() -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape, count=20, gated=True, is_file=True)
    with Session(source, calibration) as session:
        session.start()
        source.gate.release()
        until(lambda: session.newest_frame is not None)
        session.pause()
        source.gate.release(9)
        until(lambda: session.stats().frames == 2)  # the one that was on its way
        until(lambda: (result := session.take_result(0.05)) is not None and result.frame.index == 1)
        assert session.newest_frame.index == 1
        assert session.stats().frames == 2
        session.resume()
        until(lambda: session.newest_frame.index == 9)


def test_stopping_has_more_patience_with_a_pass_than_closing(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "JOIN_TIMEOUT_S", 0.05)
    for end, released in (("stop", 1), ("close", 0)):
        at = stage(slow=True)
        at.session.start()
        at.deliver(1)
        until(lambda at=at: at.begun == [[0]])
        ending = threading.Thread(target=getattr(at.session, end))
        ending.start()
        until(lambda at=at: not at.source.running)
        ending.join(0.3 if end == "stop" else 10)
        assert ending.is_alive() == (end == "stop")
        at.go.release()
        ending.join(10)
        assert not ending.is_alive()
        assert at.engine.exited == released


def test_a_paused_camera_leaves_a_gap_that_the_engine_sees(stage: Callable[..., Stage]) -> None:
    at = stage(hop=2)
    at.session.start()
    for index in range(3):
        at.deliver(1)
        until(lambda index=index: at.engine.calls_made == index + 1)
    at.session.pause()
    at.deliver(4)
    at.session.resume()
    at.deliver(1)
    until(lambda: at.engine.calls_made == 4)
    assert at.engine.passes == [[0, 1], [0, 1, 2]]  # the second for frame 2 alone: what it was owed before the gap
    at.deliver(1)
    until(lambda: at.engine.passes[2:] == [[7, 8]])


def test_changing_the_engine_makes_what_is_owed_only_where_cubes_are_kept(
    stage: Callable[..., Stage], tmp_path: Path
) -> None:
    for keeps in (True, False):
        at = stage(hop=3)
        if keeps:
            at.session.start_recording(tmp_path / "recording", RecordingOptions(cubes=True))
        at.session.start()
        for index in range(5):
            at.deliver(1)
            until(lambda index=index, at=at: at.engine.calls_made == index + 1)
        follower = FakeEngine(at.calibration, "follower")
        at.session.use_engine("follower", lambda follower=follower: follower)
        until(lambda at=at: not at.session.stats().building)
        at.deliver(1)
        until(lambda at=at: at.session.stats().engine == "follower")
        assert at.see(5).cube.engine == "follower"
        assert at.engine.exited == 1
        assert at.session.stats().replaced == (0 if keeps else 2)
        assert at.engine.passes == ([[0, 1, 2], [2, 3, 4]] if keeps else [[0, 1, 2]])
        at.session.stop()
    assert cubes_in(tmp_path / "recording") == [0, 1, 2, 3, 4, 5]


def test_the_window_follows_the_engine_in_use(stage: Callable[..., Stage]) -> None:
    at = stage(slow=True)
    at.session.start()
    at.deliver(1)
    until(lambda: at.begun == [[0]])
    single = FakeEngine(at.calibration, "single")
    at.session.use_engine("single", lambda: single)
    until(lambda: not at.session.stats().building)
    at.deliver(3)
    at.go.release()
    assert at.see(3).cube.engine == "single"
    assert single.observed == [1, 2]
    assert at.session.stats().replaced == 2


# ---- falling back ----------------------------------------------------------------------------------------------------


def test_an_engine_that_fails_gives_way_to_the_one_before(stage: Callable[..., Stage]) -> None:
    at = stage(fail_at=3)
    built: list[FakeEngine] = []

    def build() -> Engine:
        built.append(FakeEngine(at.calibration, "gap-tv"))
        return built[-1]

    at.session.use_engine("gap-tv", build)
    until(lambda: not at.session.stats().building)
    at.session.start()
    at.deliver(1)
    until(lambda: at.session.stats().engine == "gap-tv")
    at.see(0)
    at.engine.exited = 0  # it was released unused
    at.session.use_engine("window", lambda: at.engine)
    until(lambda: not at.session.stats().building)
    for index in (1, 2):
        at.deliver(1)
        until(lambda index=index: at.session.stats().engine == "window" and at.engine.calls_made == index)
    at.deliver(1)
    until(lambda: at.session.stats().error is not None)
    error = at.session.take_error()
    assert str(error) == "engine 'window' failed: the fake engine broke; went back to 'gap-tv'"
    until(lambda: not at.session.stats().building)
    at.deliver(1)
    until(lambda: at.session.stats().engine == "gap-tv")
    assert at.see(4).cube.engine == "gap-tv"
    assert len(built) == 2, "it is built again, not kept"
    assert (built[0].exited, at.engine.exited) == (1, 1)
    assert at.session.take_error() is None


def test_a_frame_with_nan_is_left_out_and_the_engine_goes_on() -> None:
    calibration = small_calibration()

    class Measured(FakeSource):
        def frame(self, index: int) -> Frame:
            pixels = np.full(self.shape, 0.01 * index, np.float32)
            pixels[2, 3] = np.nan if index in (2, 4) else 0.5
            return Frame(pixels, index, index, bit_depth=0)

    engine = FakeWindowEngine(calibration)
    source = Measured(calibration.measurement_shape, gated=True)
    with Session(source, calibration) as session:
        session.use_engine("window", lambda: engine)
        until(lambda: not session.stats().building)
        session.start()
        for index, calls in enumerate((1, 2, 2, 3, 3, 4, 5)):
            source.gate.release()
            until(lambda index=index, calls=calls: session.stats().frames == index + 1 and engine.calls_made == calls)
        error = session.take_error()
        assert isinstance(error, CalibrationMismatchError)
        assert "measurement 2 holds NaN" in str(error)
        assert session.stats().engine == "window"
    assert engine.passes == [[0], [0, 1], [3], [5], [5, 6]]
