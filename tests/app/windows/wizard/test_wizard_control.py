"""The wizard from the main window: it takes the camera, and the live view comes back with the new calibration."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeSource, small_calibration
from pytestqt.qtbot import QtBot
from wizard_operator import Answers

from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.app.engine_list import engine_specs
from livecassi.app.opening import SourceKind, SourceRequest, open_session
from livecassi.app.session import Session, SessionState
from livecassi.app.windows.background import Background
from livecassi.app.windows.main_window import MainWindow
from livecassi.app.windows.wizard.control import BUSY
from livecassi.app.windows.wizard.wizard import CalibrationWizard
from livecassi.calibration import System
from livecassi.calibration.store import save_calibration
from livecassi.drivers import SourceSettings

REQUEST = SourceRequest(system=System.SD_CASSI, height=64, width=80, frame_rate_hz=100.0)


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    monkeypatch.setenv(CALIBRATIONS_VARIABLE, str(tmp_path / "calibrations"))
    shown = MainWindow(
        open_session(REQUEST),
        {"gap-tv": engine_specs()["gap-tv"]},
        engine_name="gap-tv",
        recordings_folder=tmp_path,
        open_session=open_session,
        request=REQUEST,
    )
    shown.show()
    yield shown
    if shown.isVisible():
        with qtbot.waitSignal(shown.closed, timeout=20_000):
            shown.close()
    shown.deleteLater()


def opened(qtbot: QtBot, window: MainWindow) -> CalibrationWizard:
    window.calibration.calibrate.click()
    qtbot.waitUntil(lambda: window.wizard_control.wizard is not None, timeout=20_000)
    wizard = window.wizard_control.wizard
    assert wizard is not None
    return wizard


def test_the_session_rests_while_the_wizard_has_the_camera(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.session.stats().frames > 0)
    wizard = opened(qtbot, window)
    assert wizard.isVisible()
    assert not wizard.isModal()
    assert window.session.stats().state is SessionState.IDLE
    qtbot.waitUntil(lambda: window.display.image.notice == BUSY)
    window.toggle_play()
    assert window.session.stats().state is SessionState.IDLE
    window.calibration.calibrate.click()
    assert window.wizard_control.wizard is wizard
    wizard.close()
    qtbot.waitUntil(lambda: window.session.stats().state is SessionState.RUNNING)
    assert window.wizard_control.wizard is None


def test_what_was_saved_drives_the_live_view(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    wizard = opened(qtbot, window)
    path = tmp_path / "new.h5"
    named = window.session.calibration
    header = named.header.model_copy(update={"name": "just measured", "exposure_us": 2500.0})
    save_calibration(type(named)(header, **named.arrays()), path)
    wizard.opens = path
    wizard.leave()
    qtbot.waitUntil(lambda: window.session.calibration.header.name == "just measured", timeout=20_000)
    qtbot.waitUntil(lambda: window.cubes_shown > 0, timeout=30_000)
    assert window.session.stats().settings.exposure_us == 2500.0  # as it was calibrated
    assert window.source.exposure.value() == 2.5
    assert window.errors_told == 0


def test_a_camera_is_left_as_it_was_found(qtbot: QtBot, window: MainWindow) -> None:
    window.session.configure(SourceSettings(exposure_us=4000.0))
    wizard = opened(qtbot, window)
    source = wizard.desk.rig.source
    source.configure(SourceSettings(exposure_us=90_000.0))  # as a capture does
    wizard.leave()
    assert source.configure(SourceSettings()).exposure_us == 4000.0


def test_three_wizards_leave_no_thread(qtbot: QtBot, window: MainWindow) -> None:
    names: list[set[str]] = []
    for _ in range(3):
        wizard = opened(qtbot, window)
        qtbot.waitUntil(lambda wizard=wizard: wizard.desk.feed.newest is not None)  # type: ignore[misc]
        wizard.close()
        qtbot.waitUntil(lambda: window.session.stats().state is SessionState.RUNNING)
        qtbot.waitUntil(lambda: not window.findChildren(Background) and window.wizard_control.wizard is None)
        names.append({thread.name for thread in threading.enumerate() if "feed" in thread.name})
    assert names == [set()] * 3


def test_closing_the_main_window_closes_the_wizard(qtbot: QtBot, window: MainWindow) -> None:
    feed = opened(qtbot, window).desk.feed
    assert feed.running
    with qtbot.waitSignal(window.closed, timeout=20_000):
        window.close()
    assert window.wizard_control.wizard is None
    assert not feed.running


def test_a_file_is_refused_in_words(qtbot: QtBot, tmp_path: Path, answers: Answers) -> None:
    calibration = small_calibration()
    session = Session(FakeSource(calibration.measurement_shape, count=500, is_file=True), calibration)
    window = MainWindow(
        session,
        {"gap-tv": engine_specs()["gap-tv"]},
        engine_name="gap-tv",
        recordings_folder=tmp_path,
        request=SourceRequest(SourceKind.FILE, path=tmp_path),
    )
    window.show()
    window.calibration.calibrate.click()
    assert window.wizard_control.wizard is None
    assert "needs a camera" in window.errors.message
    with qtbot.waitSignal(window.closed, timeout=20_000):
        window.close()
    window.deleteLater()
