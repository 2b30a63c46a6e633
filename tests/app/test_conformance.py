"""What every source and every engine must do, run over each of them; and the round trip of a frame."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeEngine, FakeWindowEngine, random_bench, small_calibration
from weight_files import save_live, save_pg_svrt, save_still

from livecassi.app.engine_list import engine_specs
from livecassi.app.opening import Opened, SourceKind, SourceRequest, open_source
from livecassi.app.prototype import open_prototype
from livecassi.app.reconstruction import cubes_in_order
from livecassi.app.recording import Recording
from livecassi.app.simulation import record_simulation
from livecassi.app.weight_places import FOLDER_VARIABLE
from livecassi.calibration import Calibration, Corrector, Measurement, SubSteps, System, sensing_model
from livecassi.calibration.store import save_calibration
from livecassi.drivers import Frame, SourceSettings
from livecassi.drivers.clock import ManualClock
from livecassi.drivers.replay import Replay
from livecassi.engines import Cube, Engine, EngineError, EngineMismatchError, EngineSpec, build_engine
from livecassi.engines.networks import find_network
from livecassi.engines.networks.stills.family import still_family

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
    """The measurement of a smooth scene that drifts with `index`."""
    bands, height, width = calibration.cube_shape
    c, i, j = np.ogrid[:bands, :height, :width]
    scene = (0.5 + 0.2 * np.sin((i + index) / 5 + c / 3) + 0.2 * np.cos(j / 4)).astype(np.float32)
    return Measurement(sensing_model(calibration).forward(scene), calibration.id, index, 1000 + 10 * index)


def window_spec(name: str, hop: int, centre: bool) -> EngineSpec:
    return EngineSpec(
        name,
        "three frames at a time",
        "nothing",
        "nothing",
        "shipped",
        frozenset(System),
        lambda calibration, options: FakeWindowEngine(calibration, name, hop=hop, centre=centre),
    )


STILLS = ("hsra-s", "mst-s", "hsra-s+sdp")  # the engines of the other still networks are of the same parts
ENGINES = {name: spec for name, spec in engine_specs().items() if name in STILLS or name not in still_family()}
SPECS = {
    **ENGINES,
    **{
        spec.name: spec
        for spec in (
            window_spec("latest", 1, False),
            window_spec("two at once", 2, False),
            window_spec("three at once", 3, False),
            window_spec("centre", 1, True),
            window_spec("two at once, centre", 2, True),
        )
    },
}


OF_THIRTY_BANDS = ("pg-svrt",)


@pytest.fixture(scope="module", autouse=True)
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights where engines look for them; torch on one thread, as other programs may use the other cores."""
    folder = tmp_path_factory.mktemp("weights")
    for system in System:
        save_pg_svrt(folder / f"{system}.safetensors", system)
    for name in STILLS:
        for system in still_family()[name].systems:
            save_still(folder / f"{name}-{system}.safetensors", name, system)
    for system in (System.SD_CASSI, System.DD_CASSI):
        save_live(folder / f"live-{system}.safetensors", system, small_calibration().wavelengths_nm)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(FOLDER_VARIABLE, str(folder))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(params=list(SPECS))
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=list(System))
def bench(request: pytest.FixtureRequest, engine_name: str) -> Calibration:
    """A small one that fits the engine: some networks were trained for thirty bands two columns apart."""
    if engine_name not in (*OF_THIRTY_BANDS, *STILLS):
        return small_calibration(request.param)
    bands = find_network(engine_name).bands_for(request.param)
    shifts = [2.0 * band for band in range(bands)]
    return random_bench(request.param, SubSteps.POINT, shifts, height=24, width=20, seed=8)


@pytest.fixture
def engine(engine_name: str, bench: Calibration) -> Iterator[Engine]:
    spec = SPECS[engine_name]
    if bench.system not in spec.systems or spec.missing():
        pytest.skip(f"{spec.name} does not run {bench.system} here: {spec.missing() or 'made for other systems'}")
    with build_engine(SPECS, spec.name, bench) as built:
        assert built.info.name == spec.name
        yield built


def fed(engine: Engine, measurements: list[Measurement]) -> list[Cube | None]:
    """What each call gave."""
    return [engine.reconstruct(measurement) for measurement in measurements]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_engine_gives_each_measurement_its_cube_once_in_order(
    engine: Engine, bench: Calibration, count: int
) -> None:
    measurements = [measured(bench, index) for index in range(4, 4 + count)]
    given = fed(engine, measurements)
    late = min(engine.info.latency, count)
    assert [cube is None for cube in given] == [True] * late + [False] * (count - late)
    cubes = [cube for cube in given if cube is not None] + engine.flush()
    assert [(cube.frame_index, cube.host_time_ns) for cube in cubes] == [
        (measurement.frame_index, measurement.host_time_ns) for measurement in measurements
    ]
    for cube in cubes:
        assert cube.values.shape == bench.cube_shape
        assert cube.values.dtype == np.float32
        assert (cube.calibration_id, cube.engine) == (bench.id, engine.info.name)
        np.testing.assert_array_equal(cube.wavelengths_nm, bench.wavelengths_nm)
    assert engine.flush() == []


