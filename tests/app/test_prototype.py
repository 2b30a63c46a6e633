import itertools
import threading

import numpy as np
import pytest

from livecassi.app.colour import ColourRenderer
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.calibration import CalibrationInvalidError, Corrector, MeasurementFlag, System, sensing_model
from livecassi.calibration.bench import BenchDesign, BenchState, Target
from livecassi.calibration.bench.mask import ApertureDesign
from livecassi.calibration.capture import Line
from livecassi.drivers import Frame, SourceSettings, SourceUnsupportedError
from livecassi.drivers.clock import ManualClock
from livecassi.drivers.simulated_camera import Faults


def small(system: System = System.DD_CASSI, seed: int = 0, faults: Faults | None = None) -> Prototype:
    return open_prototype(system, 96, 130, seed, clock=ManualClock(), faults=faults)


def take(prototype: Prototype, count: int) -> list[Frame]:
    return list(itertools.islice(prototype.source.frames(threading.Event()), count))


@pytest.mark.parametrize("system", list(System))
def test_corrected_frames_are_what_the_model_makes_of_the_truth(system: System) -> None:
    prototype = small(system)
    frame = take(prototype, 6)[5]
    measurement = Corrector(prototype.calibration).correct(frame)
    predicted = sensing_model(prototype.calibration).forward(prototype.truth(5))
    error = np.sqrt(np.mean((predicted - measurement.values) ** 2) / np.mean(predicted**2))
    assert measurement.flags is MeasurementFlag.NONE
    assert error < (0.11 if system is System.PMVIS else 0.03)  # model error and noise together
    assert 0.5 < np.percentile(measurement.values, 99.9) < 0.9


def test_the_same_seed_gives_the_same_frames_and_another_gives_others() -> None:
    first, again, other = take(small(), 3), take(small(), 3), take(small(seed=1), 3)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert small().calibration.id == small().calibration.id
    assert not np.array_equal(first[0].pixels, other[0].pixels)
    assert small(seed=1).calibration.id != small().calibration.id


def test_the_truth_follows_the_index_across_lost_frames() -> None:
    prototype = small(faults=Faults(drop_every=2))
    frame = take(prototype, 3)[2]
    assert frame.index == 4
    values = Corrector(prototype.calibration).correct(frame).values
    model = sensing_model(prototype.calibration)
    right, wrong = (np.abs(model.forward(prototype.truth(i)) - values).mean() for i in (4, 40))
    assert right < 0.6 * wrong


def test_a_longer_exposure_saturates_and_is_flagged() -> None:
    prototype = small()
    prototype.source.configure(SourceSettings(exposure_us=60_000.0))
    measurement = Corrector(prototype.calibration).correct(take(prototype, 1)[0])
    assert MeasurementFlag.SATURATED in measurement.flags
    assert measurement.flags & MeasurementFlag.DARK_MISMATCH == MeasurementFlag.EXPOSURE_MISMATCH
    assert (measurement.saturated_fraction or 0) > 0.05


def test_calibration_and_source_name_each_other() -> None:
    prototype = small(System.SD_CASSI)
    info, header = prototype.source.info, prototype.calibration.header
    assert info.kind == "prototype"
    assert header.camera_serial == info.serial
    assert header.bit_depth == info.bit_depth
    assert info.frame_shape == prototype.calibration.measurement_shape


def test_the_scene_is_colourful() -> None:
    prototype = small()
    picture = ColourRenderer(prototype.calibration.wavelengths_nm).render(prototype.truth(0)).astype(int)
    spread = picture.max(axis=2) - picture.min(axis=2)
    assert (spread > 100).mean() > 0.05
    assert {int(picture.reshape(-1, 3)[k].argmax()) for k in np.flatnonzero(spread.ravel() > 70)} == {0, 1, 2}


def test_an_impossible_size_or_rate_is_refused() -> None:
    with pytest.raises(CalibrationInvalidError, match="height 8 px"):
        open_prototype(System.DD_CASSI, 8, 256)
    with pytest.raises(SourceUnsupportedError, match="frame rate of 0 Hz"):
        open_prototype(System.DD_CASSI, 96, 130, frame_rate_hz=0)


WHITE_LINE = BenchState(Target.WHITE, line=Line(546.07))


def test_the_bench_changes_while_frames_flow() -> None:
    prototype = small(System.SD_CASSI)
    frames = prototype.source.frames(threading.Event())
    usual = next(frames)
    prototype.set_state(BenchState(cap_on=True))
    dark = next(frames)
    prototype.set_state(WHITE_LINE)
    lit = next(frames)
    offset = prototype.source.sensor.offset_dn
    assert prototype.state == WHITE_LINE
    assert (usual.index, dark.index, lit.index) == (0, 1, 2)
    assert np.median(dark.pixels) == pytest.approx(offset, abs=1)
    assert lit.pixels.mean() > 3 * offset
    assert not np.array_equal(usual.pixels, lit.pixels)


def test_a_state_set_from_another_thread_is_seen_by_the_next_exposure() -> None:
    prototype = small()
    dark, stop = threading.Event(), threading.Event()

    def watch() -> None:
        for frame in prototype.source.frames(stop):
            if frame.pixels.mean() < 60:
                dark.set()
                return

    reader = threading.Thread(target=watch)
    reader.start()
    prototype.set_state(BenchState(cap_on=True))
    assert dark.wait(10)
    reader.join()


def test_a_repeated_capture_holds_other_noise() -> None:
    prototype = small()
    prototype.set_state(BenchState(cap_on=True))
    first = take(prototype, 2)
    prototype.set_state(BenchState(cap_on=True))
    second = take(prototype, 2)
    assert [f.index for f in first] == [f.index for f in second]
    difference = first[0].pixels.astype(float) - second[0].pixels
    assert 0.5 < difference.std() < 3


def test_the_simulated_camera_tells_its_temperature_when_it_has_one() -> None:
    prototype = small()
    assert take(prototype, 1)[0].temperature_c is None
    prototype.source.temperature_c = 31.5
    assert take(prototype, 1)[0].temperature_c == 31.5


def test_the_bench_is_built_as_designed() -> None:
    design = BenchDesign(aperture=ApertureDesign(turn_degrees=0.5, stretch=1.005))
    made = open_prototype(System.SD_CASSI, 96, 130, clock=ManualClock(), design=design)
    matrix = made.bench.true_registration()
    assert np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])) == pytest.approx(0.5)
    assert np.hypot(matrix[0, 0], matrix[1, 0]) == pytest.approx(1.005)
    assert made.calibration.id != small(System.SD_CASSI).calibration.id
