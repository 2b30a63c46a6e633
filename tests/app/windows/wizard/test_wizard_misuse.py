"""What an operator does who has never seen the wizard: each is answered in words, and nothing is lost by it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QWizard
from pytestqt.qtbot import QtBot
from wizard_operator import HEIGHT, LINES, SHORT, WIDTH, Operator

from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.app.windows.wizard.benches import simulated_bench
from livecassi.app.windows.wizard.lights import LightList, short_text
from livecassi.app.windows.wizard.look import PageState
from livecassi.calibration import System
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.checks import Check

MakeWizard = Callable[..., Operator]
DRIFT_PX = (0.0, 0.5)  # along, across


def check(name: str, value: float, limit: float = 1.0) -> Check:
    return Check(name=name, value=value, unit="px", limit=limit, fail_limit=2 * limit, advice="do something about it")


def take_all(operator: Operator) -> None:
    """Every capture from the dark to the white reference."""
    wizard = operator.wizard
    for page in (wizard.dark_page, wizard.white_page, wizard.mask_page, wizard.dispersion_page, wizard.refine_page):
        operator.go_to(page)
        if page is wizard.dispersion_page:
            wizard.dispersion_page.add_lines(LINES, "add lines")
        operator.press(page.bar.all if page.bar.all.isVisible() else page.bar.capture)
        operator.settled()


def test_a_bench_that_moves_before_the_verification_fails_with_its_number(
    make_wizard: MakeWizard, prototype: Prototype
) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    take_all(operator)
    operator.press(wizard.refine_page.fit_bar.fit)
    operator.settled()
    operator.go_to(wizard.verify_page)
    assert not wizard.verify_page.bar.capture.isEnabled()
    assert "Choose a line" in wizard.verify_page.bar.capture.text()
    prototype.set_state(replace(prototype.state, drift_px=DRIFT_PX))
    operator.press(wizard.verify_page.add)
    operator.qtbot.waitUntil(wizard.verify_page.bar.capture.hasFocus)
    operator.press(wizard.verify_page.bar.capture)
    operator.settled()
    operator.qtbot.waitUntil(lambda: bool(wizard.fitting.verification), timeout=60_000)
    assert wizard.verify_page.state is PageState.FAIL
    across = next(c for c in wizard.fitting.verification if "across" in c.name)
    assert across.value == pytest.approx(0.5, abs=0.1)
    assert not wizard.save_page.isComplete()


def test_what_has_moved_does_not_move_back(prototype: Prototype) -> None:
    prototype.set_state(replace(prototype.state, drift_px=DRIFT_PX))
    bench = simulated_bench(prototype)
    bench.feed.start()
    try:
        bench.rig.prepare(CaptureStep(CaptureKind.WHITE, 1))
        bench.rig.choose_exposure()
        bench.show_scene()
    finally:
        bench.feed.stop()
    assert prototype.state.drift_px == DRIFT_PX


def test_too_dark_can_be_gone_on_with_for_a_reason(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    page, qtbot = operator.wizard.camera_page, operator.qtbot
    operator.go_on()
    page.exposure.setValue(0.01)
    anyway = operator.wizard_button(QWizard.WizardButton.CustomButton1)
    qtbot.waitUntil(lambda: page.problems == ("brightest pixels",), timeout=10_000)
    qtbot.waitUntil(anyway.isEnabled)
    operator.press(anyway)
    assert page.state is PageState.OVERRIDDEN


def test_an_empty_page_does_not_say_that_all_is_captured(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    page = operator.wizard.dispersion_page
    operator.go_to(page)
    assert page.bar.capture.text() == "No lines yet: enter them above"
    page.add_lines(LINES[:2], "add lines")
    assert "450" in page.bar.capture.text()
    operator.press(page.bar.all)
    operator.settled()
    assert page.bar.capture.text() == "All captured"


def test_deleting_and_undoing_ten_times_changes_nothing(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    wizard, page = operator.wizard, operator.wizard.dark_page
    operator.go_to(page)
    operator.press(page.bar.all)
    operator.settled()
    before = [capture.id for capture in page.captures]
    for _ in range(10):
        page.table.select(before[1])
        operator.press(page.table.delete)
        assert before[1] not in [capture.id for capture in page.captures]
        operator.press(wizard.steps.undo)
    operator.settled()
    assert [capture.id for capture in page.captures] == before
    assert page.state is PageState.PASS


def test_a_mask_that_repeats_itself_keeps_the_page_closed_until_places_are_told(make_wizard: MakeWizard) -> None:
    bench = open_prototype(System.PMVIS, HEIGHT, WIDTH, frame_rate_hz=200.0)
    operator = make_wizard(simulated_bench(bench), template=SHORT.model_copy(update={"system": System.PMVIS}))
    page = operator.wizard.dispersion_page
    operator.go_to(page)
    page.add_lines(LINES[:4], "add lines")
    operator.press(page.bar.all)
    operator.settled()
    assert not page.isComplete()
    assert "repeats itself" in page.lacks()
    assert "repeats itself" in page.instruction.text()
    for row, line in enumerate(page.fit_lines):
        about = float(bench.bench.true_shift_px([line.nm])[0])
        operator.wizard.desk.edit_line(row, line.model_copy(update={"expected_px": round(about)}))
    operator.settled()
    assert "repeats itself" not in page.lacks()


def test_a_draft_of_another_camera_is_refused_and_stays(make_wizard: MakeWizard) -> None:
    first = make_wizard()
    first.go_to(first.wizard.dark_page)
    first.press(first.wizard.dark_page.bar.capture)
    first.settled()
    folder = first.wizard.desk.draft.folder
    first.wizard.close()
    bigger = open_prototype(System.SD_CASSI, HEIGHT + 16, WIDTH + 16, frame_rate_hz=200.0)
    second = make_wizard(simulated_bench(bigger))
    start = second.wizard.start_page
    second.press(second.wizard_button(QWizard.WizardButton.NextButton))
    assert second.page is start
    assert f"{HEIGHT} × " in start.trouble.text
    assert f"{HEIGHT + 16} × " in start.trouble.text
    assert list((folder / "captures").glob("*.h5"))
    third = make_wizard()
    third.go_to(third.wizard.dark_page)
    assert len(third.wizard.dark_page.captures) == 1


def test_a_draft_of_another_system_is_said(make_wizard: MakeWizard) -> None:
    first = make_wizard()
    first.go_to(first.wizard.camera_page)
    first.wizard.close()
    bench = open_prototype(System.DD_CASSI, HEIGHT, WIDTH, frame_rate_hz=200.0)
    second = make_wizard(simulated_bench(bench), template=SHORT.model_copy(update={"system": System.DD_CASSI}))
    second.press(second.wizard_button(QWizard.WizardButton.NextButton))
    assert "draft is of a sd-cassi bench, open is a dd-cassi bench" in second.page.trouble.text


def test_a_draft_is_open_in_one_wizard_only(make_wizard: MakeWizard) -> None:
    first = make_wizard()
    first.go_to(first.wizard.camera_page)
    second = make_wizard()
    second.press(second.wizard_button(QWizard.WizardButton.NextButton))
    assert second.page is second.wizard.start_page
    assert "open in another livecassi" in second.page.trouble.text


def test_the_keyboard_alone_leads_through_a_page(qtbot: QtBot, make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    wizard.activateWindow()
    qtbot.waitUntil(wizard.isActiveWindow)
    qtbot.waitUntil(wizard.start_page.form.name.hasFocus)
    qtbot.keyClicks(wizard.focusWidget(), " by hand")
    assert wizard.start_page.form.name.text().endswith("by hand")
    following = operator.wizard_button(QWizard.WizardButton.NextButton)
    assert following.shortcut().toString() == "Alt+N"
    following.setFocus()
    qtbot.keyClick(following, Qt.Key.Key_Return)
    assert operator.page is wizard.camera_page
    qtbot.waitUntil(wizard.camera_page.choose.hasFocus)
    qtbot.waitUntil(lambda: wizard.camera_page.isComplete() and following.isEnabled(), timeout=10_000)
    following.setFocus()
    qtbot.keyClick(following, Qt.Key.Key_Return)
    page = wizard.dark_page
    assert operator.page is page
    for left in (3, 2, 1, 0):
        qtbot.waitUntil(page.bar.capture.hasFocus)
        qtbot.keyClick(page.bar.capture, Qt.Key.Key_Return)
        operator.settled()
        assert len(page.missing) == left
    qtbot.waitUntil(following.hasFocus)
    qtbot.keyClick(following, Qt.Key.Key_Return)
    assert operator.page is wizard.white_page


def test_the_white_reference_is_not_called_like_the_page_of_the_flats(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    page = operator.wizard.refine_page
    operator.go_to(page)
    assert page.bar.capture.text() == "Capture white reference"
    assert "white reference" in page.lacks()


def test_every_page_shows_the_live_picture(qtbot: QtBot, make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    for page in operator.wizard.pages:
        operator.go_to(page)
        live = page.live
        qtbot.waitUntil(lambda live=live: live.frame is not None and "at most" in live.saturated.text())  # type: ignore[misc]
        assert live.isVisible()


def test_lights_change_in_place(qtbot: QtBot) -> None:
    lights = LightList(most=2)
    qtbot.addWidget(lights)
    lights.show_checks((), "nothing yet")
    assert all(label.parent() is lights for label in lights.findChildren(QLabel))
    assert not [
        widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QLabel) and widget.isVisible()
    ]
    lights.show_checks([check("drift", 0.5), check("rms", 0.2)])
    lights.show()
    seen = [widget for widget in lights.findChildren(QLabel) if widget.isVisible()]
    lights.show_checks([check("drift", 0.7), check("rms", 0.1)])
    assert all(widget.isVisible() for widget in seen)  # no flicker
    lights.show_checks([check(name, 3.0) for name in "abc"] + [check("d", 0.1)])
    assert any("1 more that does not pass, 1 that pass" in w.text() for w in lights.findChildren(QLabel))


@pytest.mark.parametrize(
    ("value", "limit", "words"), [(16.0055, 0.01, "16 > 0.01"), (0.31, 0.1, "0.31 > 0.1"), (0.00004, 0.1, "0 ≤ 0.1")]
)
def test_numbers_have_three_figures_at_most(value: float, limit: float, words: str) -> None:
    assert short_text(check("rms", value, limit)) == f"{words} px · rms"


def test_closing_while_it_fits_leaves_nothing_behind(make_wizard: MakeWizard, tmp_path: Path) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    take_all(operator)
    operator.press(wizard.refine_page.fit_bar.fit)
    assert wizard.fitting.busy
    wizard.close()
    assert not wizard.isVisible()
    assert not wizard.desk.feed.running
    assert list((tmp_path / "drafts").glob("*/captures/*.h5"))


def test_no_page_is_wider_than_a_small_screen(make_wizard: MakeWizard) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    wizard.resize(1000, 700)
    for page in wizard.pages:
        operator.go_to(page)
        room = wizard.width() - wizard.steps.width()
        assert page.minimumSizeHint().width() <= room, (page.name, page.minimumSizeHint().width(), room)
        assert page.minimumSizeHint().height() <= wizard.height() - 90, page.name
