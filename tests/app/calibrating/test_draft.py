"""A draft outlives crashes, full disks and damaged files: nothing captured is lost."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from captures import capture_of, mask_picture

from livecassi.app.calibrating.draft import Draft, drafts_folder, find_drafts, new_draft_folder
from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.calibration import CalibrationError, System
from livecassi.calibration.capture import CaptureKind

PLAN = CalibrationPlan(system=System.SD_CASSI, name="bench", exposure_us=10_000.0)
DARK = capture_of(CaptureKind.DARK)
FLAT = capture_of(CaptureKind.FLAT, 2500.0)
LINE = capture_of(
    CaptureKind.LINE, 2500 * mask_picture(), nm=532.0, fwhm=2.0, expected_px=12.5, temperature_c=31.5, serial="C1"
)


def ids(captures: Any) -> list[str]:
    return [capture.id for capture in captures]


def test_a_draft_gives_back_what_was_put_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "drafts" / "one"
    with Draft.create(folder, PLAN, parent_id="abc") as draft:
        for capture in (DARK, FLAT, LINE):
            draft.add(capture)
        draft.override("contrast of the mask", "the lab has no other")
        changed = PLAN.model_copy(update={"operator": "Ada"})
        draft.change_plan(changed)
    with Draft.open(folder) as again:
        assert (again.plan, again.parent_id, again.damaged) == (changed, "abc", ())
        assert again.overrides == ("contrast of the mask: continued anyway because the lab has no other",)
        assert ids(again.captures) == ids([DARK, FLAT, LINE])
        line = again.captures[2]
        for name in ("mean", "noise", "halves"):
            np.testing.assert_array_equal(getattr(line, name), getattr(LINE, name))
        assert (line.line, line.temperature_c, line.camera_serial) == (LINE.line, 31.5, "C1")
        assert (line.frame_hashes, line.captured, line.bit_depth) == (LINE.frame_hashes, LINE.captured, 12)


def test_what_is_removed_comes_back(tmp_path: Path) -> None:
    with Draft.create(tmp_path / "d", PLAN) as draft:
        draft.add(DARK)
        draft.add(FLAT)
        draft.remove(DARK.id)
        assert (ids(draft.captures), ids(draft.removed)) == ([FLAT.id], [DARK.id])
    with Draft.open(tmp_path / "d") as again:
        assert ids(again.removed) == [DARK.id]
        again.restore(DARK.id)
        assert ids(again.captures) == [DARK.id, FLAT.id]
        again.remove(FLAT.id)
        again.add(FLAT)
        assert ids(again.captures) == [DARK.id, FLAT.id]
        with pytest.raises(CalibrationError, match="has no capture 0123"):
            again.remove("0123")


class Killed(BaseException):
    """The program ends here and now."""


class Disk:
    """Ends the program before operation `die_at` on files, and lets nothing happen afterwards."""

    def __init__(self, patch: pytest.MonkeyPatch, die_at: int | None) -> None:
        self.operations, self.die_at = 0, die_at
        for owner, names in (
            (Path, ("open", "replace", "rename", "mkdir", "unlink")),
            (os, ("fsync",)),
        ):
            for name in names:
                patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.operations += 1
            if self.die_at is not None and self.operations >= self.die_at:
                raise Killed
            return real(*arguments, **named)

        return call


def work(folder: Path, done: list[str]) -> Draft:
    draft = Draft.open(folder)
    draft.add(FLAT)
    done.append(FLAT.id)
    draft.add(LINE)
    done.append(LINE.id)
    draft.remove(FLAT.id)
    return draft


def test_a_crash_between_any_two_operations_on_files_loses_nothing(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Draft.create(tmp_path / "whole", PLAN).close()
        disk = Disk(patch, None)
        work(tmp_path / "whole", []).close()
        operations = disk.operations
    assert operations > 12
    for die_at in range(1, operations + 1):
        folder = tmp_path / f"killed-{die_at}"
        with Draft.create(folder, PLAN) as begun:
            begun.add(DARK)
        done: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, die_at)
            with pytest.raises(Killed):
                work(folder, done)
        with Draft.open(folder) as again:
            kept = {*ids(again.captures), *ids(again.removed)}
            assert {DARK.id, *done} <= kept, f"killed before operation {die_at}"
            assert again.damaged == ()
            np.testing.assert_array_equal(again.captures[0].mean, DARK.mean)
        assert not list(folder.rglob("*.part"))


def test_a_crash_while_a_draft_is_made_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, None)
        Draft.create(tmp_path / "whole", PLAN).close()
        operations = disk.operations
    for die_at in range(1, operations + 1):
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, die_at)
            with pytest.raises(Killed):
                Draft.create(tmp_path / f"killed-{die_at}", PLAN)
        for found in find_drafts(tmp_path):
            Draft.open(found).close()
        if not (tmp_path / f"killed-{die_at}").exists():
            Draft.create(tmp_path / f"killed-{die_at}", PLAN).close()


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_a_truncated_capture_is_named_and_the_rest_opens(tmp_path: Path, keep: float) -> None:
    with Draft.create(tmp_path / "d", PLAN) as draft:
        draft.add(DARK)
        draft.add(LINE)
    path = tmp_path / "d" / "captures" / f"{LINE.id}.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with Draft.open(tmp_path / "d") as again:
        assert ids(again.captures) == [DARK.id]
        (words,) = again.damaged
        assert words.startswith("line 532 nm: ")
        assert f"{LINE.id}.h5 is truncated or damaged" in words
        assert words.endswith("repeat the capture")
        again.add(LINE)  # the same frames once more
        assert ids(again.captures) == [DARK.id, LINE.id]
    with Draft.open(tmp_path / "d") as mended:
        assert mended.damaged == ()


def test_a_changed_pixel_is_found(tmp_path: Path) -> None:
    with Draft.create(tmp_path / "d", PLAN) as draft:
        draft.add(DARK)
    path = tmp_path / "d" / "captures" / f"{DARK.id}.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with Draft.open(tmp_path / "d") as again:
        assert len(again.damaged) == 1


def full_disk(patch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(os, "fsync", refuse)


def test_a_full_disk_keeps_the_capture_in_memory_until_there_is_room(tmp_path: Path) -> None:
    with Draft.create(tmp_path / "d", PLAN) as draft:
        draft.add(DARK)
        with pytest.MonkeyPatch.context() as patch:
            full_disk(patch)
            with pytest.raises(CalibrationError, match=r"No space left.*kept in memory: line 532 nm.*Free space"):
                draft.add(LINE)
            with pytest.raises(CalibrationError, match="No space left"):
                draft.retry()
            assert ids(draft.captures) == [DARK.id, LINE.id]
            assert ids(draft.unwritten) == [LINE.id]
        assert lying_there(tmp_path / "d") == [DARK.id]
        draft.retry()
        assert ids(draft.unwritten) == []
    with Draft.open(tmp_path / "d") as again:
        assert ids(again.captures) == [DARK.id, LINE.id]


def lying_there(folder: Path) -> list[str]:
    """What another program would find in the folder now: a copy of it, opened."""
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    with Draft.open(copy) as found:
        return ids(found.captures)


def test_a_disk_that_is_full_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch)
    with pytest.raises(CalibrationError, match=r"cannot be written \(No space left"):
        Draft.create(tmp_path / "d", PLAN)
    assert list(tmp_path.iterdir()) == []


def test_one_program_at_a_time(tmp_path: Path) -> None:
    with Draft.create(tmp_path / "d", PLAN) as draft:
        with pytest.raises(CalibrationError, match="open in another livecassi; close it there"):
            Draft.open(tmp_path / "d")
        draft.close()
        Draft.open(tmp_path / "d").close()
    with pytest.raises(CalibrationError, match=r"something at .* already"):
        Draft.create(tmp_path / "d", PLAN)


def test_folders_that_are_no_drafts(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="is no draft of a calibration"):
        Draft.open(tmp_path)
    (tmp_path / "draft.json").write_text("{")
    with pytest.raises(CalibrationError, match="captures beside it are whole"):
        Draft.open(tmp_path)
    assert find_drafts(tmp_path / "nowhere") == []


def test_drafts_are_found_last_changed_first_until_they_are_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CALIBRATIONS_VARIABLE, str(tmp_path))
    assert drafts_folder() == tmp_path / "drafts"
    folders = []
    for number in range(3):
        folders.append(new_draft_folder())
        Draft.create(folders[-1], PLAN).close()
        os.utime(folders[-1] / "draft.json", ns=(number, number))
    assert find_drafts() == folders[::-1]
    Draft.open(folders[1]).discard()
    assert find_drafts() == [folders[2], folders[0]]
    assert sorted(path.name for path in drafts_folder().iterdir()) == sorted(f.name for f in (folders[0], folders[2]))