def test_an_observed_measurement_gets_no_cube(engine: Engine, bench: Calibration) -> None:
    for index in range(2):
        engine.observe(measured(bench, index))
    given = fed(engine, [measured(bench, 2), measured(bench, 3)])
    engine.observe(measured(bench, 4))
    cubes = [cube for cube in given if cube is not None] + engine.flush()
    assert [cube.frame_index for cube in cubes] == [2, 3]


def test_after_a_gap_every_measurement_still_gets_its_cube(engine: Engine, bench: Calibration) -> None:
    indices = [0, 1, 5, 6, 7, 20]
    given = fed(engine, [measured(bench, index) for index in indices])
    cubes = [cube for cube in given if cube is not None] + engine.flush()
    assert [cube.frame_index for cube in cubes] == indices


def test_after_reset_nothing_is_owed_and_the_next_stands_alone(engine: Engine, bench: Calibration) -> None:
    def alone() -> Cube:
        cube = engine.reconstruct(measured(bench, 9))
        return cube if cube is not None else engine.flush()[0]

    first = alone()
    kept = first.values.copy()
    engine.reset()
    fed(engine, [measured(bench, index) for index in range(2)])
    engine.reset()
    assert engine.flush() == []
    np.testing.assert_array_equal(alone().values, kept)
    np.testing.assert_array_equal(first.values, kept, err_msg="a cube must not change after it was handed out")


@pytest.mark.parametrize("engine_name", list(ENGINES), indirect=True)
def test_every_engine_refuses_another_calibration_and_size(engine: Engine, bench: Calibration) -> None:
    measurement = measured(bench)
    with pytest.raises(EngineMismatchError):
        engine.reconstruct(Measurement(measurement.values, "0" * 64))
    with pytest.raises(EngineMismatchError):
        engine.reconstruct(Measurement(measurement.values[1:], bench.id))


SOLVERS = [name for name, spec in engine_specs().items() if spec.weights == "none needed"]


@pytest.mark.parametrize("engine_name", SOLVERS, indirect=True)
def test_every_solver_explains_the_measurement(engine: Engine, bench: Calibration) -> None:
    measurement = measured(bench)
    cube = engine.reconstruct(measurement)
    assert cube is not None
    explained = sensing_model(bench).forward(cube.values)
    assert np.linalg.norm(explained - measurement.values) / np.linalg.norm(measurement.values) < 0.05


@pytest.mark.parametrize("name", ["latest", "three at once", "two at once, centre"])
def test_offline_a_window_engine_goes_through_the_sequence_and_every_frame_gets_its_cube(name: str) -> None:
    calibration = small_calibration()
    measurements = [measured(calibration, index) for index in range(5)]
    engine = build_engine(SPECS, name, calibration)
    assert isinstance(engine, FakeWindowEngine)
    cubes = list(cubes_in_order(engine, measurements))
    assert [cube.frame_index for cube in cubes] == [0, 1, 2, 3, 4]
    assert engine.resets == 1  # by the flush at the end
    assert engine.passes[-1] == [2, 3, 4]


def test_offline_an_engine_of_single_frames_is_given_each_for_itself() -> None:
    calibration = small_calibration()
    engine = FakeEngine(calibration)
    cubes = list(cubes_in_order(engine, [measured(calibration, index) for index in (3, 4, 9)]))
    assert [cube.frame_index for cube in cubes] == [3, 4, 9]
    assert engine.resets == 3 + 1


def test_offline_a_cube_that_is_missing_or_out_of_order_is_an_error() -> None:
    calibration = small_calibration()

    class Forgetful(FakeWindowEngine):
        def flush(self) -> list[Cube]:
            return []

    class Repeating(FakeEngine):
        def flush(self) -> list[Cube]:
            return [self.reconstruct(measured(calibration, 0))]

    measurements = [measured(calibration, index) for index in range(4)]
    with pytest.raises(EngineError, match="no cube for 1 frames, the first is frame 3"):
        list(cubes_in_order(Forgetful(calibration, centre=True), measurements))
    with pytest.raises(EngineError, match="gave the cube of frame 0, expected no more"):
        list(cubes_in_order(Repeating(calibration), measurements))


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
            assert a is not None
            assert b is not None
            np.testing.assert_array_equal(a.values, b.values)
