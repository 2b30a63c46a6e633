"""Misfortunes: each is recognised and said in words, and nothing that was captured is lost."""

import errno
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from PySide6.QtWidgets import QWizard
from pytestqt.qtbot import QtBot
from wizard_operator import SHORT, Answers, Operator

from livecassi.app.calibrating import draft as draft_module
from livecassi.app.calibrating.feed import Feed
from livecassi.app.calibrating.rig import SimulatedRig
from livecassi.app.prototype import Prototype
from livecassi.app.windows.wizard.benches import Workbench, manual_bench
from livecassi.app.windows.wizard.look import PageState
from livecassi.app.windows.wizard.questions import Closing
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.capture import Capture
from livecassi.drivers import Frame, Source, SourceInfo, SourceLostError, SourceSettings, StopSignal

MakeWizard = Callable[..., Operator]


class Cable:
    """A source whose cable can be pulled, and which may send the same picture again and again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.pulled, self.stuck = Event(), Event()
        self.seen = 0

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    def configure(self, settings: SourceSettings) -> SourceSettings:
        return self._source.configure(settings)

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        last: Frame | None = None
        for frame in self._source.frames(stop):
            if self.pulled.is_set():
                raise SourceLostError("the camera does not answer any more; look at its cable")
            self.seen += 1
            shown = replace(frame, pixels=last.pixels) if self.stuck.is_set() and last is not None else frame
            last = shown
            yield shown


def bench_on(cable: Cable, prototype: Prototype) -> Workbench:
    feed = Feed(cable)
    return Workbench(SimulatedRig(prototype, feed.probe), feed)


def test_a_lost_camera_is_said_and_reconnected_without_losing_captures(
    qtbot: QtBot, make_wizard: MakeWizard, prototype: Prototype
) -> None:
    cable = Cable(prototype.source)
    operator = make_wizard(bench_on(cable, prototype))
    page = operator.wizard.dark_page
    operator.go_to(page)
    operator.press(page.bar.capture)
    operator.settled()
    kept = [capture.id for capture in page.captures]
    assert len(kept) == 1

    cable.pulled.set()
    qtbot.waitUntil(lambda: "does not answer" in page.trouble.text)
    assert "The capture taken so far is safe" in page.trouble.text
    assert page.trouble.remedy.text() == "Reconnect"
    assert "not connected" in page.live.image.notice
    assert not page.bar.capture.isEnabled()

    cable.pulled.clear()
    operator.press(page.trouble.remedy)
    qtbot.waitUntil(lambda: page.trouble.text == "")
    operator.press(page.bar.all)
    operator.settled()
    assert [capture.id for capture in page.captures][:1] == kept
    assert page.isComplete()


def test_a_camera_lost_within_a_series_keeps_what_came_before(
    qtbot: QtBot, make_wizard: MakeWizard, prototype: Prototype
) -> None:
    cable = Cable(prototype.source)
    operator = make_wizard(bench_on(cable, prototype))
    page = operator.wizard.dark_page
    operator.go_to(page)
    operator.press(page.bar.all)
    qtbot.waitUntil(lambda: operator.wizard.capturing.steps_done == 1)
    cable.pulled.set()
    operator.settled()
    assert "lost after" in page.trouble.text
    assert 1 <= len(page.captures) < 4
    assert all(operator.wizard.desk.judgement(capture.id) for capture in page.captures)


def test_frames_that_repeat_themselves_fail_and_can_be_deleted(make_wizard: MakeWizard, prototype: Prototype) -> None:
    cable = Cable(prototype.source)
    operator = make_wizard(bench_on(cable, prototype))
    page = operator.wizard.dark_page
    operator.go_to(page)
    cable.stuck.set()
    operator.press(page.bar.capture)
    operator.settled()
    assert page.state is not PageState.PASS
    assert any("twice" in problem for problem in page.problems), page.problems
    cable.stuck.clear()
    page.table.select(page.captures[0].id)
    operator.press(page.table.delete)
    operator.press(page.bar.all)
    operator.settled()
    assert page.state is PageState.PASS


def test_saturated_light_fails_with_its_number(make_wizard: MakeWizard, prototype: Prototype) -> None:
    prototype.set_state(BenchState(target=Target.WHITE, mask_in=False, level=9.0))
    operator = make_wizard(manual_bench(prototype.source))
    page = operator.wizard.white_page
    operator.go_to(page)
    operator.press(page.bar.capture)
    operator.settled()
    assert page.state in (PageState.FAIL, PageState.OPEN)
    saturated = next(check for check in page.checks() if "saturated" in check.name)
    assert saturated.value > 1
    assert saturated.limit == 0.01
    assert saturated.name in page.problems
    assert saturated.advice
    assert page.live.image.saturation_shown
    assert "saturated" in page.live.saturated.text()


def test_a_full_disk_keeps_the_capture_in_memory_until_there_is_room(
    make_wizard: MakeWizard, monkeypatch: pytest.MonkeyPatch, answers: Answers
) -> None:
    operator = make_wizard()
    wizard, page = operator.wizard, operator.wizard.dark_page
    operator.go_to(page)
    save = draft_module.save_capture

    def refuse(capture: Capture, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(draft_module, "save_capture", refuse)
    operator.press(page.bar.capture)
    operator.settled()
    assert "No space left on device" in page.trouble.text
    assert len(page.captures) == 1
    assert not list(wizard.desk.draft.folder.glob("captures/*.h5"))
    operator.press(page.trouble.remedy)
    assert "No space left on device" in page.trouble.text
    answers.at_the_end = Closing.STAY
    wizard.close()
    assert answers.asked[-1] == "closing with 1, 1 unwritten"
    answers.at_the_end = Closing.KEEP
    monkeypatch.setattr(draft_module, "save_capture", save)
    operator.press(page.trouble.remedy)
    assert page.trouble.text == ""
    assert len(list(wizard.desk.draft.folder.glob("captures/*.h5"))) == 1


def test_after_a_kill_the_draft_is_gone_on_with(make_wizard: MakeWizard, tmp_path: Path, answers: Answers) -> None:
    operator = make_wizard()
    operator.go_to(operator.wizard.dark_page)
    operator.press(operator.wizard.dark_page.bar.all)
    operator.settled()
    operator.go_on()
    operator.press(operator.wizard_button(QWizard.WizardButton.CustomButton1))
    taken = [capture.id for capture in operator.wizard.dark_page.captures]
    left = tmp_path / "after the kill"
    shutil.copytree(operator.wizard.desk.draft.folder, left / "draft")  # what the disk holds at this moment

    again = make_wizard(drafts=left)
    start = again.wizard.start_page
    assert start.drafts.count() == 1
    assert start.beginning.value == "Go on with a draft"
    assert "small bench" in start.drafts.item(0).text()
    assert f"{len(taken)} captures" in start.drafts.item(0).text()
    again.go_to(again.wizard.mask_page)
    assert [capture.id for capture in again.wizard.dark_page.captures] == taken
    assert again.wizard.white_page.state is PageState.OVERRIDDEN
    assert again.wizard.dark_page.state is PageState.PASS


def test_a_damaged_capture_is_named_and_the_rest_goes_on(make_wizard: MakeWizard, tmp_path: Path) -> None:
    operator = make_wizard()
    operator.go_to(operator.wizard.dark_page)
    operator.press(operator.wizard.dark_page.bar.all)
    operator.settled()
    left = tmp_path / "left"
    shutil.copytree(operator.wizard.desk.draft.folder, left / "draft")
    broken = next((left / "draft").glob("captures/*.h5"))
    broken.write_bytes(broken.read_bytes()[:2000])
    again = make_wizard(drafts=left)
    again.go_to(again.wizard.camera_page)
    assert "take these again: dark" in again.wizard.desk.trouble.text
    assert len(again.wizard.dark_page.captures) == 3
    assert len(again.wizard.dark_page.missing) == 1


@pytest.mark.parametrize("choice", list(Closing))
def test_closing_asks_what_becomes_of_the_draft(make_wizard: MakeWizard, answers: Answers, choice: Closing) -> None:
    operator = make_wizard()
    wizard = operator.wizard
    operator.go_to(wizard.dark_page)
    operator.press(wizard.dark_page.bar.capture)
    operator.settled()
    folder, feed = wizard.desk.draft.folder, wizard.desk.feed
    answers.at_the_end = choice
    wizard.close()
    assert answers.asked[-1] == "closing with 1"
    assert wizard.isVisible() is (choice is Closing.STAY)
    assert feed.running is (choice is Closing.STAY)
    assert folder.exists() is (choice is not Closing.DISCARD)
    answers.at_the_end = Closing.KEEP


def test_closing_within_a_capture_leaves_no_thread(make_wizard: MakeWizard, prototype: Prototype) -> None:
    template = SHORT.model_copy(update={"dark": SHORT.dark.model_copy(update={"frames": 5000})})
    operator = make_wizard(template=template)
    operator.go_to(operator.wizard.dark_page)
    operator.press(operator.wizard.dark_page.bar.capture)
    operator.qtbot.waitUntil(lambda: operator.wizard.capturing.frames_done > 0)
    operator.wizard.close()
    assert not operator.wizard.isVisible()
    assert not operator.wizard.desk.feed.running


def test_stopping_a_capture_is_no_trouble(make_wizard: MakeWizard) -> None:
    template = SHORT.model_copy(update={"dark": SHORT.dark.model_copy(update={"frames": 5000})})
    operator = make_wizard(template=template)
    wizard, page = operator.wizard, operator.wizard.dark_page
    operator.go_to(page)
    operator.press(page.bar.capture)
    operator.qtbot.waitUntil(lambda: wizard.capturing.frames_done > 0)
    operator.press(page.bar.stop)
    operator.settled()
    assert page.captures == []
    assert wizard.desk.trouble is None
    assert page.bar.capture.isEnabled()


def test_the_camera_may_vanish_on_every_page(qtbot: QtBot, make_wizard: MakeWizard, prototype: Prototype) -> None:
    cable = Cable(prototype.source)
    operator = make_wizard(bench_on(cable, prototype))
    wizard = operator.wizard
    for page in wizard.pages:
        operator.go_to(page)
        qtbot.waitUntil(lambda: wizard.desk.feed.newest is not None and not wizard.capturing.busy)
        cable.pulled.set()
        qtbot.waitUntil(lambda page=page: "does not answer" in page.trouble.text)  # type: ignore[misc]
        assert page.trouble.isVisible()
        cable.pulled.clear()
        operator.press(page.trouble.remedy)
        qtbot.waitUntil(lambda page=page: page.trouble.text == "")  # type: ignore[misc]
        assert wizard.desk.feed.running
    assert len(wizard.pages) == 9
