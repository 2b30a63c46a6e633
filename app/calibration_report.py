"""The report of a calibration: a PDF of A4 pages for the file beside the instrument."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

from livecassi.app.calibration_curve_plot import draw_curve, draw_curve_residuals
from livecassi.app.calibration_look import AMBER, GREEN, QUIET, RED, styled
from livecassi.app.calibration_page import COLUMN_MM, Page
from livecassi.app.calibration_plots import draw_dark, draw_flat, draw_mask, draw_residuals, draw_response
from livecassi.app.calibration_words import (
    CAPTURE_HEADING,
    LINE_HEADING,
    NOT_MEASURED,
    capture_row,
    curve_text,
    identity_rows,
    limit_text,
    line_row,
    part_rows,
    shorten,
    value_text,
)
from livecassi.calibration import Calibration, CalibrationError
from livecassi.calibration.checks import Check, Verdict
from livecassi.calibration.whole_file import write_whole_file

COLOURS = {Verdict.PASS: GREEN, Verdict.WARN: AMBER, Verdict.FAIL: RED}
VERDICTS = {Verdict.PASS: "passed", Verdict.WARN: "passed with warnings", Verdict.FAIL: "did not pass"}
LINE_STOPS_MM = (0, 17, 29, 59, 77, 92, 109, 127, 144)
CAPTURE_STOPS_MM = (0, 31, 66, 78, 96, 105, 117, 133)
CAPTURES_ON_A_PAGE = 52
LINES_BELOW_THE_CURVE = 14
FOUND_MM = 130.0  # where the figures of checks end
LEAST_ROOM_MM = 14.0  # for one more check with its advice
GAP_MM = 16.0  # below axes, for their labels and the title of the next
INSET_MM = 12.0  # left of axes, for their labels
BAR_MM = 18.0  # right of a picture, for its scale
Pages = Iterator[Page]


def save_report(calibration: Calibration, path: Path) -> None:
    """Write the report as PDF, whole or not at all. Raises `CalibrationError` where the folder cannot be written."""
    from matplotlib.backends.backend_pdf import PdfPages

    content = io.BytesIO()
    title = f"Calibration {calibration.header.name or calibration.id[:8]}"
    with (
        warnings.catch_warnings(),
        styled(),
        PdfPages(content, metadata={"Title": title, "Creator": "livecassi"}) as file,
    ):
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")  # names may hold any sign: a box stands for it
        for page in report_pages(calibration):
            file.savefig(page.figure)
    try:
        write_whole_file(path, content.getbuffer())
    except OSError as error:
        raise CalibrationError(
            f"the report cannot be written to {path} ({error.strerror or error}); choose a folder that can be written"
        ) from error


def report_pages(calibration: Calibration) -> Pages:
    """Title with verdicts; dispersion; mask; light; captures: as far as the calibration has them."""
    footer = f"livecassi calibration {calibration.id[:16]}"
    record = calibration.header.record
    yield from _title_pages(calibration, footer)
    yield from _dispersion_pages(calibration, footer)
    yield _mask_page(calibration, footer)
    yield _light_page(calibration, footer)
    if record is not None:
        for first in range(0, len(record.captures), CAPTURES_ON_A_PAGE):
            part = record.captures[first : first + CAPTURES_ON_A_PAGE]
            page = Page("Captures", footer)
            page.skip(4)
            page.table(CAPTURE_HEADING, [capture_row(entry) for entry in part], CAPTURE_STOPS_MM)
            page.skip(3)
            page.paragraph("SHA-256 of every frame's pixels lies in the calibration file.", colour=QUIET, size=8.0)
            yield page


def _title_pages(calibration: Calibration, footer: str) -> Pages:
    """Identity and verdicts; checks that find no room go on with the next page."""
    page = Page(shorten(f"Calibration {calibration.header.name}", 48), footer)
    record = calibration.header.record
    page.skip(4)
    if record is None or not record.checks:
        page.paragraph(NOT_MEASURED if record is None else "nothing was judged", colour=QUIET, size=11)
    else:
        page.dot(COLOURS[record.verdict], 1.6)
        page.text(f"This calibration {VERDICTS[record.verdict]}.", 6, size=11.5, weight="bold")
        page.skip(7)
    page.skip(2)
    page.pairs(identity_rows(calibration))
    if record is not None:
        page.heading("Checks")
        _check_heading(page)
        for check in record.checks:
            if page.left_mm < LEAST_ROOM_MM:
                yield page
                page = Page("Checks", footer)
                page.skip(4)
                _check_heading(page)
            _check(page, check)
        if record.overrides:
            page.heading("Continued anyway")
            for override in record.overrides:
                page.paragraph(override)
    yield page


def _check_heading(page: Page) -> None:
    for words, stop, align in (("found", FOUND_MM, "right"), ("needed", FOUND_MM + 5, "left")):
        page.text(words, stop, size=7.5, colour=QUIET, align=align)
    page.skip(4.6)


def _check(page: Page, check: Check) -> None:
    page.dot(COLOURS[check.verdict])
    page.text(shorten(check.name, 64), 6)
    page.text(value_text(check), FOUND_MM, align="right", weight="bold")
    page.text(limit_text(check), FOUND_MM + 5, colour=QUIET)
    page.skip(4.8)
    if check.verdict is not Verdict.PASS and check.advice:
        page.paragraph(check.advice, 6, colour=QUIET, size=8.0)
        page.skip(0.6)


def _dispersion_pages(calibration: Calibration, footer: str) -> Pages:
    page = Page("Dispersion", footer)
    record = calibration.header.record
    page.skip(6)
    axes = page.axes(82, INSET_MM, COLUMN_MM - INSET_MM)
    draw_curve(axes, calibration)
    axes.set_title("Shift of lines and bands")
    page.skip(82 + GAP_MM)
    if record is None or record.curve is None:
        axes.set_xlabel("wavelength, nm")
        yield page
        return
    draw_curve_residuals(page.axes(52, INSET_MM, COLUMN_MM - INSET_MM), calibration)
    page.skip(52 + GAP_MM)
    page.paragraph(curve_text(record), size=8.5)
    if len(record.lines) > LINES_BELOW_THE_CURVE:
        yield page
        page = Page("Lines", footer)
        page.skip(4)
    elif record.lines:
        page.heading("Lines")
    if record.lines:
        page.table(LINE_HEADING, [line_row(line) for line in record.lines], LINE_STOPS_MM)
    yield page


def _mask_page(calibration: Calibration, footer: str) -> Page:
    page = Page("Mask", footer)
    record = calibration.header.record
    page.skip(6)
    draw_mask(page.picture_axes(calibration.mask.shape, 112, INSET_MM, COLUMN_MM - INSET_MM), calibration)
    page.skip(GAP_MM - 2)
    if calibration.residuals_px is not None:
        _residual_maps(page, calibration)
    if record is not None and (rows := part_rows(record)):
        page.heading("Figures")
        page.pairs(rows, 42)
    return page


def _residual_maps(page: Page, calibration: Calibration) -> None:
    page.heading("What the fit leaves on tiles of the field")
    page.skip(2)
    top, half = page.y_mm, (COLUMN_MM - 2 * INSET_MM - BAR_MM) / 2
    left = page.picture_axes(calibration.measurement_shape, 56, INSET_MM, half)
    page.y_mm = top
    right = page.picture_axes(calibration.measurement_shape, 56, 2 * INSET_MM + half, half)
    draw_residuals(left, calibration, along=True, bar=False)
    draw_residuals(right, calibration, along=False)
    right.set_ylabel("")
    page.skip(10)


def _light_page(calibration: Calibration, footer: str) -> Page:
    page = Page("Response, dark and flat", footer)
    page.skip(6)
    draw_response(page.axes(58, INSET_MM, COLUMN_MM - INSET_MM), calibration)
    page.skip(58 + GAP_MM)
    for draw, array in ((draw_dark, calibration.dark), (draw_flat, calibration.flat)):
        if array is not None:
            draw(page.picture_axes(array.shape, 66, INSET_MM, COLUMN_MM - INSET_MM - BAR_MM), calibration)
            page.skip(GAP_MM)
    return page
