"""Deleting, repeating and renaming: each can be undone, and a capture is never lost by it."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from wizard_operator import LINES, Operator

from livecassi.app.calibrating.plan import LinePlan
from livecassi.app.windows.wizard.line_table import FWHM, NM

MakeWizard = Callable[..., Operator]


@pytest.fixture
def with_darks(make_wizard: MakeWizard) -> Operator:
    operator = make_wizard()
    operator.go_to(operator.wizard.dark_page)
    operator.press(operator.wizard.dark_page.bar.all)
    operator.settled()
    return operator


@pytest.fixture
def with_lines(make_wizard: MakeWizard) -> Operator:
    operator = make_wizard()
    page = operator.wizard.dispersion_page
    operator.go_to(page)
    page.add_lines(LINES[:4], "add lines")
    operator.press(page.bar.all)
    operator.settled()
    return operator


def test_a_deleted_capture_comes_back_with_undo(with_darks: Operator) -> None:
    wizard, page = with_darks.wizard, with_darks.wizard.dark_page
    before = [capture.id for capture in page.captures]
    page.table.select(before[1])
    with_darks.press(page.table.delete)
    with_darks.settled()
    assert [capture.id for capture in page.captures] == [before[0], *before[2:]]
    assert not page.isComplete()
    assert "delete" in wizard.steps.undo.toolTip()
    with_darks.press(wizard.steps.undo)
    with_darks.settled()
    assert [capture.id for capture in page.captures] == before
    assert page.isComplete()
    with_darks.press(wizard.steps.redo)
    assert len(page.captures) == len(before) - 1


def test_keys_undo_and_redo(qtbot: QtBot, with_darks: Operator) -> None:
    wizard, page = with_darks.wizard, with_darks.wizard.dark_page
    wizard.activateWindow()
    qtbot.waitUntil(wizard.isActiveWindow)
    page.table.table.setFocus()
    page.table.select(page.captures[0].id)
    count = len(page.captures)
    qtbot.keyClick(page.table.table, Qt.Key.Key_Delete)
    assert len(page.captures) == count - 1
    qtbot.keyClick(wizard, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(page.captures) == count
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(wizard, Qt.Key.Key_Z, both)
    assert len(page.captures) == count - 1


def test_a_repeated_capture_takes_the_place_of_the_old_one(with_darks: Operator) -> None:
    wizard, page = with_darks.wizard, with_darks.wizard.dark_page
    old = page.captures[0]
    page.table.select(old.id)
    with_darks.press(page.table.repeat)
    with_darks.settled()
    now = {capture.id for capture in page.captures}
    assert old.id not in now
    assert page.captures[-1].exposure_us == old.exposure_us
    assert page.isComplete(), page.problems
    with_darks.press(wizard.steps.undo)
    assert old.id in {capture.id for capture in page.captures}
    assert len(page.captures) == len(now)


def test_a_wrong_wavelength_is_corrected_without_a_new_capture(with_lines: Operator) -> None:
    wizard, page = with_lines.wizard, with_lines.wizard.dispersion_page
    hashes = [capture.frame_hashes for capture in page.captures]
    assert page.curve.of(page.captures[0].id) is not None
    item = page.lines.item(1, NM)
    assert item is not None
    item.setText("480,5")
    with_lines.settled()
    assert [line.nm for line in page.fit_lines] == [450.0, 480.5, 505.0, 532.0]
    assert {c.line.wavelength_nm for c in page.captures if c.line} == {450.0, 480.5, 505.0, 532.0}
    assert sorted(hashes) == sorted(capture.frame_hashes for capture in page.captures)
    assert not page.missing
    with_lines.press(wizard.steps.undo)
    with_lines.settled()
    assert [line.nm for line in page.fit_lines] == [450.0, 473.0, 505.0, 532.0]
    assert not page.missing


def test_nonsense_in_the_table_of_lines_is_refused_in_words(with_lines: Operator) -> None:
    wizard, page = with_lines.wizard, with_lines.wizard.dispersion_page
    for column, text, words in (
        (NM, "green", "'green'"),
        (NM, "450", "twice"),
        (FWHM, "-3", "expected 0 to 500 nm"),
        (NM, "5000", "expected 200 to 2000 nm"),
        (NM, "", "no number"),
    ):
        item = page.lines.item(1, column)
        assert item is not None
        item.setText(text)
        assert wizard.desk.trouble is not None
        assert words in wizard.desk.trouble.text
        assert page.trouble.isVisible()
        assert [line.nm for line in page.fit_lines] == [450.0, 473.0, 505.0, 532.0]
        shown = page.lines.item(1, NM)
        assert shown is not None
        assert shown.text() == "473"


def test_a_removed_line_takes_its_capture_along_and_both_come_back(with_lines: Operator) -> None:
    wizard, page = with_lines.wizard, with_lines.wizard.dispersion_page
    page.lines.selectRow(2)
    with_lines.press(page.remove_line)
    with_lines.settled()
    assert [line.nm for line in page.fit_lines] == [450.0, 473.0, 532.0]
    assert len(page.captures) == 3
    assert len(page.curve.lines) == 3
    with_lines.press(wizard.steps.undo)
    with_lines.settled()
    assert [line.nm for line in page.fit_lines] == [450.0, 473.0, 505.0, 532.0]
    assert len(page.captures) == 4


def test_lines_swapped_by_mistake_are_recognised(with_lines: Operator) -> None:
    """The names of the outer lines are exchanged: shifts no longer grow with the wavelength."""
    desk, page = with_lines.wizard.desk, with_lines.wizard.dispersion_page
    blue, red = desk.plan.line[0], desk.plan.line[3]
    desk.edit_line(0, blue.model_copy(update={"nm": 999.0}))
    desk.edit_line(3, red.model_copy(update={"nm": blue.nm}))
    desk.edit_line(0, LinePlan(nm=red.nm))
    with_lines.settled()
    assert not page.isComplete()
    assert any("swap" in check.advice or "exchange" in check.advice for check in page.checks())


def test_a_line_can_be_chosen_and_captured_out_of_order(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    page = operator.wizard.dispersion_page
    operator.go_to(page)
    page.add_lines(LINES[:3], "add lines")
    operator.settled()
    page.lines.selectRow(2)
    operator.settled()
    assert "505" in page.bar.capture.text()
    assert "505" in page.instruction.text()
    operator.press(page.bar.capture)
    operator.settled()
    assert [c.line.wavelength_nm for c in page.captures if c.line] == [505.0]
    assert [step.line.wavelength_nm for step in page.missing if step.line] == [450.0, 473.0]
