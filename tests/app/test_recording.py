"""Recording and reading back: nothing changes, nothing is lost without a mark."""

import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest

from livecassi.app.recording import Recorder, Recording, RecordingOptions, RecordingState, is_recording
from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.drivers import Frame, SourceInfo, SourceSettings
from livecassi.drivers.clock import ManualClock
from livecassi.drivers.replay import Replay
from livecassi.engines import Cube, EngineInfo, Quantity

SHAPE = (19, 26)
SOURCE = SourceInfo("prototype", "a bench", "S1", SHAPE, 12, (10.0, float("inf")), (0.0, 24.0), None)
SETTINGS = SourceSettings(exposure_us=5000.0, gain_db=3.0)
PLENTY = 10**12


def wait_for_frames(made: Recorder, count: int) -> None:
    deadline = time.monotonic() + 20
    while made.stats.frames_written < count:
        assert time.monotonic() < deadline, "waited 20 s in vain"
        threading.Event().wait(0.001)


def frame(index: int, dtype: type = np.uint16, shape: tuple[int, int] = SHAPE) -> Frame:
    rng = np.random.default_rng(index)
    if dtype is np.float32:
        pixels = rng.normal(0.3, 0.2, shape).astype(np.float32)
        return Frame(pixels, index, host_time_ns=index * 40_000_000, bit_depth=0)
    depth = 8 if dtype is np.uint8 else 12
    return Frame(
        rng.integers(0, 2**depth, shape).astype(dtype),
        index,
        host_time_ns=7 + index * 40_000_000,
        device_time_ns=None if index % 2 else index * 39_999_999,
        exposure_us=1000.1 + index,
        gain_db=0.1 * index,
        bit_depth=depth,
        temperature_c=None if index % 3 else 30.3 + index,
    )


def cube(index: int) -> Cube:
    rng = np.random.default_rng(index)
    values = rng.random((3, 70, 101)).astype(np.float16).astype(np.float32)
    wavelengths_nm = np.array([450.0, 500.5, 610.25], np.float32)
    return Cube(values, wavelengths_nm, "c" * 64, "gap-tv", index, index * 10, Quantity.REFLECTANCE)


def calibration() -> Calibration:
    mask = np.random.default_rng(5).random((19, 22)).astype(np.float32)
    three = np.array([0.0, 1.5, 4.0], np.float32)
    header = CalibrationHeader(system=System.SD_CASSI, name="bench 1")
    return Calibration(header, three + 500, mask, three, np.ones(3, np.float32))


def recorder(folder: Path, options: RecordingOptions | None = None, **seams: object) -> Recorder:
    return Recorder(folder, SOURCE, SETTINGS, None, None, options, free_bytes=lambda _: PLENTY, **seams)  # type: ignore[arg-type]


@contextmanager
def writing(made: Recorder) -> Iterator[Recorder]:
    thread = threading.Thread(target=made.run, name="livecassi-writer")
    thread.start()
    try:
        yield made
    finally:
        made.finish()
        thread.join(20)
        assert not thread.is_alive()


