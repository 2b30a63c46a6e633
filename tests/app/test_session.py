"""The session: order, latest-wins, counters, failures, and that nothing is lost or left running."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from fakes import FakeEngine, FakeSource, small_calibration

from livecassi.app.mailbox import Mailbox
from livecassi.app.rate import RateMeter
from livecassi.app.recording import Recording
from livecassi.app.session import Result, Session, SessionState
from livecassi.calibration import CalibrationMismatchError, Measurement
from livecassi.drivers import SourceLostError, SourceSettings
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


def test_mailbox_keeps_the_newest_and_counts_what_it_replaced() -> None:
    box: Mailbox[int] = Mailbox()
    for value in (1, 2, 3):
        box.put(value)
    assert (box.take(), box.take(0), box.replaced) == (3, None, 2)


def test_mailbox_wakes_a_waiter_when_closed_but_still_hands_out_the_last_value() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(7)
    box.close()
    assert (box.take(), box.take(), box.closed) == (7, None, True)


def test_rate_counts_intervals_and_falls_when_nothing_comes() -> None:
    meter = RateMeter()
    for tick in range(11):
        meter.tick(tick * 100_000_000)
    assert meter.hz(1_000_000_000) == pytest.approx(10.0)
    assert meter.hz(1_900_000_000) < 10.0
    assert meter.hz(9_000_000_000) == 0.0


def test_cubes_flow_and_everything_stops() -> None:
    calibration = small_calibration()
    source, engine = FakeSource(calibration.measurement_shape), FakeEngine(calibration)
    with Session(source, calibration) as session:
        session.use_engine("fake", lambda: engine)
        session.start()
        result = next_cube(session)
        assert result.cube is not None
        np.testing.assert_array_equal(result.cube.values, engine.model.adjoint(result.measurement.values))
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
        assert str(session.take_error()) == "no such weights"
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
