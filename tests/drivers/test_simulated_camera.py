import itertools
import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.drivers import Frame, Source, SourceLostError, SourceSettings, SourceUnsupportedError
from livecassi.drivers.clock import ManualClock
from livecassi.drivers.simulated_camera import Faults, Sensor, SimulatedCamera

SHAPE = (40, 60)


def steady(electrons_per_s: float) -> Callable[[float], NDArray[np.float32]]:
    return lambda t_s: np.full(SHAPE, electrons_per_s, np.float32)


def camera(level: float = 300_000.0, **options: object) -> SimulatedCamera:
    given: dict[str, object] = {"clock": ManualClock(), "seed": 7, **options}
    return SimulatedCamera(steady(level), SHAPE, **given)  # type: ignore[arg-type]


def take(source: Source, count: int) -> list[Frame]:
    return list(itertools.islice(source.frames(threading.Event()), count))


def test_frames_are_raw_and_count_up_with_paced_times() -> None:
    frames = take(camera(), 4)
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert frames[0].pixels.dtype == np.uint16
    assert frames[0].shape == SHAPE
    assert not frames[0].pixels.flags.writeable
    period = np.diff([f.host_time_ns for f in frames])
    assert period == pytest.approx(1e9 / 30, rel=1e-6)
    assert (frames[0].exposure_us, frames[0].gain_db, frames[0].bit_depth) == (10_000.0, 0.0, 12)


def test_a_frame_is_the_same_whatever_was_read_before() -> None:
    first, again = take(camera(), 5), take(camera(faults=Faults(drop_every=2)), 2)
    assert [f.index for f in again] == [0, 2]
    assert np.array_equal(first[2].pixels, again[1].pixels)
    assert not np.array_equal(first[2].pixels, first[3].pixels)
    assert not np.array_equal(first[2].pixels, take(camera(seed=8), 3)[2].pixels)


def test_scene_time_follows_the_index() -> None:
    seen: list[float] = []

    def render(t_s: float) -> NDArray[np.float32]:
        seen.append(t_s)
        return np.zeros(SHAPE, np.float32)

    take(SimulatedCamera(render, SHAPE, scene_rate_hz=20.0, clock=ManualClock(), faults=Faults(drop_every=3)), 4)
    assert seen == pytest.approx([0.0, 0.05, 0.15, 0.2])


def test_exposure_and_gain_act_on_the_light() -> None:
    source = camera(100_000.0)
    dark = source.mean_dark(10_000.0, 0.0).mean()
    plain = take(source, 1)[0].pixels.mean() - dark
    source.configure(SourceSettings(exposure_us=20_000.0))
    longer = take(source, 1)[0].pixels.mean() - source.mean_dark(20_000.0, 0.0).mean()
    source.configure(SourceSettings(exposure_us=10_000.0, gain_db=6.0206))
    louder = take(source, 1)[0].pixels.mean() - source.mean_dark(10_000.0, 6.0206).mean()
    assert longer == pytest.approx(2 * plain, rel=0.01)
    assert louder == pytest.approx(2 * plain, rel=0.01)


def test_noise_has_the_variance_of_photons_dark_and_reading() -> None:
    sensor = Sensor(pixel_response_spread=0.0, hot_pixel_share=0.0)
    source = camera(400_000.0, sensor=sensor)
    stack = np.stack([f.pixels.astype(float) for f in take(source, 40)])
    electrons = stack / sensor.dn_per_electron
    expected = 4000.25 + sensor.read_noise_e**2 + (1 / sensor.dn_per_electron) ** 2 / 12
    assert electrons.var(axis=0, ddof=1).mean() == pytest.approx(expected, rel=0.03)


def test_the_full_well_saturates_at_full_scale() -> None:
    frame = take(camera(5e7), 1)[0]
    assert frame.saturated_fraction() == 1.0


def test_dark_frames_average_to_the_mean_dark_with_hot_pixels() -> None:
    source = camera(0.0, sensor=Sensor(hot_pixel_share=0.01))
    mean = np.stack([f.pixels.astype(float) for f in take(source, 60)]).mean(axis=0)
    dark = source.mean_dark(10_000.0, 0.0)
    assert np.count_nonzero(dark > dark.min() + 1) > 5
    assert np.abs(mean - dark).max() < 3.5


def test_settings_are_moved_into_range_and_returned_as_applied() -> None:
    source = camera()
    applied = source.configure(SourceSettings(exposure_us=1e9, gain_db=-3.0))
    assert (applied.exposure_us, applied.gain_db, applied.frame_rate_hz) == (1e6, 0.0, 30.0)
    assert take(source, 1)[0].exposure_us == 1e6


def test_a_long_exposure_slows_the_camera() -> None:
    source = camera(10.0)
    source.configure(SourceSettings(exposure_us=200_000.0))
    times = [f.host_time_ns for f in take(source, 3)]
    assert np.diff(times) == pytest.approx(2e8, rel=1e-6)


def test_a_slow_reader_sees_a_lower_rate_but_no_gap() -> None:
    clock = ManualClock()
    indices, times = [], []
    for frame in itertools.islice(camera(clock=clock).frames(threading.Event()), 4):
        indices.append(frame.index)
        times.append(frame.host_time_ns)
        clock.advance(0.1)
    assert indices == [0, 1, 2, 3]
    assert np.diff(times) == pytest.approx(1e8, rel=1e-6)


def test_settings_change_while_frames_flow() -> None:
    source = camera(100_000.0)
    flow = source.frames(threading.Event())
    before = next(flow)
    source.configure(SourceSettings(exposure_us=5_000.0))
    after = next(flow)
    assert (before.exposure_us, after.exposure_us) == (10_000.0, 5_000.0)
    assert after.pixels.mean() < before.pixels.mean()


def test_stop_ends_the_flow_and_a_new_one_starts_at_zero() -> None:
    source, stop = camera(), threading.Event()
    flow = source.frames(stop)
    assert next(flow).index == 0
    stop.set()
    assert list(flow) == []
    assert take(source, 1)[0].index == 0


def test_a_vanishing_camera_says_what_to_do() -> None:
    flow = camera(faults=Faults(vanish_after=2)).frames(threading.Event())
    assert [next(flow).index, next(flow).index] == [0, 1]
    with pytest.raises(SourceLostError, match="vanished after 2 frames; reconnect"):
        next(flow)


def test_a_setting_that_is_no_number_is_refused() -> None:
    with pytest.raises(SourceUnsupportedError, match=r"exposure_us = nan found, expected a number from 20"):
        camera().configure(SourceSettings(exposure_us=float("nan")))


def test_light_of_another_size_is_refused() -> None:
    source = SimulatedCamera(steady(1.0), (41, 60), clock=ManualClock())
    with pytest.raises(SourceUnsupportedError, match=r"\(40, 60\), the simulated sensor \(41, 60\)"):
        take(source, 1)
