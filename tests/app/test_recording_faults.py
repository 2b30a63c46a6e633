"""Bad folders, full disks and damaged files: one clear message each, and nothing already recorded is lost."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livecassi.app.recording import (
    Recorder,
    Recording,
    RecordingError,
    RecordingOptions,
    RecordingState,
    RecordingUnreadableError,
)
from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.drivers import Frame, SourceError, SourceInfo, SourceSettings
from livecassi.drivers.clock import ManualClock

SHAPE = (17, 23)
SOURCE = SourceInfo("prototype", "a bench", "", SHAPE, 12)
PLENTY = 10**12


def wait_for_frames(made: Recorder, count: int) -> None:
    deadline = time.monotonic() + 20
    while made.stats.frames_written < count:
        assert time.monotonic() < deadline, "waited 20 s in vain"
        threading.Event().wait(0.001)


def frame(index: int, shape: tuple[int, int] = SHAPE) -> Frame:
    return Frame(np.random.default_rng(index).integers(0, 4096, shape, np.uint16), index, index * 1000)


def recorder(
    folder: Path,
    free_bytes: Callable[[Path], int] = lambda _: PLENTY,
    clock: ManualClock | None = None,
    calibration: Calibration | None = None,
    **options: float,
) -> Recorder:
    chosen = RecordingOptions(**options)  # type: ignore[arg-type]
    now_ns = (clock or ManualClock()).now_ns
    return Recorder(folder, SOURCE, SourceSettings(), calibration, None, chosen, free_bytes=free_bytes, clock_ns=now_ns)


def record(folder: Path, count: int = 5, frames_per_segment: int | None = None, **others: object) -> Path:
    """A finished recording of `count` frames in `folder`."""
    clock = ManualClock()

    def free(_: Path) -> int:
        return PLENTY

    made = recorder(folder, free, clock, **others)  # type: ignore[arg-type]
    if frames_per_segment is None:
        for index in range(count):
            made.append(frame(index))
        made.finish()
        made.run()
        return folder
    thread = threading.Thread(target=made.run, name="livecassi-writer")
    thread.start()
    for index in range(count):
        if index and index % frames_per_segment == 0:
            clock.advance(60.0)
        made.append(frame(index))
        wait_for_frames(made, index + 1)
    made.finish()
    thread.join(20)
    return folder


# ---- where a recording cannot begin ------------------------------------------------------------------------------


def test_a_folder_with_something_in_it_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecordingError, match=r"exists already.*choose a new name"):
        recorder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert len(Recording(record(tmp_path))) == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/r", r"none is not there.*make it or choose another"),
        ("file/r", r"file is not there"),
        ("file", r"exists already and is not an empty folder"),
        ("x" * 300, r"cannot be made.*choose another place"),
    ],
)
def test_a_place_where_no_folder_can_be_made_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=message):
        recorder(tmp_path / name)


def test_a_disk_that_is_too_full_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"150 MB left, expected at least 200 MB; free some space"):
        recorder(tmp_path / "r", free_bytes=lambda _: 150_000_000)
    assert not (tmp_path / "r").exists()


def test_a_disk_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    def broken(folder: Path) -> int:
        raise OSError(5, "Input/output error")

    with pytest.raises(RecordingError, match=r"cannot be written .*Input/output error.*choose a folder"):
        recorder(tmp_path / "r", free_bytes=broken)


# ---- faults while it runs ----------------------------------------------------------------------------------------


def test_a_disk_that_fills_up_ends_the_recording_and_keeps_it(tmp_path: Path) -> None:
    clock, free = ManualClock(), [PLENTY]
    made = recorder(tmp_path / "r", lambda _: free[0], clock)
    thread = threading.Thread(target=made.run, name="livecassi-writer")
    thread.start()
    for index in range(3):
        assert made.append(frame(index), block=True)
    wait_for_frames(made, 3)
    free[0] = 1_000_000
    clock.advance(1.5)
    made.append(frame(3))
    thread.join(20)
    assert not thread.is_alive()
    assert "ended after 3 frames, which are kept" in made.stats.error
    assert "1 MB left, expected at least 200 MB" in made.stats.error
    assert not made.append(frame(4))
    assert not made.append(frame(5), block=True)
    stats = made.stats
    assert (stats.frames_written, stats.dropped, stats.lost) == (3, 3, 0)
    made.finish()
    report = Recording(tmp_path / "r").describe()
    assert report.state is RecordingState.FAILED
    assert report.failure == made.stats.error
    assert (report.frames_readable, report.complete) == (3, False)


def test_free_space_is_asked_once_per_second_and_what_is_written_is_taken_off(tmp_path: Path) -> None:
    clock, asked = ManualClock(), []

    def free(folder: Path) -> int:
        asked.append(clock.now_ns())
        return 200_030_000

    made = recorder(tmp_path / "r", free, clock, compress=False)
    for index in range(60):  # 782 bytes each: the 30 kB above the limit do not hold all
        made.append(frame(index))
    made.run()
    assert asked == [0]
    assert "expected at least 200 MB" in made.stats.error
    assert 1 <= made.stats.frames_written < 60
    assert made.stats.frames_written + made.stats.dropped == 60


def test_a_folder_that_vanishes_ends_the_recording(tmp_path: Path) -> None:
    clock = ManualClock()
    made = recorder(tmp_path / "r", lambda folder: shutil.disk_usage(folder).free, clock, min_free_bytes=0)
    made.append(frame(0))
    shutil.rmtree(tmp_path / "r")
    clock.advance(1.5)
    made.run()
    assert "ended after 0 frames" in made.stats.error
    assert "No such file" in made.stats.error
    assert made.stats.dropped == 1
    assert not made.append(frame(1))


def test_a_folder_that_vanishes_between_two_segments_ends_the_recording(tmp_path: Path) -> None:
    clock = ManualClock()
    made = recorder(tmp_path / "r", clock=clock)
    thread = threading.Thread(target=made.run, name="livecassi-writer")
    thread.start()
    made.append(frame(0))
    wait_for_frames(made, 1)
    shutil.rmtree(tmp_path / "r")
    clock.advance(60.0)
    made.append(frame(1))
    thread.join(20)
    assert "ended after 1 frames" in made.stats.error
    assert made.stats.dropped == 1


def test_a_frame_of_another_size_ends_the_recording_and_keeps_it(tmp_path: Path) -> None:
    made = recorder(tmp_path / "r")
    made.append(frame(0))
    made.append(frame(1, (9, 11)))
    made.run()
    assert "frame 1 is uint16 of shape (9, 11), the recording holds uint16 of (17, 23)" in made.stats.error
    assert "start a new recording" in made.stats.error
    assert len(Recording(tmp_path / "r")) == 1


# ---- reading what is no recording, or no longer whole ------------------------------------------------------------


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.h5").write_bytes(b"x")
    for path, found in ((tmp_path, "holds no session.json"), (tmp_path / "file.h5", "is not a folder")):
        with pytest.raises(RecordingError, match=f"{found}; a recording is a folder"):
            Recording(path)
    with pytest.raises(RecordingError, match=r"is not there; a recording is a folder"):
        Recording(tmp_path / "none")


def test_a_session_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "r") / "session.json"
    whole = path.read_bytes()
    for cut in range(len(whole.rstrip())):
        path.write_bytes(whole[:cut])
        with pytest.raises(RecordingError, match=r"session\.json"):
            Recording(tmp_path / "r")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": "2.0"}, r"schema version 2\.0, this livecassi reads 1\.x; install a newer"),
        ({"schema_version": None}, r"names no schema_version"),
        ({"source": 5}, r"not a session file of a recording: source"),
        ({"format": "other"}, r"not a session file of a recording: format"),
    ],
)
def test_a_session_file_with_nonsense_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = record(tmp_path / "r") / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordingError, match=message):
        Recording(tmp_path / "r")


def test_entries_of_a_newer_minor_version_are_ignored(tmp_path: Path) -> None:
    path = record(tmp_path / "r") / "session.json"
    content = json.loads(path.read_text())
    content |= {"schema_version": "1.7", "operator": "Ada"}
    content["counters"]["overheated"] = 2
    path.write_text(json.dumps(content))
    assert Recording(tmp_path / "r").describe().frames_readable == 5


def test_a_missing_segment_is_refused_by_name(tmp_path: Path) -> None:
    folder = record(tmp_path / "r", 6, frames_per_segment=2)
    assert len(list(folder.glob("raw_*"))) == 3
    middle, last = folder / "raw_00001.h5", folder / "raw_00002.h5"
    kept = last.read_bytes()
    last.unlink()
    with pytest.raises(RecordingError, match=r"has 2 files raw_\*\.h5, its session\.json counts 3; restore"):
        Recording(folder)
    last.write_bytes(kept)
    middle.unlink()
    with pytest.raises(RecordingError, match=r"has raw_00002\.h5 but not raw_00001\.h5; restore the missing file"):
        Recording(folder)


def test_the_frames_around_a_damaged_segment_are_saved(tmp_path: Path) -> None:
    folder = record(tmp_path / "r", 6, frames_per_segment=2)
    (folder / "raw_00001.h5").write_bytes(b"not HDF5 at all")
    found = Recording(folder)
    assert [one.index for one in found.frames()] == [0, 1, 4, 5]
    report = found.describe()
    assert not report.complete
    assert report.gaps == [(1, 2)]
    assert len(report.damaged) == 1
    assert report.damaged[0].startswith("raw_00001.h5: cannot be opened")


def test_a_torn_last_frame_is_left_out(tmp_path: Path) -> None:
    folder = record(tmp_path / "r", 4, compress=False)
    with h5py.File(folder / "raw_00000.h5", "r") as file:
        chunk = file["frames"].id.get_chunk_info_by_coord((3, 0, 0))
    with (folder / "raw_00000.h5").open("r+b") as file:
        file.seek(chunk.byte_offset + 300)
        file.write(bytes(200))
    found = Recording(folder)
    assert len(found) == 3
    assert found.describe().damaged == ["raw_00000.h5: 3 of 4 can be read"]


def test_a_torn_frame_in_the_middle_is_refused_not_shown(tmp_path: Path) -> None:
    folder = record(tmp_path / "r", 4, compress=False)
    with h5py.File(folder / "raw_00000.h5", "r") as file:
        chunk = file["frames"].id.get_chunk_info_by_coord((1, 0, 0))
    with (folder / "raw_00000.h5").open("r+b") as file:
        file.seek(chunk.byte_offset + 300)
        file.write(bytes(200))
    found = Recording(folder)
    assert len(found) == 4
    with pytest.raises(RecordingUnreadableError, match=r"frame 1 of .*raw_00000\.h5 cannot be read") as caught:
        found.frame(1)
    assert isinstance(caught.value, SourceError)  # which a replay translates
    assert found.frame(2).index == 2


def test_a_file_that_vanishes_after_opening_is_an_error_of_the_source(tmp_path: Path) -> None:
    found = Recording(record(tmp_path / "r"))
    (tmp_path / "r" / "raw_00000.h5").unlink()
    with pytest.raises(RecordingUnreadableError, match=r"restore it from a copy"):
        found.frame(0)


def calibration(columns: int) -> Calibration:
    two = np.array([0.0, 2.0], np.float32)
    mask = np.random.default_rng(columns).random((9, columns)).astype(np.float32)
    return Calibration(CalibrationHeader(system=System.SD_CASSI), two + 500, mask, two, np.ones(2, np.float32))


def test_a_missing_or_exchanged_calibration_is_refused(tmp_path: Path) -> None:
    first = record(tmp_path / "a", calibration=calibration(11))
    second = record(tmp_path / "b", calibration=calibration(12))
    shutil.copy(second / "calibration.h5", first / "calibration.h5")
    with pytest.raises(RecordingError, match=r"the recording was made with .*restore the original"):
        _ = Recording(first).calibration
    (second / "calibration.h5").unlink()
    with pytest.raises(RecordingError, match=r"calibration\.h5 is missing; restore it"):
        _ = Recording(second).calibration
    assert Recording(record(tmp_path / "c")).calibration is None


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("clean") / "r", 12, frames_per_segment=6)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a power cut leaves: the last segment was never closed."""
    folder = tmp_path_factory.mktemp("interrupted") / "r"
    made = recorder(folder)
    thread = threading.Thread(target=made.run, name="livecassi-writer")
    thread.start()
    for index in range(12):
        made.append(frame(index))
    wait_for_frames(made, 12)
    kept = folder.with_name("copy")
    shutil.copytree(folder, kept)
    made.finish()
    thread.join(20)
    return kept


def check_cut(source: Path, work: Path, share: float) -> int:
    """Cut the last segment of a copy; every frame that is still offered must be right. Returns their number."""
    folder = work / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    last = max(folder.glob("raw_*.h5"))
    data = last.read_bytes()
    last.write_bytes(data[: int(share * len(data))])
    with Recording(folder) as found:
        assert len(found) <= 12
        for position in range(len(found)):
            assert np.array_equal(found.frame(position).pixels, frame(position).pixels)
        return len(found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_closed_segment_cut_at_any_byte_never_gives_wrong_frames(clean: Path, tmp_path: Path, share: float) -> None:
    assert check_cut(clean, tmp_path, share) >= 6  # those of the segment before


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_an_open_segment_cut_at_any_byte_never_gives_wrong_frames(
    interrupted: Path, tmp_path: Path, share: float
) -> None:
    check_cut(interrupted, tmp_path, share)


def test_an_open_segment_that_lost_its_end_is_saved_up_to_there(interrupted: Path, tmp_path: Path) -> None:
    saved = [check_cut(interrupted, tmp_path, share) for share in (1.0, 0.9, 0.7)]
    assert saved[0] == 12
    assert 12 > saved[1] > saved[2] > 0
