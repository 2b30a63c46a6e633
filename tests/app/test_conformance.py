"""What every source and every engine must do, run over each of them; and the round trip of a frame."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import small_calibration

from livecassi.app.engine_list import engine_specs
from livecassi.app.opening import Opened, SourceKind, SourceRequest, open_source
from livecassi.app.prototype import open_prototype
from livecassi.app.recording import Recording
from livecassi.app.simulation import record_simulation
from livecassi.calibration import Calibration, Corrector, Measurement, System, sensing_model
from livecassi.calibration.store import save_calibration
from livecassi.drivers import Frame, SourceSettings
from livecassi.drivers.clock import ManualClock
from livecassi.drivers.replay import Replay
from livecassi.engines import EngineMismatchError, build_engine

HEIGHT, WIDTH, FRAMES = 72, 64, 5


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "recording"
    record_simulation(SourceRequest(height=HEIGHT, width=WIDTH, seed=3), folder, frames=FRAMES)
    return folder


@pytest.fixture(params=["prototype", "recording", "file"])
def opened(request: pytest.FixtureRequest, recording: Path, tmp_path: Path) -> Iterator[Opened]:
    if request.param == "prototype":
        found = open_prototype(System.DD_CASSI, HEIGHT, WIDTH, seed=3, clock=ManualClock())
        opened = Opened(found.source, found.calibration)
    elif request.param == "recording":
        opened = open_source(SourceRequest(SourceKind.FILE, path=recording, frame_rate_hz=None, loop=False))
    else:
        calibration = small_calibration()
        save_calibration(calibration, tmp_path / "calibration.h5")
        frames = np.arange(FRAMES * np.prod(calibration.measurement_shape), dtype=np.uint16) % 4096
        np.save(tmp_path / "frames.npy", frames.reshape(FRAMES, *calibration.measurement_shape))
        opened = open_source(
            SourceRequest(
                SourceKind.FILE,
                path=tmp_path / "frames.npy",
                calibration=tmp_path / "calibration.h5",
                frame_rate_hz=None,
                loop=False,
            )
        )
    yield opened
    opened.release()


def take(opened: Opened, count: int) -> list[Frame]:
    """The first frames of a source, which is then left."""
    frames = []
    for frame in opened.source.frames(threading.Event()):
        frames.append(frame)
        if len(frames) == count:
            break
    return frames


def test_every_source_delivers_what_it_announces(opened: Opened) -> None:
    info = opened.source.info
    frames = take(opened, FRAMES)
    assert len(frames) == FRAMES
    assert info.frame_shape == opened.calibration.measurement_shape
    assert info.kind
    assert info.title
    for before, frame in zip([None, *frames], frames, strict=False):
        assert frame.shape == info.frame_shape
        assert frame.bit_depth == info.bit_depth
        assert not frame.pixels.flags.writeable
        assert frame.pixels.max() <= frame.full_scale
        assert before is None or frame.index > before.index
        assert before is None or frame.host_time_ns >= before.host_time_ns


def test_every_source_can_be_left_and_started_again(opened: Opened) -> None:
    first = take(opened, 2)
    again = take(opened, 2)
    assert len(first) == len(again) == 2


def test_every_source_stops_when_told(opened: Opened) -> None:
    stop = threading.Event()
    stop.set()
    assert len(list(opened.source.frames(stop))) <= 1


def test_every_source_answers_settings_with_what_it_applied(opened: Opened) -> None:
    info = opened.source.info
    before = opened.source.configure(SourceSettings())
    assert (before.exposure_us is None) == (info.exposure_range_us is None)
    assert (before.gain_db is None) == (info.gain_range_db is None)
    if info.exposure_range_us is not None:
        applied = opened.source.configure(SourceSettings(exposure_us=info.exposure_range_us[0]))
        assert applied.exposure_us == pytest.approx(info.exposure_range_us[0])
        assert take(opened, 1)[0].exposure_us == pytest.approx(info.exposure_range_us[0])


def test_a_recording_replays_as_fast_as_it_was_recorded_unless_told(tmp_path: Path) -> None:
    record_simulation(SourceRequest(height=64, width=72, frame_rate_hz=12.5), tmp_path / "slow", frames=3)
    for asked, expected in ((None, 12.5), (50.0, 50.0)):
        opened = open_source(SourceRequest(SourceKind.FILE, path=tmp_path / "slow", frame_rate_hz=asked))
        assert opened.source.configure(SourceSettings()).frame_rate_hz == pytest.approx(expected)
        opened.release()


def measured(calibration: Calibration, index: int = 0) -> Measurement:
    """The measurement of a smooth scene."""
    bands, height, width = calibration.cube_shape
    c, i, j = np.ogrid[:bands, :height, :width]
    scene = (0.5 + 0.2 * np.sin(i / 5 + c / 3) + 0.2 * np.cos(j / 4)).astype(np.float32)
    return Measurement(sensing_model(calibration).forward(scene), calibration.id, index)


@pytest.mark.parametrize("name", list(engine_specs()))
@pytest.mark.parametrize("system", list(System))
def test_every_engine_explains_the_measurement_and_refuses_another(name: str, system: System) -> None:
    calibration = small_calibration(system)
    spec = engine_specs()[name]
    if system not in spec.systems or spec.missing():
        pytest.skip(f"{name} does not run {system} here: {spec.missing() or 'made for other systems'}")
    measurement = measured(calibration)
    with build_engine(engine_specs(), name, calibration) as engine:
        cube = engine.reconstruct(measurement)
        assert engine.info.name == name
        assert cube.values.shape == calibration.cube_shape
        assert cube.values.dtype == np.float32
        assert cube.calibration_id == calibration.id
        explained = sensing_model(calibration).forward(cube.values)
        misfit = np.linalg.norm(explained - measurement.values) / np.linalg.norm(measurement.values)
        assert misfit < 0.05
        first = cube.values.copy()
        engine.reset()
        np.testing.assert_array_equal(engine.reconstruct(measurement).values, first)
        np.testing.assert_array_equal(cube.values, first, err_msg="a cube must not change after it was handed out")
        other = Measurement(measurement.values, "0" * 64)
        with pytest.raises(EngineMismatchError):
            engine.reconstruct(other)
        with pytest.raises(EngineMismatchError):
            engine.reconstruct(Measurement(measurement.values[1:], calibration.id))


def test_simulated_recorded_and_replayed_frames_give_the_same_cubes_bit_for_bit(recording: Path) -> None:
    bench = open_prototype(System.DD_CASSI, HEIGHT, WIDTH, seed=3, clock=ManualClock())
    direct = take(Opened(bench.source, bench.calibration), FRAMES)
    with Recording(recording) as kept:
        assert kept.calibration is not None
        assert kept.calibration.id == bench.calibration.id
        replayed = list(Replay(kept, frame_rate_hz=None).frames(threading.Event()))
    corrector = Corrector(bench.calibration)
    with (
        build_engine(engine_specs(), "gap-tv", bench.calibration, {"iterations": "10"}) as one,
        build_engine(engine_specs(), "gap-tv", bench.calibration, {"iterations": "10"}) as two,
    ):
        for live, stored in zip(direct, replayed, strict=True):
            assert live.index == stored.index
            a = one.reconstruct(corrector.correct(live))
            b = two.reconstruct(corrector.correct(stored))
            np.testing.assert_array_equal(a.values, b.values)
