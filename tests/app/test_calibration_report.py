"""Pictures, report and words of a calibration: whole, for measured and for imported ones, in any shape."""

import errno
import os
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import small_calibration
from measured_calibrations import CHECKS, LINES_NM, measured_calibration

from livecassi.app.calibration_plots import save_plots
from livecassi.app.calibration_report import report_pages, save_report
from livecassi.app.calibration_words import summary_lines
from livecassi.calibration import Calibration, CalibrationError, System
from livecassi.calibration.checks import Check
from livecassi.drivers.opencv import cv2

MEASURED = measured_calibration()


def words_of(calibration: Calibration) -> list[str]:
    """Every text on the pages of a report."""
    return [text.get_text() for page in report_pages(calibration) for text in page.figure.texts]


def test_a_picture_of_everything_that_a_measured_calibration_holds(tmp_path: Path) -> None:
    saved = save_plots(MEASURED, tmp_path / "plots")
    assert {path.name for path in saved} == {
        "mask.png", "dispersion.png", "response.png", "residuals.png", "dark.png", "flat.png",
    }  # fmt: skip
    for path in saved:
        picture = cv2.imread(str(path))
        assert picture.shape[:2] == (780, 1170)
        assert picture.std() > 5  # not an empty sheet


def test_an_imported_mask_has_fewer_pictures(tmp_path: Path) -> None:
    saved = save_plots(small_calibration(System.DD_CASSI), tmp_path)
    assert {path.name for path in saved} == {"mask.png", "dispersion.png", "response.png"}


def test_the_curve_is_drawn_with_its_band_and_its_lines() -> None:
    from matplotlib.figure import Figure

    from livecassi.app.calibration_curve_plot import draw_curve_residuals

    axes = Figure().subplots()
    draw_curve_residuals(axes, MEASURED)
    two_sigma, one_sigma = (band.get_paths()[0].vertices for band in axes.collections[:2])
    assert np.ptp(two_sigma[:, 1]) == pytest.approx(2 * np.ptp(one_sigma[:, 1]), rel=1e-6)
    points = [nm for line in axes.lines for nm in np.atleast_1d(line.get_xdata())]
    assert set(LINES_NM) <= {float(nm) for nm in points}


def test_the_report_is_a_whole_pdf_with_every_check_its_number_and_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    save_report(MEASURED, path)
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert content.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", content)) == 5
    streams = [s for s in re.findall(rb"stream\r?\n(.*?)endstream", content, re.S) if s[:1] == b"x"]
    assert sum(len(zlib.decompressobj().decompress(stream)) for stream in streams) > 10_000
    words = words_of(MEASURED)
    for check in CHECKS:
        assert check.name in words
    assert {"0.042 px rms", "≤ 0.1 px rms", "0.22 px", "≤ 0.2 px", "0.97", "≥ 0.9"} <= set(words)
    assert any("was its wavelength entered wrongly?" in text for text in words)
    assert "This calibration passed with warnings." in words
    assert MEASURED.id in words
    assert "verify 633 nm" in words
    assert any("lamp is new" in text for text in words)


def test_reports_of_many_checks_lines_and_captures_go_on_with_further_pages() -> None:
    record = MEASURED.header.record
    assert record is not None
    checks = tuple(
        Check(name=f"check {n}", value=2, unit="px", limit=1, fail_limit=3, advice="look at it " * 20)
        for n in range(40)
    )
    many = record.model_copy(
        update={"checks": checks, "lines": record.lines * 5, "captures": record.captures * 12, "curve": record.curve}
    )
    calibration = replace(MEASURED, header=MEASURED.header.model_copy(update={"record": many}))
    pages = list(report_pages(calibration))
    assert len(pages) > 8
    for page in pages:
        assert page.left_mm >= 0, "a page runs over its footer"
    words = words_of(calibration)
    assert {f"check {n}" for n in range(40)} <= set(words)


def test_a_report_of_an_imported_mask_says_that_nothing_was_measured(tmp_path: Path) -> None:
    save_report(small_calibration(), tmp_path / "r.pdf")
    assert any("not measured" in words for words in words_of(small_calibration()))


@pytest.mark.parametrize("system", [System.PMVIS, System.NDSSI])
def test_other_systems_can_be_drawn(system: System, tmp_path: Path) -> None:
    save_report(measured_calibration(system, 64, 100), tmp_path / "r.pdf")


def test_names_that_look_like_formulas_or_fill_pages_are_drawn_as_they_are(tmp_path: Path) -> None:
    header = MEASURED.header.model_copy(update={"name": "a $x_1$ b" * 30, "notes": r"$\frac{" + "long " * 200})
    save_report(replace(MEASURED, header=header), tmp_path / "r.pdf")


def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="pictures cannot be written into"):
        save_plots(MEASURED, tmp_path / "file" / "plots")

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CalibrationError, match=r"report cannot be written to .*No space left"):
        save_report(small_calibration(), tmp_path / "r.pdf")
    assert not (tmp_path / "r.pdf").exists()


def test_the_summary_says_every_check_with_number_and_limit() -> None:
    text = "\n".join(summary_lines(MEASURED))
    assert "Bench 2: WARN (2 pass, 1 warn)" in text
    assert "WARN  leave one line out, 589.3 nm 0.22 px, allowed 0.2 px: the line lies off" in text
    assert "s(λ) = " in text
    assert "from 453 to 633 nm" in text
    assert MEASURED.id in text
    assert "He-Ne" in text
    assert "not measured" in "\n".join(summary_lines(small_calibration()))


def test_a_name_with_signs_that_the_font_lacks_warns_nobody(tmp_path: Path) -> None:
    header = MEASURED.header.model_copy(update={"name": "bench \N{ROCKET} \N{CJK UNIFIED IDEOGRAPH-6F22}"})
    save_report(replace(MEASURED, header=header), tmp_path / "r.pdf")  # warnings are errors here
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
