"""Versions of a calibration: never overwritten, listed, activated and compared."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from measured_calibrations import measured_calibration

from livecassi.app.calibrating.library import Library, differences
from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.calibration import Calibration, CalibrationError
from livecassi.calibration.store import load_calibration
from livecassi.drivers.opencv import cv2

FIRST = measured_calibration()


def later(calibration: Calibration, day: int, **changes: object) -> Calibration:
    update = {"created": f"2026-11-{day}T10:00:00+00:00", **changes}
    return replace(calibration, header=calibration.header.model_copy(update=update))


SECOND = later(FIRST, 25)


def test_versions_are_listed_newest_first_with_the_one_in_use(tmp_path: Path) -> None:
    library = Library(tmp_path / "calibrations")
    assert library.versions() == []
    assert library.active() is None
    older = library.save(FIRST)
    newer = library.save(SECOND)
    assert older.name == f"bench-2-202611201000-{FIRST.id[:8]}.h5"
    assert load_calibration(newer).id == SECOND.id
    versions = library.versions()
    assert [(version.id, version.active) for version in versions] == [(SECOND.id, True), (FIRST.id, False)]
    assert (versions[0].name, versions[0].system, versions[0].verdict) == (
        "Bench 2",
        "sd-cassi",
        "warn, continued anyway",
    )


def test_restoring_an_earlier_version(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.save(FIRST)
    library.save(SECOND)
    assert library.activate(FIRST.id[:8]).active
    active = library.active()
    assert active is not None
    assert active.id == FIRST.id
    library.save(later(FIRST, 28), activate=False)
    active = library.active()
    assert active is not None
    assert active.id == FIRST.id
    with pytest.raises(CalibrationError, match=r"no calibration whose id begins with 'zzz'.*choose among: "):
        library.activate("zzz")
    with pytest.raises(CalibrationError, match="3 calibrations whose ids begin with ''"):
        library.find("")


def test_saving_the_same_again_changes_nothing(tmp_path: Path) -> None:
    library = Library(tmp_path)
    path = library.save(FIRST)
    before = path.stat().st_mtime_ns
    assert library.save(FIRST) == path
    assert path.stat().st_mtime_ns == before
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CalibrationError):
        library.save(FIRST)


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    library = Library(tmp_path)
    library.save(FIRST)
    (tmp_path / "other.h5").write_bytes(b"nothing")
    (tmp_path / "active.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [version.active for version in library.versions()] == [False]
    assert "other.h5 cannot be read" in caplog.text
    assert "no calibration counts as the one in use" in caplog.text
    assert json.loads(library.save(SECOND).with_name("active.json").read_text())["id"] == SECOND.id


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CALIBRATIONS_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(CalibrationError, match="LIVECASSI_CALIBRATIONS"):
        Library().save(FIRST)


def test_nothing_differs_between_a_calibration_and_itself() -> None:
    assert differences(FIRST, FIRST) == []
    assert differences(FIRST, SECOND) == []  # another date only


def test_a_mask_that_moved_is_measured() -> None:
    warp = np.array([[1, 0, 0.6], [0, 1, -0.25]], np.float32)
    size = FIRST.mask.shape[::-1]
    moved = np.asarray(cv2.warpAffine(FIRST.mask, warp, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    (found,) = differences(FIRST, replace(SECOND, mask=np.clip(moved, 0, 1)))
    assert found.name == "mask"
    assert found.size == pytest.approx(0.65, abs=0.05)
    assert re.match(r"moved \+0\.[56]\d+ px along, -0\.2\d+ px across", found.new)
    other = np.random.default_rng(9).random(FIRST.mask.shape, np.float32)
    (foreign,) = differences(FIRST, replace(FIRST, mask=other))
    assert "another pattern" in foreign.new


def test_every_other_quantity_is_told_with_its_size() -> None:
    record = FIRST.header.record
    assert record is not None
    assert record.curve is not None
    assert FIRST.dark is not None
    assert FIRST.flat is not None
    a, b, c = record.curve.coefficients
    steeper = record.curve.model_copy(update={"coefficients": (a, 1.01 * b, c)})
    changed = replace(
        later(FIRST, 26, exposure_us=5000.0, record=record.model_copy(update={"curve": steeper, "checks": ()})),
        response=FIRST.response * np.linspace(1, 1.1, FIRST.bands, dtype=np.float32),
        dark=FIRST.dark + 3,
        flat=None,
    )
    found = {difference.name: difference for difference in differences(FIRST, changed)}
    assert found.keys() == {"exposure", "verdict", "dispersion", "response", "dark", "flat"}
    assert found["exposure"].words == "exposure: 10000.0 µs -> 5000.0 µs (-5e+03 µs)"
    assert found["dispersion"].size == pytest.approx(0.01 * abs(b) * ((1000 / 450) ** 2 - (1000 / 650) ** 2), rel=1e-3)
    assert found["response"].size == pytest.approx(5, abs=1.5)
    assert found["dark"].size == pytest.approx(3)
    assert (found["flat"].old, found["flat"].new) == ("96 x 182", "none")
    fewer = replace(
        FIRST, wavelengths_nm=FIRST.wavelengths_nm[:9], dispersion_px=FIRST.dispersion_px[:9],
        response=FIRST.response[:9], covariance=None, psf_px=None, dark=None, flat=None, hot_pixels=None,
    )  # fmt: skip
    assert "9 from 450.00 to" in next(d for d in differences(FIRST, fewer) if d.name == "bands").new
