"""The versions of the calibration: what is shown of them, and going back to one from the window."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeSource, small_calibration
from measured_calibrations import CHECKS, measured_calibration
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.app.opening import SourceKind, SourceRequest
from livecassi.app.session import Session, SessionState
from livecassi.app.windows.main_window import MainWindow
from livecassi.app.windows.theme import AMBER
from livecassi.app.windows.version_table import IN_USE
from livecassi.app.windows.versions_dialog import VersionsDialog
from livecassi.app.windows.wizard.look import GREEN
from livecassi.calibration import Calibration, System
from livecassi.calibration.belongs import check_camera
from livecassi.calibration.store import load_calibration

MakeWindow = Callable[..., MainWindow]

FIRST = measured_calibration()


def version_of(calibration: Calibration, **changes: object) -> Calibration:
    return replace(calibration, header=calibration.header.model_copy(update=changes))


def second() -> Calibration:
    assert FIRST.header.record is not None
    assert FIRST.dark is not None
    record = FIRST.header.record.model_copy(update={"parent_id": FIRST.id, "overrides": (), "checks": CHECKS[:1]})
    changed = version_of(FIRST, created="2026-11-25T10:00:00+00:00", name="Bench 2, new lamp", record=record)
    return replace(changed, dark=FIRST.dark + 3)


SECOND = second()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv(CALIBRATIONS_VARIABLE, str(tmp_path / "calibrations"))
    return Library()


class Desk:
    """A dialog over a library, and the errors that it told."""

    def __init__(self, qtbot: QtBot, library: Library) -> None:
        self.told: list[Exception] = []
        self.dialog = VersionsDialog(library, self.told.append)
        self._qtbot = qtbot
        qtbot.addWidget(self.dialog)
        self.dialog.show()
        self.dialog.refresh()
        self.settle()

    def settle(self) -> None:
        """Wait until everything was read and drawn."""
        self._qtbot.waitUntil(lambda: not self.dialog.working, timeout=20_000)

    @property
    def differing(self) -> tuple[str, ...]:
        self.settle()
        return self.dialog.details.differences.lines


@pytest.fixture
def desk(qtbot: QtBot, library: Library) -> Iterator[Callable[[], Desk]]:
    made: list[Desk] = []

    def make() -> Desk:
        made.append(Desk(qtbot, library))
        return made[-1]

    yield make
    for one in made:
        one.settle()
        one.dialog.close()


def test_versions_stand_newest_first_with_verdict_parent_and_the_one_in_use(
    desk: Callable[[], Desk], library: Library
) -> None:
    library.save(SECOND)
    library.save(FIRST)
    table = desk().dialog.table
    newer, older = table.row_text(0), table.row_text(1)
    assert (newer[0], newer[1], newer[3], newer[4]) == ("Bench 2, new lamp", "", "passed", "SD-CASSI")
    assert newer[5:] == (SECOND.id[:8], FIRST.id[:8])
    assert (older[0], older[1], older[3], older[6]) == ("Bench 2", IN_USE, "warnings", "")
    assert (table.colour_of(0, "Verdict"), table.colour_of(1, "Verdict")) == (GREEN, AMBER)
    assert table.current_id == FIRST.id


def test_the_chosen_version_is_compared_with_the_one_in_use_or_any_other(
    desk: Callable[[], Desk], library: Library
) -> None:
    library.save(SECOND, activate=False)
    library.save(version_of(FIRST, exposure_us=5000.0, created="2026-11-22T10:00:00+00:00"), activate=False)
    library.save(FIRST)
    shown = desk()
    shown.dialog.table.choose(SECOND.id)
    assert [line.partition(":")[0] for line in shown.differing] == ["verdict ", "dark 3 DN, median of the changes"]
    assert "by Ada" in shown.dialog.details.facts
    assert f"child of Bench 2 · {FIRST.id[:8]}" in shown.dialog.details.facts
    other = next(version for version in library.versions() if version.id not in (FIRST.id, SECOND.id))
    shown.dialog.details.choose_other(other.id)
    assert any(line.startswith("exposure 5000 µs: 5000.0 µs → 10000.0 µs") for line in shown.differing)


def test_what_is_on_the_screen_is_told_and_can_be_compared_where_it_is_no_version(
    desk: Callable[[], Desk], library: Library
) -> None:
    library.save(FIRST)
    shown = desk()
    assert shown.differing == ("There is no other version to compare with.",)
    shown.dialog.show_screen(version_of(FIRST, name="its own", exposure_us=2000.0))
    assert [line.partition(":")[0] for line in shown.differing] == ["exposure 8000 µs"]
    assert "its own" in shown.dialog.on_screen.whole
    assert "none of these" in shown.dialog.on_screen.whole
    assert shown.dialog.use.isEnabled()
    shown.dialog.show_screen(FIRST)
    shown.settle()
    assert shown.dialog.on_screen.whole == ""
    assert not shown.dialog.use.isEnabled()


def test_an_empty_library_says_how_to_fill_it(qtbot: QtBot, desk: Callable[[], Desk], library: Library) -> None:
    dialog = desk().dialog
    assert dialog.calibrate.isVisible()
    assert str(library.folder) in dialog.empty_folder.text()
    assert not dialog.use.isVisible()
    with qtbot.waitSignal(dialog.calibrate_pressed):
        dialog.calibrate.click()
    assert not dialog.isVisible()


def test_damaged_files_are_named_and_the_others_serve(desk: Callable[[], Desk], library: Library) -> None:
    library.save(FIRST)
    path = library.save(SECOND, activate=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    (library.folder / "broken.h5").write_bytes(b"nothing")
    shown = desk()
    assert shown.dialog.damaged.text() == "One file cannot be read: broken.h5"
    assert "cannot be read" in shown.dialog.damaged.toolTip()
    assert shown.dialog.table.rowCount() == 2
    path.write_bytes(content)  # after it was listed
    shown.dialog.table.choose(SECOND.id)
    assert shown.differing[0].startswith("These cannot be compared: ")
    shown.dialog.look.click()
    shown.settle()
    assert len(shown.told) == 1
    path.write_bytes(content[:3000])
    shown.dialog.refresh()
    shown.settle()
    assert shown.dialog.damaged.text() == f"2 files cannot be read: {path.name}, broken.h5"
    assert shown.dialog.table.current_id == FIRST.id


def test_report_figures_and_path(
    desk: Callable[[], Desk], library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = library.save(FIRST)
    shown = desk()
    monkeypatch.setattr(
        "livecassi.app.windows.versions_dialog.QFileDialog.getSaveFileName", lambda *_: (str(tmp_path / "bench"), "")
    )
    shown.dialog.report.click()
    shown.settle()
    assert (tmp_path / "bench.pdf").read_bytes().startswith(b"%PDF")
    assert str(tmp_path / "bench.pdf") in shown.dialog.status.whole
    shown.dialog.look.click()
    shown.settle()
    figures = shown.dialog.papers.figures
    assert figures is not None
    names = [figures.tabs.tabText(tab) for tab in range(figures.tabs.count())]
    assert names == ["Mask", "Dispersion", "Response", "Residuals", "Dark", "Flat"]
    image = figures.tabs.widget(0).grab().toImage()
    seen = {image.pixelColor(x, image.height() // 2).lightness() for x in range(0, image.width(), 5)}
    assert min(seen) < 60  # the mask's dark parts, on white
    assert max(seen) == 255
    shown.dialog.copy_path.click()
    assert QApplication.clipboard().text() == str(path)
    shown.dialog.close()
    assert not figures.isVisible()


# ---- from the window -------------------------------------------------------------------------------------------------


def of_small_bench(name: str, created: str, serial: str = "F-1") -> Calibration:
    return version_of(small_calibration(), name=name, created=created, camera_serial=serial)


OLDER = of_small_bench("older", "2026-11-20T10:00:00+00:00")
NEWER = of_small_bench("newer", "2026-11-25T10:00:00+00:00")
FOREIGN = of_small_bench("foreign", "2026-11-26T10:00:00+00:00", "G-2")


def opened_anew(request: SourceRequest) -> Session:
    assert request.calibration is not None
    calibration = load_calibration(request.calibration)
    source = FakeSource(calibration.measurement_shape)
    check_camera(calibration, source.info)
    return Session(source, calibration)


@pytest.fixture
def bench(library: Library, make_window: MakeWindow, qtbot: QtBot) -> MainWindow:
    """A window over a bench whose library holds three versions; the newer is in use; the dialog is open."""
    for calibration in (OLDER, FOREIGN, NEWER):
        library.save(calibration)
    window = make_window(open_session=opened_anew, request=SourceRequest(SourceKind.PROTOTYPE))
    window.calibration.versions.click()
    dialog = window.versions_control.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: not dialog.working)
    return window


def use(window: MainWindow, calibration: Calibration) -> None:
    dialog = window.versions_control.dialog
    assert dialog is not None
    dialog.table.choose(calibration.id)
    dialog.use.click()


def in_use(library: Library) -> str:
    active = library.active()
    return active.name if active is not None else ""


def test_going_back_opens_the_source_with_that_version_and_marks_it(
    qtbot: QtBot, bench: MainWindow, library: Library
) -> None:
    use(bench, OLDER)
    qtbot.waitUntil(lambda: bench.session.calibration.id == OLDER.id)
    qtbot.waitUntil(lambda: in_use(library) == "older")
    dialog = bench.versions_control.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: dialog.use.text() == "In use" and not dialog.working)
    assert dialog.table.row_text(2)[:2] == ("older", IN_USE)
    assert bench.errors_told == 0


def test_a_refusal_is_told_and_leaves_the_one_in_use(qtbot: QtBot, bench: MainWindow, library: Library) -> None:
    before = bench.session
    use(bench, FOREIGN)
    qtbot.waitUntil(lambda: "calibrated was G-2" in bench.errors.message)
    assert bench.session is before
    assert in_use(library) == "newer"
    dialog = bench.versions_control.dialog
    assert dialog is not None
    assert dialog.status.whole == ""


def test_a_version_for_other_frames_does_not_cost_the_session_of_a_camera(
    qtbot: QtBot, make_window: MakeWindow, library: Library
) -> None:
    other = version_of(small_calibration(System.DD_CASSI), created="2026-11-27T10:00:00+00:00", name="dual")
    library.save(other)
    library.save(NEWER)

    def open_session(request: SourceRequest) -> Session:
        raise AssertionError("the camera must not be closed and opened again for this file")

    window = make_window(open_session=open_session, request=SourceRequest(SourceKind.CAMERA, serial="F-1"))
    window.versions_control.open()
    dialog = window.versions_control.dialog
    assert dialog is not None
    qtbot.waitUntil(lambda: not dialog.working)
    use(window, other)
    qtbot.waitUntil(lambda: "choose the calibration of this camera" in window.errors.message)
    assert window.session.stats().state is SessionState.RUNNING
    assert in_use(library) == "newer"


def test_a_recording_is_not_ended_for_another_version(qtbot: QtBot, bench: MainWindow, library: Library) -> None:
    bench.record_control.start()
    qtbot.waitUntil(lambda: bench.session.recording)
    use(bench, OLDER)
    assert "a recording is being made" in bench.errors.message.lower()
    assert bench.session.recording
    assert in_use(library) == "newer"


def test_the_menu_opens_the_same_dialog_and_a_new_version_appears_with_the_next_session(
    qtbot: QtBot, bench: MainWindow, library: Library
) -> None:
    dialog = bench.versions_control.dialog
    assert dialog is not None
    menu = {action.text(): action for action in bench.menuBar().actions()[0].menu().actions()}
    menu["&Versions of the calibration…"].trigger()
    assert bench.versions_control.dialog is dialog
    library.save(replace(NEWER, response=np.full_like(NEWER.response, 0.5)))
    bench.restart()
    qtbot.waitUntil(lambda: dialog.table.rowCount() == 4)


def test_the_window_closes_while_files_are_read(qtbot: QtBot, bench: MainWindow) -> None:
    dialog = bench.versions_control.dialog
    assert dialog is not None
    dialog.look.click()
    with qtbot.waitSignal(bench.closed, timeout=20_000):
        bench.close()
    assert not dialog.working
    assert not dialog.isVisible()
    assert dialog.papers.figures is None
