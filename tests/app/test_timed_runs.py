import numpy as np
import pytest
from fakes import FakeEngine, FakeWindowEngine, small_calibration

from livecassi.app.timed_runs import best_of_two, timed_sequence, timed_still
from livecassi.calibration import Calibration, Measurement
from livecassi.engines import EngineError


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr("livecassi.app.timed_runs.perf_counter", clock)
    return clock


def measurements(calibration: Calibration, count: int) -> list[Measurement]:
    random = np.random.default_rng(2)
    shape = calibration.measurement_shape
    return [Measurement(random.random(shape).astype(np.float32), calibration.id, index) for index in range(count)]


@pytest.mark.parametrize(("hop", "centre"), [(1, False), (1, True), (2, False), (3, False)])
def test_passes_after_the_first_tell_the_time_of_a_frame(clock: FakeClock, hop: int, centre: bool) -> None:
    """The first pass is slow, as where something is still being prepared; what comes late is waited for."""
    costs = iter([50.0, *[1.5] * 20])

    def take_time(_: list[int]) -> None:
        clock.now += next(costs)

    calibration = small_calibration()
    engine = FakeWindowEngine(calibration, hop=hop, centre=centre, before_pass=take_time)
    frames = measurements(calibration, 10)
    run = timed_sequence(engine, frames)
    assert len(run.cubes) == 10
    np.testing.assert_array_equal(run.cubes[7], engine.model.adjoint(frames[7].values))
    assert run.seconds_per_frame == pytest.approx(1.5 / hop)


def test_a_clip_of_one_pass_is_timed_as_a_whole(clock: FakeClock) -> None:
    def take_time(_: list[int]) -> None:
        clock.now += 6.0

    calibration = small_calibration()
    engine = FakeWindowEngine(calibration, hop=3, before_pass=take_time)
    assert timed_sequence(engine, measurements(calibration, 3)).seconds_per_frame == pytest.approx(2.0)


def test_the_better_of_two_stills_counts(clock: FakeClock) -> None:
    costs = iter([4.0, 2.5])

    def take_time(_: list[int]) -> None:
        clock.now += next(costs)

    calibration = small_calibration()
    engine = FakeWindowEngine(calibration, hop=3, before_pass=take_time)
    (measurement,) = measurements(calibration, 1)
    assert best_of_two(engine, measurement).seconds == 2.5
    assert engine.passes == [[0], [0]]


def test_a_still_forgets_what_came_before() -> None:
    calibration = small_calibration()
    engine = FakeWindowEngine(calibration)
    first, second = measurements(calibration, 2)
    engine.reconstruct(first)
    found = timed_still(engine, second)
    assert engine.passes[-1] == [1]
    np.testing.assert_array_equal(found.values, engine.model.adjoint(second.values))


def test_a_cube_too_few_is_refused() -> None:
    class Forgetful(FakeWindowEngine):
        def flush(self) -> list:  # type: ignore[type-arg]
            return []

    calibration = small_calibration()
    with pytest.raises(EngineError, match="'window' gave 3 cubes for a clip of 5 measurements"):
        timed_sequence(Forgetful(calibration, hop=3), measurements(calibration, 5))


def test_cubes_in_another_order_are_refused() -> None:
    class Swapped(FakeEngine):
        def reconstruct(self, measurement: Measurement):  # type: ignore[no-untyped-def]
            twin = Measurement(measurement.values, measurement.calibration_id, 1 - measurement.frame_index)
            return super().reconstruct(twin)

    calibration = small_calibration()
    with pytest.raises(EngineError, match="one each in their order"):
        timed_sequence(Swapped(calibration), measurements(calibration, 2))
