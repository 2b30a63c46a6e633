import threading

import pytest

from livecassi.drivers.clock import ManualClock, MonotonicClock


def test_manual_clock_moves_by_what_was_waited_for() -> None:
    clock = ManualClock(start_ns=5)
    assert not clock.wait(0.25, threading.Event())
    assert clock.now_ns() == 250_000_005
    clock.advance(-1.0)
    assert clock.now_ns() == 250_000_005


@pytest.mark.parametrize("clock", [ManualClock(), MonotonicClock()])
def test_a_set_stop_signal_ends_the_wait_at_once(clock: ManualClock | MonotonicClock) -> None:
    stop = threading.Event()
    stop.set()
    before = clock.now_ns()
    assert clock.wait(3600.0, stop)
    assert clock.now_ns() - before < 10_000_000_000


def test_monotonic_clock_waits() -> None:
    clock = MonotonicClock()
    before = clock.now_ns()
    assert not clock.wait(0.01, threading.Event())
    assert not clock.wait(-1.0, threading.Event())
    assert clock.now_ns() - before >= 9_000_000