def same(first: Frame, second: Frame) -> bool:
    others = [f.name for f in fields(Frame) if f.name != "pixels"]
    return (
        first.pixels.dtype == second.pixels.dtype
        and first.pixels.tobytes() == second.pixels.tobytes()
        and all(getattr(first, name) == getattr(second, name) for name in others)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("compress", [True, False])
def test_frames_come_back_bit_for_bit(tmp_path: Path, dtype: type, compress: bool) -> None:
    sent = [frame(index, dtype) for index in range(3, 12)]
    with writing(recorder(tmp_path / "r", RecordingOptions(compress=compress))) as made:
        assert all(made.append(one) for one in sent)
    assert made.stats.frames_written == 9
    assert made.stats.error == ""
    with Recording(tmp_path / "r") as found:
        assert len(found) == 9
        assert all(same(a, b) for a, b in zip(sent, found.frames(), strict=True))
        assert same(found.frame(8), sent[8])
        assert same(found.frame(0), sent[0])
        assert not found.frame(0).pixels.flags.writeable
        assert found.info.frame_shape == SHAPE
        assert found.info.bit_depth == sent[0].bit_depth
        assert found.info.frame_count == 9
        with pytest.raises(IndexError, match="holds 9"):
            found.frame(9)


def test_the_row_about_a_frame_holds_its_saturation(tmp_path: Path) -> None:
    pixels = np.zeros(SHAPE, np.uint16)
    pixels[:2] = 4095
    with writing(recorder(tmp_path / "r")) as made:
        made.append(Frame(pixels, 0, 0, bit_depth=12))
        made.append(Frame(pixels, 1, 1, bit_depth=16))
    saturated = Recording(tmp_path / "r").meta["saturated_fraction"]
    assert saturated.tolist() == [2 / 19, 0.0]


def test_calibration_settings_and_engine_travel_with_the_frames(tmp_path: Path) -> None:
    engine = EngineInfo("gap-tv", "numba", "c" * 64, (("iterations", "80"),))
    bench = calibration()
    made = Recorder(tmp_path / "r", SOURCE, SETTINGS, bench, engine)
    with writing(made):
        made.append(frame(0))
    with Recording(tmp_path / "r") as found:
        assert found.calibration is not None
        assert found.calibration.id == bench.id
        assert found.describe().calibration_id == bench.id
        assert found.describe().source == SOURCE
        assert found.describe().settings == SETTINGS
        assert found.describe().engine == engine
        assert found.describe().application_version
    assert is_recording(tmp_path / "r")
    assert not is_recording(tmp_path)


def test_segments_roll_over_after_their_time_and_read_as_one(tmp_path: Path) -> None:
    clock = ManualClock()
    made = recorder(tmp_path / "r", RecordingOptions(segment_seconds=0.1), clock_ns=clock.now_ns)
    with writing(made):
        for index in range(12):
            wait_for_frames(made, index)  # one frame at a time, at a known time
            clock.advance(0.03)
            made.append(frame(index))
    files = sorted(path.name for path in (tmp_path / "r").glob("raw_*"))
    assert files == ["raw_00000.h5", "raw_00001.h5", "raw_00002.h5"]
    with Recording(tmp_path / "r") as found:
        assert [one.index for one in found.frames()] == list(range(12))
        assert all(same(found.frame(k), frame(k)) for k in (11, 0, 5, 4, 3))
        assert found.describe().segments == 3
        assert found.session.counters.frames_written == 12


def test_an_overflow_is_counted_and_marked_where_it_happened(tmp_path: Path) -> None:
    made = recorder(tmp_path / "r", RecordingOptions(queue_frames=3))
    accepted = [made.append(frame(index)) for index in range(5)]  # nobody writes yet
    assert accepted == [True, True, True, False, False]
    assert made.stats.queue_fill == made.stats.queue_frames == 3
    assert made.stats.dropped == 2
    thread = threading.Thread(target=made.run, name="livecassi-writer")
    thread.start()
    assert made.append(frame(5), block=True)
    assert made.append(frame(9), block=True)  # the source lost 6, 7 and 8
    made.finish()
    thread.join(20)
    assert made.stats.lost == 3
    found = Recording(tmp_path / "r")
    assert found.meta["index"].tolist() == [0, 1, 2, 5, 9]
    assert found.meta["dropped_before"].tolist() == [0, 0, 0, 2, 0]
    assert found.meta["lost_before"].tolist() == [0, 0, 0, 0, 3]
    report = found.describe()
    assert (report.dropped, report.lost) == (2, 3)
    assert report.gaps == [(2, 2), (5, 3)]
    counters = json.loads((tmp_path / "r" / "session.json").read_text())["counters"]
    assert (counters["dropped"], counters["lost"]) == (2, 3)


def test_blocking_append_loses_nothing_through_a_short_queue(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r", RecordingOptions(queue_frames=2))) as made:
        assert all(made.append(frame(index), block=True) for index in range(60))
    assert (made.stats.frames_written, made.stats.dropped) == (60, 0)


def test_finish_before_run_keeps_what_was_queued_and_takes_no_more(tmp_path: Path) -> None:
    made = recorder(tmp_path / "r")
    made.append(frame(0))
    made.finish()
    made.finish()
    assert not made.append(frame(1))
    assert not made.append(frame(2), block=True)
    made.run()
    assert (made.stats.frames_written, made.stats.dropped, made.stats.queue_fill) == (1, 0, 0)
    report = Recording(tmp_path / "r").describe()
    assert report.state is RecordingState.FINISHED
    assert report.complete


def test_cubes_come_back_in_half_precision_beside_the_frames(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r", RecordingOptions(cubes=True))) as made:
        made.append(frame(0))
        assert made.append_cube(cube(0))
        assert made.append_cube(cube(4))
    assert made.stats.cubes_written == 2
    with Recording(tmp_path / "r") as found:
        assert found.cube_count == found.describe().cubes_readable == 2
        back = found.cube(1)
        assert np.array_equal(back.values, cube(4).values)
        assert back.values.dtype == np.float32
        assert np.array_equal(back.wavelengths_nm, cube(4).wavelengths_nm)
        assert (back.frame_index, back.host_time_ns, back.engine) == (4, 40, "gap-tv")
        assert (back.calibration_id, back.quantity) == ("c" * 64, Quantity.REFLECTANCE)
    with h5py.File(tmp_path / "r" / "cubes_00000.h5") as file:
        assert file["cubes"].chunks == (1, 3, 64, 64)


def test_a_late_cube_of_a_frame_before_the_recording_is_not_kept(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r", RecordingOptions(cubes=True))) as made:
        assert not made.append_cube(cube(6))
        made.append(frame(7))
        assert not made.append_cube(cube(6))
        assert made.append_cube(cube(7))
    assert (made.stats.cubes_written, made.stats.cubes_dropped) == (1, 0)
    with Recording(tmp_path / "r") as found:
        assert found.cube(0).frame_index == 7


def test_cubes_beyond_half_precision_are_limited_not_infinite(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r", RecordingOptions(cubes=True))) as made:
        made.append(frame(0))
        made.append_cube(Cube(np.full((2, 3, 5), 1e6, np.float32), np.array([1, 2], np.float32), "", "x"))
    assert Recording(tmp_path / "r").cube(0).values.max() == 65504


def test_another_engine_begins_a_new_file_of_cubes(tmp_path: Path) -> None:
    other = Cube(cube(1).values[:2], cube(1).wavelengths_nm[:2], "d" * 64, "network", 1)
    with writing(recorder(tmp_path / "r", RecordingOptions(cubes=True))) as made:
        made.append(frame(0))
        made.append_cube(cube(0))
        made.append_cube(other)
    with Recording(tmp_path / "r") as found:
        assert [found.cube(k).engine for k in range(2)] == ["gap-tv", "network"]
        assert [found.cube(k).values.shape[0] for k in range(2)] == [3, 2]


def test_cubes_are_left_out_unless_wanted_and_counted_when_too_many(tmp_path: Path) -> None:
    plain = recorder(tmp_path / "plain")
    assert not plain.append_cube(cube(0))
    assert plain.stats.cubes_dropped == 0
    wanting = recorder(tmp_path / "wanting", RecordingOptions(cubes=True))
    wanting.append(frame(0))
    assert sum(wanting.append_cube(cube(0)) for _ in range(12)) == 8
    assert wanting.stats.cubes_dropped == 4


def test_what_is_written_can_be_read_at_once(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r")) as made:
        for index in range(5):
            made.append(frame(index))
            wait_for_frames(made, index + 1)
            with Recording(tmp_path / "r") as found:
                assert len(found) == index + 1
                assert same(found.frame(index), frame(index))
                assert found.describe().state is RecordingState.RUNNING
                assert not found.describe().complete


def test_a_recording_replays_as_the_source_it_was(tmp_path: Path) -> None:
    sent = [frame(index) for index in (0, 1, 4)]
    with writing(recorder(tmp_path / "r")) as made:
        for one in sent:
            made.append(one)
    replay = Replay(Recording(tmp_path / "r"), frame_rate_hz=None)
    assert all(same(a, b) for a, b in zip(replay.frames(threading.Event()), sent, strict=True))


def test_an_empty_recording_is_sound_and_empty(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r")):
        pass
    report = Recording(tmp_path / "r").describe()
    assert (report.frames_readable, report.complete, report.gaps, report.duration_s) == (0, True, [], 0.0)
    assert Recording(tmp_path / "r").info.frame_count == 0


def test_the_report_is_strict_json_and_gives_the_duration(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r")) as made:
        for index in range(6):
            made.append(frame(index))
    text = Recording(tmp_path / "r").describe().model_dump_json()
    report = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert report["duration_s"] == pytest.approx(0.2)
    assert report["frame_rate_hz"] == pytest.approx(25.0)
    assert report["frames_readable"] == 6
    assert report["size_bytes"] == sum(file.stat().st_size for file in (tmp_path / "r").iterdir())


def test_a_restart_of_the_camera_is_not_a_loss(tmp_path: Path) -> None:
    with writing(recorder(tmp_path / "r")) as made:
        for index in (7, 8, 0, 1):
            made.append(frame(index))
    assert made.stats.lost == 0
    assert Recording(tmp_path / "r").describe().gaps == []


def test_seconds_left_follow_from_the_rate_of_writing(tmp_path: Path) -> None:
    clock = ManualClock()
    made = Recorder(
        tmp_path / "r", SOURCE, SETTINGS, None, None, free_bytes=lambda _: 300_000_000, clock_ns=clock.now_ns
    )
    assert made.stats.seconds_left is None
    made.append(frame(0))
    made.finish()
    made.run()
    clock.advance(2.0)
    stats = made.stats
    assert stats.free_bytes == 300_000_000 - stats.bytes_written
    assert stats.seconds_left == pytest.approx((stats.free_bytes - 200_000_000) * 2.0 / stats.bytes_written)
    assert stats.bytes_written == (tmp_path / "r" / "raw_00000.h5").stat().st_size


def test_memory_stays_flat_over_many_frames(tmp_path: Path) -> None:
    shape = (120, 200)  # 48 kB each

    def record(indices: range) -> None:
        for index in indices:
            made.append(Frame(np.full(shape, index % 4096, np.uint16), index, index), block=True)
        wait_for_frames(made, indices.stop)

    with writing(recorder(tmp_path / "r", RecordingOptions(queue_frames=8))) as made:
        record(range(50))
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            record(range(50, 650))  # 29 MB
            after, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 300_000
    assert peak - before < 2_000_000
