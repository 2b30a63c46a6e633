"""The window over a real session and fake hardware: what an operator does, and what he then sees."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import BANDS, FakeSource, small_calibration
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from livecassi.app import session as session_module
from livecassi.app.opening import SourceKind, SourceRequest
from livecassi.app.pictures import View
from livecassi.app.recording import Recording
from livecassi.app.session import Session, SessionState
from livecassi.app.windows.main_window import MainWindow
from livecassi.drivers import SourceNotFoundError, SourceSettings, StopSignal

SHAPE = small_calibration().measurement_shape
MakeWindow = Callable[..., MainWindow]


def shows_cube(window: MainWindow) -> bool:
    result = window.display.result
    return result is not None and result.cube is not None


def close(qtbot: QtBot, window: MainWindow) -> None:
    with qtbot.waitSignal(window.closed, timeout=10_000):
        window.close()


def step(qtbot: QtBot, window: MainWindow, source: FakeSource) -> None:
    """Let one frame through and wait until it is seen."""
    assert source.gate is not None
    before = window.pictures_shown
    source.gate.release()
    qtbot.waitUntil(lambda: window.pictures_shown > before)


def test_raw_frames_first_then_cubes(qtbot: QtBot, make_window: MakeWindow, workshop) -> None:
    window = make_window(engine_name="slow")
    qtbot.waitUntil(lambda: "Preparing slow" in window.display.image.notice)
    assert window.display.image.pixels.shape == SHAPE
    assert window.status.engine.text == "preparing slow…"
    workshop.gate.set()
    qtbot.waitUntil(lambda: shows_cube(window) and window.status.engine.text == "slow")
    qtbot.waitUntil(lambda: window.display.image.notice == "")
    assert window.display.image.pixels.shape == (SHAPE[0], SHAPE[1] - 2 * (BANDS - 1), 3)
    assert window.cubes_shown > 0
    assert window.errors_told == 0


def test_the_band_slider_snaps_to_bands_and_keys_step(qtbot: QtBot, make_window: MakeWindow) -> None:
    source = FakeSource(SHAPE, gated=True)
    window = make_window(source)
    qtbot.waitUntil(lambda: not window.session.stats().building)
    step(qtbot, window, source)
    step(qtbot, window, source)
    window.display.bands.slider.setValue(1)
    assert window.display.bands.text == "500.0 nm"
    assert window.display.view is View.BAND
    cube = window.display.result.cube
    np.testing.assert_array_equal(window.display.image.pixels, cube.values[1])
    window.display.image.setFocus()
    qtbot.keyClick(window, Qt.Key.Key_Right)
    assert window.display.bands.band == 2
    np.testing.assert_array_equal(window.display.image.pixels, cube.values[2])
    for _ in range(9):
        qtbot.keyClick(window, Qt.Key.Key_Right)
    assert window.display.bands.text == "650.0 nm"
    qtbot.keyClick(window, Qt.Key.Key_3)
    np.testing.assert_array_equal(window.display.image.pixels, window.display.result.frame.pixels)
    qtbot.keyClick(window, Qt.Key.Key_1)
    assert window.display.view is View.COLOUR


def test_typing_a_number_is_no_shortcut_and_settings_go_out_after_enter(qtbot: QtBot, make_window: MakeWindow) -> None:
    source = FakeSource(SHAPE)
    window = make_window(source)
    qtbot.waitUntil(lambda: shows_cube(window))
    box = window.source.exposure
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "2.5")
    assert source.settings.exposure_us == 1000.0
    assert window.display.view is View.COLOUR
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert source.settings == SourceSettings(2500.0, 0.0, 100.0)
    window.source.gain.setValue(6.0)
    assert source.settings.gain_db == 6.0


def test_after_enter_digits_are_shortcuts_again_and_a_comma_is_a_point(qtbot: QtBot, make_window: MakeWindow) -> None:
    source = FakeSource(SHAPE)
    window = make_window(source)
    window.activateWindow()
    qtbot.waitUntil(lambda: shows_cube(window) and window.isActiveWindow())
    box = window.source.exposure
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "0,5")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert source.settings.exposure_us == 500.0
    assert not box.hasFocus()
    qtbot.keyClick(window, Qt.Key.Key_2)
    assert window.display.view is View.BAND
    assert source.settings.exposure_us == 500.0


def test_a_file_has_no_exposure_and_says_why(qtbot: QtBot, make_window: MakeWindow) -> None:
    window = make_window(FakeSource(SHAPE, count=1000, is_file=True))
    assert not window.source.exposure.isEnabled()
    assert "no exposure to set" in window.source.exposure.toolTip()
    assert not window.source.gain.isEnabled()


def test_pins_show_the_numbers_of_the_cube(qtbot: QtBot, make_window: MakeWindow) -> None:
    source = FakeSource(SHAPE, gated=True)
    window = make_window(source)
    qtbot.waitUntil(lambda: not window.session.stats().building)
    for _ in range(4):
        step(qtbot, window, source)
    display = window.display
    display.image.clicked.emit(5, 7)
    display.image.clicked.emit(20, 3)
    cube = display.result.cube
    wavelengths, values = display.plot.curve(1)
    np.testing.assert_array_equal(wavelengths, cube.wavelengths_nm)
    np.testing.assert_array_equal(values, cube.values[:, 5, 7])
    display.pins.choose_window(3)
    np.testing.assert_allclose(display.plot.curve(2)[1], cube.values[:, 19:22, 2:5].mean(axis=(1, 2)), rtol=1e-6)
    display.pins.choose_window(1)
    display.image.pin_moved.emit(1, 6, 8)
    np.testing.assert_array_equal(display.plot.curve(1)[1], cube.values[:, 6, 8])
    before = display.plot.curve(2)[1].copy()
    step(qtbot, window, source)
    np.testing.assert_array_equal(display.plot.curve(2)[1], display.result.cube.values[:, 20, 3])
    assert not np.array_equal(display.plot.curve(2)[1], before)
    display.image.pin_removed.emit(1)
    assert display.plot.curve_numbers == [2]
    display.clear_pins()
    assert display.plot.curve_numbers == []


def test_pause_freezes_the_picture_and_play_goes_on(qtbot: QtBot, make_window: MakeWindow) -> None:
    source = FakeSource(SHAPE, gated=True)
    window = make_window(source)
    qtbot.waitUntil(lambda: not window.session.stats().building)
    step(qtbot, window, source)
    qtbot.keyClick(window, Qt.Key.Key_Space)
    assert window.session.stats().state is SessionState.PAUSED
    assert source.gate is not None
    shown, frames = window.pictures_shown, window.session.stats().frames
    source.gate.release(3)
    qtbot.waitUntil(lambda: window.session.stats().frames == frames + 3)
    qtbot.wait(120)
    assert window.pictures_shown == shown
    window.display.choose_view(View.RAW)
    np.testing.assert_array_equal(window.display.image.pixels, window.display.result.frame.pixels)
    window.toggle_play()
    step(qtbot, window, source)
    assert window.display.result.frame.index == frames + 3


def test_the_newest_frame_is_shown_and_older_ones_are_not(qtbot: QtBot, make_window: MakeWindow, workshop) -> None:
    source = FakeSource(SHAPE, gated=True)
    window = make_window(source)
    qtbot.waitUntil(lambda: not window.session.stats().building)
    step(qtbot, window, source)
    shown = window.pictures_shown
    assert source.gate is not None
    engine = workshop.built["fake"]
    source.gate.release(9)
    deadline = time.monotonic() + 10  # no events meanwhile: the window is busy
    while engine.seen[-1:] != [9]:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    qtbot.waitUntil(lambda: window.display.result.frame.index == 9)
    assert window.pictures_shown == shown + 1


def test_record_makes_a_folder_that_can_be_read(qtbot: QtBot, make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window()
    qtbot.waitUntil(lambda: shows_cube(window))
    qtbot.keyClick(window, Qt.Key.Key_R)
    assert window.recording.button.isChecked()
    qtbot.waitUntil(lambda: (stats := window.session.stats().recorder) is not None and stats.frames_written > 5)
    qtbot.waitUntil(lambda: "Stop" in window.recording.button.text() and window.status.queue.isVisible())
    qtbot.keyClick(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: not window.record_control.recording)
    assert "Record" in window.recording.button.text()
    folder = window.record_control.last_folder
    assert folder is not None
    assert folder.parent == tmp_path / "recordings"
    with Recording(folder) as recording:
        indices = [frame.index for frame in recording.frames()]
    assert len(indices) > 5
    assert indices == list(range(indices[0], indices[0] + len(indices)))


def test_a_destination_that_cannot_be_made_is_one_message(
    qtbot: QtBot, make_window: MakeWindow, tmp_path: Path
) -> None:
    window = make_window()
    (tmp_path / "file").write_text("")
    window.recording.destination = tmp_path / "file" / "recordings"
    window.record_control.toggle()
    assert "choose another" in window.errors.message
    assert not window.record_control.recording
    assert not window.recording.button.isChecked()


def test_another_engine_takes_over_and_unavailable_ones_say_why(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    window = make_window()
    qtbot.waitUntil(lambda: window.status.engine.text == "fake")
    combo = window.engines.combo
    for name, reason in (("absent", "no graphics card"), ("dual", "made for dd-cassi")):
        index = combo.findData(name)
        assert not combo.model().item(index).isEnabled()
        assert reason in combo.itemData(index, Qt.ItemDataRole.ToolTipRole)
    combo.activated.emit(combo.findData("other"))
    qtbot.waitUntil(lambda: window.status.engine.text == "other")
    qtbot.waitUntil(lambda: window.display.result.cube is not None and window.display.result.cube.engine == "other")
    assert workshop.built["fake"].exited == 1
    window.choose_engine("absent")
    qtbot.waitUntil(lambda: "no graphics card was found" in window.errors.message)
    assert window.session.stats().engine == "other"
    assert not window.errors.remedy.isVisible()


def test_an_engine_that_breaks_leaves_raw_frames_and_can_be_started_again(
    qtbot: QtBot, make_window: MakeWindow, workshop
) -> None:
    source = FakeSource(SHAPE, gated=True)
    window = make_window(source)
    qtbot.waitUntil(lambda: not window.session.stats().building)
    step(qtbot, window, source)
    first = workshop.built["fake"]
    first.fail_at = 1
    assert source.gate is not None
    source.gate.release()
    qtbot.waitUntil(lambda: window.errors.isVisible())
    step(qtbot, window, source)
    qtbot.waitUntil(lambda: "raw coded frame" in window.display.image.notice)
    assert window.errors.title == "Unexpected error: a defect of livecassi"
    assert "the fake engine broke" in window.errors.message.lower()
    assert window.display.image.pixels.shape == SHAPE
    qtbot.mouseClick(window.errors.remedy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.session.stats().building)
    step(qtbot, window, source)
    assert shows_cube(window)
    assert workshop.built["fake"] is not first


def test_an_unplugged_camera_is_told_with_its_recording_and_can_be_reconnected(
    qtbot: QtBot, make_window: MakeWindow
) -> None:
    source = FakeSource(SHAPE, gated=True, lose_at=4)
    window = make_window(source)
    assert source.gate is not None
    step(qtbot, window, source)
    window.record_control.start()
    source.gate.release(9)
    qtbot.waitUntil(lambda: window.errors.isVisible())
    assert window.errors.title == "The camera is gone"
    assert "plug it in" in window.errors.message
    folder = window.record_control.last_folder
    assert folder is not None
    assert str(folder) in window.errors.message
    qtbot.waitUntil(lambda: not window.record_control.recording)
    with Recording(folder) as recording:
        assert len(recording) == 3
    assert "failed" in window.display.image.notice
    source.lose_at, source.gate = None, None
    qtbot.mouseClick(window.errors.remedy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.session.stats().state is SessionState.RUNNING and shows_cube(window))
    assert not window.errors.isVisible()


def test_a_file_that_ends_says_so_and_plays_again(qtbot: QtBot, make_window: MakeWindow) -> None:
    window = make_window(FakeSource(SHAPE, count=6, is_file=True))
    qtbot.waitUntil(lambda: "The file has ended" in window.display.image.notice)
    window.record_control.start()
    assert "no frames are coming" in window.errors.message
    assert not window.record_control.recording
    frames = window.session.stats().frames
    window.toggle_play()
    qtbot.waitUntil(lambda: window.session.stats().frames > frames)


def test_a_saturated_raw_frame_is_said_loudly(qtbot: QtBot, make_window: MakeWindow) -> None:
    class Bright(FakeSource):
        def frame(self, index: int):
            frame = super().frame(index)
            frame.pixels.flags.writeable = True
            frame.pixels[:6] = 4095
            return frame

    window = make_window(Bright(SHAPE))
    qtbot.waitUntil(lambda: window.display.bar.saturation_text == "SATURATED 25.0 %")
    assert window.display.image.saturation_shown
    window.display.bar.overlay.click()
    assert not window.display.image.saturation_shown


def test_open_replaces_the_session_and_a_refusal_leaves_it(
    qtbot: QtBot, make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[SourceRequest] = []
    second = FakeSource(SHAPE)

    def open_session(request: SourceRequest) -> Session:
        opened.append(request)
        if len(opened) == 1:
            raise SourceNotFoundError("there is no such file; choose another")
        return Session(second, small_calibration())

    first = FakeSource(SHAPE)
    window = make_window(first, open_session=open_session)
    qtbot.waitUntil(lambda: shows_cube(window))
    monkeypatch.setattr(
        "livecassi.app.windows.source_dialogs.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path)
    )
    menu = {action.text(): action for action in window.menuBar().actions()[0].menu().actions()}
    menu["Open &recording…"].trigger()
    qtbot.waitUntil(lambda: "no such file" in window.errors.message)
    assert first.running
    qtbot.mouseClick(window.errors.remedy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.session.source is second and shows_cube(window))
    assert not first.running
    assert opened[1] == SourceRequest(SourceKind.FILE, path=tmp_path)
    assert menu["Open &calibration for this source…"].isEnabled()


def test_closing_finishes_the_recording(qtbot: QtBot, make_window: MakeWindow) -> None:
    source = FakeSource(SHAPE)
    window = make_window(source)
    window.record_control.start()
    qtbot.waitUntil(lambda: (stats := window.session.stats().recorder) is not None and stats.frames_written > 3)
    close(qtbot, window)
    assert not source.running
    assert window.record_control.last_folder is not None
    with Recording(window.record_control.last_folder) as recording:
        assert len(recording) > 3
        assert recording.describe().complete


def test_closing_does_not_hang_on_a_source_that_blocks(
    qtbot: QtBot, make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(FakeSource):
        freed = threading.Event()

        def frames(self, stop: StopSignal):
            yield self.frame(0)
            self.freed.wait(20)  # deaf to stop, as a vendor's library may be

    monkeypatch.setattr(session_module, "JOIN_TIMEOUT_S", 0.2)
    source = Stuck(SHAPE)
    window = make_window(source)
    qtbot.waitUntil(lambda: window.pictures_shown > 0)
    started = time.monotonic()
    close(qtbot, window)
    assert time.monotonic() - started < 3.0
    source.freed.set()


def test_the_layout_is_kept_in_the_settings_given_and_nowhere_else(
    qtbot: QtBot, make_window: MakeWindow, tmp_path: Path
) -> None:
    path = str(tmp_path / "layout.ini")
    window = make_window(settings=QSettings(path, QSettings.Format.IniFormat))
    window.display.pins.choose_window(5)
    window.log_dock.show()
    close(qtbot, window)
    again = make_window(settings=QSettings(path, QSettings.Format.IniFormat))
    assert again.display.pins.window_size == 5
    assert again.log_dock.isVisible()


def test_the_report_that_is_copied_holds_error_counters_and_log(qtbot: QtBot, make_window: MakeWindow) -> None:
    source = FakeSource(SHAPE, lose_at=2)
    window = make_window(source)
    qtbot.waitUntil(lambda: window.errors.isVisible())
    qtbot.mouseClick(window.errors.copy, Qt.MouseButton.LeftButton)
    text = QApplication.clipboard().text()
    for part in ("SourceLostError: the fake camera was unplugged", "pyqtgraph: ", "frames: 2", "title: fake camera"):
        assert part in text
    assert "unplugged" in text.split("log lines")[1]
    window.log_dock.refresh()
    assert "unplugged" in window.log_dock.text


def test_a_recording_that_the_disk_refuses_is_closed_and_named(
    qtbot: QtBot, make_window: MakeWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = make_window()
    qtbot.waitUntil(lambda: shows_cube(window))
    window.record_control.start()
    qtbot.waitUntil(lambda: (stats := window.session.stats().recorder) is not None and stats.frames_written > 2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("livecassi.app.recording.writer.RecordingWriter.write_frame", full)
    qtbot.waitUntil(lambda: window.errors.isVisible() and not window.record_control.recording)
    assert window.errors.title == "The recording has a problem"
    assert str(window.record_control.last_folder) in window.errors.message
    assert window.session.stats().state is SessionState.RUNNING
