"""The library in words, and what is compared with what."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path

import pytest
from measured_calibrations import CHECKS, measured_calibration

from livecassi.app.calibrating.library import Difference, Library
from livecassi.app.versions import (
    Shelf,
    compare,
    content_lines,
    made_text,
    parent_text,
    read_shelf,
    size_text,
    usual_other,
    verdict_hint,
    verdict_text,
)
from livecassi.calibration import Calibration, CalibrationInvalidError
from livecassi.calibration.checks import Verdict

FIRST = measured_calibration()


def child(parent: Calibration, day: int, **changes: object) -> Calibration:
    assert parent.header.record is not None
    record = parent.header.record.model_copy(update={"parent_id": parent.id, **changes})
    update = {"created": f"2026-11-{day}T10:00:00+00:00", "record": record}
    return replace(parent, header=parent.header.model_copy(update=update))


SECOND = child(FIRST, 25, overrides=(), checks=CHECKS[:1])
THIRD = child(SECOND, 28, overrides=("because",), checks=(CHECKS[0].model_copy(update={"value": 0.4}),))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    library = Library(tmp_path)
    for calibration in (FIRST, THIRD, SECOND):
        library.save(calibration)
    return read_shelf(library)


def test_damaged_files_are_named_with_the_reason(tmp_path: Path) -> None:
    library = Library(tmp_path / "none")
    assert read_shelf(library) == Shelf(tmp_path / "none")
    library.save(FIRST)
    (library.folder / "broken.h5").write_bytes(b"nothing")
    found = read_shelf(library)
    assert [version.id for version in found.versions] == [FIRST.id]
    assert found.active is not None
    assert [damaged.path.name for damaged in found.damaged] == ["broken.h5"]
    assert "cannot be read" in found.damaged[0].reason


def test_the_verdict_in_one_word_and_at_length(shelf: Shelf) -> None:
    words = [(verdict_text(version), verdict_hint(version)) for version in shelf.versions]
    assert words == [
        (("failed", Verdict.FAIL), "failed, continued anyway"),
        (("passed", Verdict.PASS), "passed"),
        (("warnings", Verdict.WARN), "warnings, continued anyway"),
    ]
    imported = replace(shelf.versions[0], verdict="not judged")
    assert verdict_text(imported) == ("not measured", None)


def test_the_parent_is_named_also_where_it_is_gone(shelf: Shelf) -> None:
    third, second, first = shelf.versions
    assert parent_text(third, shelf) == f"Bench 2 · {SECOND.id[:8]}"
    assert parent_text(first, shelf) == ""
    assert parent_text(second, Shelf(shelf.folder, (second,))) == f"{FIRST.id[:8]}, not here any more"


def test_a_version_is_compared_with_the_one_in_use_and_that_one_with_its_parent(shelf: Shelf) -> None:
    third, second, first = shelf.versions
    assert usual_other(third, shelf) == second  # in use
    assert usual_other(second, shelf) == first  # its parent
    orphan = replace(second, parent_id="")
    assert usual_other(orphan, Shelf(shelf.folder, (third, orphan, first))) == first  # the next older one
    assert usual_other(first, Shelf(shelf.folder, (first,))) is None


def test_comparing_files_and_what_is_in_memory(shelf: Shelf) -> None:
    third, second, _ = shelf.versions
    (verdict,) = compare(third.path, second.path).found or ()
    assert (verdict.name, verdict.old, verdict.new) == ("verdict", "pass", "fail")
    assert compare(third.path, THIRD).found == ()
    assert compare(third.path, None).found is None
    assert compare(third.path, None).chosen.id == THIRD.id
    third.path.write_bytes(third.path.read_bytes()[:5000])
    with pytest.raises(CalibrationInvalidError):
        compare(third.path, None)


def test_dates_are_told_in_local_time() -> None:
    east = timezone(timedelta(hours=2))
    assert made_text("2026-11-20T23:30:00+00:00", east) == "2026-11-21 01:30"
    assert made_text("2026-11-20T23:30:00", UTC) == "2026-11-20 23:30"
    assert made_text("last week") == "undated"


@pytest.mark.parametrize(
    ("size", "unit", "words"),
    [
        (None, "", ""),
        (-5000.0, "µs", "−5000 µs"),
        (1.00499, "px", "1.00 px"),
        (2.0, "bands", "2 bands"),
        (4.149, "% of its mean", "4.15 % of its mean"),
        (851.3, "px", "851 px"),
    ],
)
def test_the_size_of_a_difference(size: float | None, unit: str, words: str) -> None:
    assert size_text(Difference("any", "old", "new", size, unit)) == words


def test_the_content_in_lines() -> None:
    assert content_lines(FIRST) == [
        "28 bands, 450–650 nm · frames of 96 × 182 px",
        "by Ada · camera SIMULATED-0 · 25 mm, f/4",
        "after the lamp was changed",
    ]
    bare = FIRST.header.model_copy(update={"record": None, "notes": "", "camera_serial": ""})
    assert len(content_lines(replace(FIRST, header=bare))) == 1
