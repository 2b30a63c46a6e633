"""The drift watch: on a schedule and on demand, cautious with alarms, and never in the way of frames."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from fakes import FakeSource, small_calibration

from livecassi.app.drift_watch import DriftState, DriftWatch
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.app.session import Session
from livecassi.calibration import CalibrationMismatchError, System
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.capture import Line
from livecassi.calibration.checks import Verdict
from livecassi.calibration.drift import Drift, DriftKind
from livecassi.drivers import Frame, SourceSettings
from livecassi.drivers.clock import ManualClock


@pytest.fixture(scope="module")
def bench() -> Prototype:
    return open_prototype(System.DD_CASSI, 200, 248, clock=ManualClock())


def taken(bench: Prototype, state: BenchState, moment: int = 0) -> Frame:
    bench.set_state(state)
    return bench.source.expose(moment, bench.source.configure(SourceSettings()))


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited condition did not come about"
        time.sleep(0.002)


class Feed:
    """Holds the newest frame, as a session does."""

    def __init__(self, frame: Frame | None = None) -> None:
        self.frame = frame

    def newest(self) -> Frame | None:
        return self.frame


@contextmanager
def watching(bench: Prototype, feed: Feed, **more: float) -> Iterator[DriftWatch]:
    watch = DriftWatch(bench.calibration, feed.newest, time.monotonic_ns, **more)
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,), name="livecassi-drift")
    thread.start()
    yield watch
    stop.set()
    watch.wake()
    thread.join(10)


def checked(watch: DriftWatch, kind: DriftKind = DriftKind.SCENE, wavelength_nm: float | None = None) -> DriftState:
    """Ask and wait for the answer."""
    before = watch.state.report
    watch.check(kind, wavelength_nm)
    until(lambda: not watch.state.checking and (watch.state.report is not before or watch.state.problem != ""))
    return watch.state


def test_every_new_frame_on_the_schedule_is_looked_at_once(bench: Prototype) -> None:
    feed = Feed(taken(bench, BenchState(), 0))
    with watching(bench, feed, every_s=0.03, first_s=0.0) as watch:
        until(lambda: watch.state.report is not None)
        first = watch.state.report
        time.sleep(0.15)
        assert watch.state.report is first, "the same frame tells nothing new"
        feed.frame = taken(bench, BenchState(), 40)
        until(lambda: watch.state.report is not first)
        assert watch.state.report is not None
        assert watch.state.report.frame_index == 40
        assert watch.state.report.drift.verdict is Verdict.PASS


def test_each_kind_is_looked_at_on_demand(bench: Prototype) -> None:
    feed = Feed(taken(bench, BenchState(drift_px=(0.0, 0.3))))
    with watching(bench, feed, every_s=1e3, first_s=1e3) as watch:
        assert checked(watch).report.drift.across_px == pytest.approx(0.3, abs=0.04)
        feed.frame = taken(bench, BenchState(target=Target.WHITE, level=0.3, drift_px=(0.2, 0.0)))
        white = checked(watch, DriftKind.WHITE).report.drift
        assert (white.kind, white.along_px) == (DriftKind.WHITE, pytest.approx(0.2, abs=0.05))
        feed.frame = taken(bench, BenchState(target=Target.WHITE, line=Line(600.0), drift_px=(-0.2, 0.0)))
        line = checked(watch, DriftKind.LINE, 600.0).report.drift
        assert (line.kind, line.along_px) == (DriftKind.LINE, pytest.approx(-0.2, abs=0.05))


def test_an_alarm_needs_two_checks_that_agree(bench: Prototype) -> None:
    feed = Feed()
    cap = BenchState(cap_on=True)
    story: list[tuple[BenchState, bool]] = [
        (BenchState(drift_px=(0.0, 0.5)), False),
        (BenchState(), False),
        (BenchState(drift_px=(0.0, 0.5)), False),
        (BenchState(drift_px=(0.0, -0.5)), False),  # the other way: not the same drift
        (BenchState(drift_px=(0.0, -0.5)), True),
        (cap, True),  # nobody can tell: the alarm stays
        (BenchState(), False),
    ]
    with watching(bench, feed, every_s=1e3, first_s=1e3) as watch:
        for moment, (state, alarmed) in enumerate(story):
            feed.frame = taken(bench, state, moment)
            assert (checked(watch).alarm is not None) == alarmed, f"step {moment}"


def test_a_problem_is_told_and_the_watch_goes_on(bench: Prototype) -> None:
    feed = Feed()
    with watching(bench, feed, every_s=1e3, first_s=1e3) as watch:
        assert "no frame has come yet" in checked(watch).problem
        feed.frame = Frame(np.zeros((3, 5), np.uint16), 0, 0)
        assert "3 x 5 pixels" in checked(watch).problem
        feed.frame = taken(bench, BenchState())
        watch.check(DriftKind.SCENE)
        until(lambda: watch.state.problem == "")
        assert watch.state.report is not None


def test_a_line_that_cannot_be_is_refused_at_once(bench: Prototype) -> None:
    watch = DriftWatch(bench.calibration, Feed().newest, time.monotonic_ns)
    with pytest.raises(CalibrationMismatchError, match="a line of 900 nm was named"):
        watch.check(DriftKind.LINE, 900.0)
    with pytest.raises(CalibrationMismatchError, match="needs its wavelength"):
        watch.check(DriftKind.LINE)
    assert not watch.state.checking


def test_a_session_watches_by_itself_and_on_demand() -> None:
    bench = open_prototype(System.DD_CASSI, 200, 248, frame_rate_hz=60.0)
    bench.set_state(BenchState(drift_px=(0.0, 0.5)))
    with Session(bench.source, bench.calibration, drift_every_s=1e3) as session:
        assert session.stats().drift == DriftState()
        session.start()
        until(lambda: session.newest_frame is not None)
        for _ in range(2):
            before = session.stats().drift.report
            session.check_drift(DriftKind.SCENE)
            until(lambda seen=before: session.stats().drift.report is not seen)
        assert session.stats().drift.alarm is not None
        assert session.stats().drift.alarm.across_px == pytest.approx(0.5, abs=0.04)


def test_frames_do_not_wait_for_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(*_: object) -> Drift:
        entered.set()
        assert leave.wait(10)
        return Drift(DriftKind.WHITE, 0.0, 0.0, 0.01, 0.01, 1.0)

    monkeypatch.setattr("livecassi.app.drift_watch.drift_on_white", slow)
    calibration = small_calibration()
    with Session(FakeSource(calibration.measurement_shape), calibration) as session:
        session.start()
        until(lambda: session.newest_frame is not None)
        session.check_drift(DriftKind.WHITE)
        assert entered.wait(10)
        before = session.stats().frames
        until(lambda: session.stats().frames > before + 20)
        assert session.stats().drift.checking
        leave.set()


def test_floating_point_measurements_are_not_watched() -> None:
    calibration = small_calibration()
    source = FakeSource(calibration.measurement_shape)
    source.info = type(source.info)("replay", "measurements", "", calibration.measurement_shape, 0)
    with Session(source, calibration) as session:
        assert not session.stats().drift.watching
