"""The mouse on picture and plot: pixels, pins, the band line, and the levels."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyqtgraph as pg
import pytest
from fakes import HEIGHT, WIDTH, FakeEngine, small_calibration
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from livecassi.app.pictures import View
from livecassi.app.result import Result
from livecassi.app.windows.screen import Screen
from livecassi.calibration import Corrector, MeasurementFlag
from livecassi.drivers import Frame


@pytest.fixture
def every_move_counts() -> Iterator[None]:
    """Moves of a mouse that is faster than a hand are not left out."""
    limit = pg.getConfigOption("mouseRateLimit")
    pg.setConfigOption("mouseRateLimit", -1)
    yield
    pg.setConfigOption("mouseRateLimit", limit)


@pytest.fixture
def screen(qtbot: QtBot) -> Screen:
    calibration = small_calibration()
    screen = Screen(calibration)
    qtbot.addWidget(screen)
    screen.resize(1100, 700)
    screen.show()
    qtbot.waitExposed(screen)
    pixels = np.random.default_rng(6).integers(10, 4000, calibration.measurement_shape, np.uint16)
    frame = Frame(pixels, 0, 0)
    measurement = Corrector(calibration).correct(frame)
    screen.show_result(Result(frame, measurement.flags, FakeEngine(calibration).reconstruct(measurement), 1.0))
    return screen


def drag(surface: QWidget, start: QPoint, end: QPoint) -> None:
    """Press, move and release as a mouse does; Qt's own test moves carry no buttons."""
    none, left = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
    moves = [(QEvent.Type.MouseMove, none, left, start + (end - start) * share) for share in (0.3, 0.6, 1.0)]
    for kind, button, held, place in (
        (QEvent.Type.MouseMove, none, none, start),
        (QEvent.Type.MouseButtonPress, left, left, start),
        *moves,
        (QEvent.Type.MouseButtonRelease, left, none, end),
    ):
        where = QPointF(place)
        event = QMouseEvent(
            kind, where, QPointF(surface.mapToGlobal(place)), button, held, Qt.KeyboardModifier.NoModifier
        )
        QApplication.sendEvent(surface, event)


def test_a_click_pins_the_pixel_under_the_pointer_and_a_right_click_removes_it(qtbot: QtBot, screen: Screen) -> None:
    image = screen.image
    for row, column in ((0, 0), (HEIGHT - 1, 2), (5, WIDTH - 1)):
        qtbot.mouseClick(image.surface, Qt.MouseButton.LeftButton, pos=image.place_of(row, column))
    assert [(p.row, p.column) for p in screen.picks] == [(0, 0), (HEIGHT - 1, 2), (5, WIDTH - 1)]
    qtbot.mouseClick(image.surface, Qt.MouseButton.LeftButton, pos=image.place_of(5, WIDTH + 3))
    assert len(screen.picks) == 3
    qtbot.mouseClick(image.surface, Qt.MouseButton.RightButton, pos=image.place_of(HEIGHT - 1, 2))
    assert [p.number for p in screen.picks] == [1, 3]


def test_a_ninth_pin_is_refused_with_a_hint(qtbot: QtBot, screen: Screen) -> None:
    for column in range(8):
        screen.add_pin(3, column)
    with qtbot.waitSignal(screen.told) as told:
        screen.add_pin(4, 4)
    assert "remove one first" in told.args[0]
    assert screen.plot.curve_numbers == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.usefixtures("every_move_counts")
def test_a_pin_can_be_dragged(screen: Screen) -> None:
    screen.add_pin(4, 4)
    drag(screen.image.surface, screen.image.place_of(4, 4), screen.image.place_of(15, 12))
    assert [(p.row, p.column) for p in screen.picks] == [(15, 12)]
    cube = screen.result.cube
    np.testing.assert_array_equal(screen.plot.curve(1)[1], cube.values[:, 15, 12])


@pytest.mark.usefixtures("every_move_counts")
def test_the_line_in_the_spectrum_chooses_the_band(screen: Screen) -> None:
    assert screen.bands.band == 2
    drag(screen.plot.surface, screen.plot.place_of(550), screen.plot.place_of(612))
    assert screen.bands.band == 3
    assert screen.view is View.BAND
    np.testing.assert_array_equal(screen.image.pixels, screen.result.cube.values[3])


def test_pins_of_the_scene_are_not_set_on_a_raw_frame_of_another_grid(qtbot: QtBot, screen: Screen) -> None:
    screen.choose_view(View.RAW)
    with qtbot.waitSignal(screen.told) as told:
        qtbot.mouseClick(screen.image.surface, Qt.MouseButton.LeftButton, pos=screen.image.place_of(3, 3))
    assert "belong to the scene" in told.args[0]
    assert len(screen.picks) == 0


def test_fixed_levels_stay_with_their_view(qtbot: QtBot, screen: Screen) -> None:
    screen.choose_view(View.BAND)
    screen.levels.auto.click()
    screen.levels.low.setValue(0.1)
    screen.levels.high.setValue(0.7)
    assert tuple(screen.picture.levels) == (0.1, 0.7)
    screen.choose_view(View.RAW)
    assert screen.levels.auto.isChecked()
    screen.choose_view(View.BAND)
    assert tuple(screen.picture.levels) == (0.1, 0.7)
    screen.levels.auto.click()
    assert tuple(screen.picture.levels) != (0.1, 0.7)


def test_the_correction_is_named_where_an_operator_should_know(screen: Screen) -> None:
    result, width = screen.result, screen.minimumSizeHint().width()
    for flags, words in (
        (MeasurementFlag.NONE, ""),
        (MeasurementFlag.NO_DARK, "no dark frame"),
        (MeasurementFlag.NO_DARK | MeasurementFlag.PEDESTAL_REMOVED, "pedestal removed"),
    ):
        screen.show_result(replace(result, flags=flags))
        assert screen.bar.correction_text == words
        assert screen.minimumSizeHint().width() == width  # a word more must not widen the window


def test_settings_unlike_those_of_the_dark_are_told_with_both_numbers(qtbot: QtBot) -> None:
    plain = small_calibration(dark=True)
    header = plain.header.model_copy(update={"exposure_us": 2500.0, "gain_db": 6.0, "temperature_c": 31.0})
    calibration = replace(plain, header=header)
    screen = Screen(calibration)
    qtbot.addWidget(screen)
    pixels = np.zeros(calibration.measurement_shape, np.uint16)
    for frame, words, hint in (
        (Frame(pixels, 0, 0, None, 2500.0, 6.0, 12, 32.0), "", ""),
        (Frame(pixels, 0, 0, None, 1000.0, 6.0, 12), "exposure 1 ms", "exposure 1 ms now, 2.5 ms when"),
        (Frame(pixels, 0, 0, None, 2500.0, 0.0, 12), "gain 0 dB", "gain 0 dB now, 6 dB when"),
        (Frame(pixels, 0, 0, None, 2500.0, 6.0, 12, 40.0), "sensor at 40.0 °C", "40.0 °C now, 31.0 °C when"),
        (Frame(pixels, 0, 0, None, 1000.0, 0.0, 12), "exposure 1 ms, gain 0 dB", "2.5 ms when it was calibrated; gain"),
    ):
        screen.show_result(Result(frame, Corrector(calibration).inspect(frame).flags, None, 0.0))
        assert screen.bar.correction_text == (f"not as calibrated: {words}" if words else "")
        assert hint in screen.bar.correction_hint


def test_another_source_leaves_nothing_of_the_old_picture(screen: Screen) -> None:
    assert screen.image.pixels is not None
    screen.set_calibration(small_calibration())
    assert screen.image.pixels is None
    assert (screen.bar.correction_text, screen.bar.saturation_text) == ("", "")


def test_a_frame_ahead_of_its_turn_is_read_in_the_raw_view_only(screen: Screen) -> None:
    result, place = screen.result, (3, 5)
    screen.show_frame(Frame(np.full(result.frame.shape, 1234, np.uint16), 9, 0))
    assert screen.seen is result.cube
    np.testing.assert_array_equal(screen.result.frame.pixels, result.frame.pixels)
    screen.choose_view(View.RAW)
    screen.image.hovered.emit(*place)
    assert screen.readout.endswith("raw 1234 DN")
    screen.show_frame(Frame(np.full(result.frame.shape, 777, np.uint16), 10, 0))
    assert screen.readout.endswith("raw 777 DN")
    np.testing.assert_array_equal(screen.image.pixels, 777)
    screen.show_result(result, screen.frame)
    np.testing.assert_array_equal(screen.image.pixels, 777)
    screen.set_calibration(small_calibration())
    screen.show_frame(Frame(np.full(result.frame.shape, 3, np.uint16), 11, 0))
    assert screen.image.pixels is None, "a frame alone does not belong to another source"


def test_a_late_cube_is_not_read_beside_the_raw_value_of_a_newer_frame(screen: Screen) -> None:
    result = screen.result
    pixels = np.full((HEIGHT, WIDTH), 1234, np.uint16)  # a grid like that of the scene, as behind a dual disperser
    place = (3, 5)
    for index, band_words, raw_words in (
        (0, ("at", "DN"), ("at", "DN")),
        (2, ("at",), ("DN",)),
    ):
        screen.show_result(replace(result, frame=Frame(pixels, index, 0)))
        for view, words in ((View.BAND, band_words), (View.RAW, raw_words)):
            screen.choose_view(view)
            screen.image.hovered.emit(*place)
            assert tuple(word for word in ("at", "DN") if word in screen.readout.split()) == words


def test_the_spread_can_be_looked_at_where_an_engine_tells_it(screen: Screen) -> None:
    plain = screen.result
    assert plain is not None
    assert plain.cube is not None
    buttons = {button.text(): button for button in screen.bar.findChildren(QPushButton)}
    assert not buttons["Spread"].isVisible()
    screen.choose_view(View.SPREAD)
    assert screen.image.pixels.ndim == 3, "colour stands for what is not there"
    spread = np.random.default_rng(3).random(plain.cube.values.shape, np.float32)
    screen.show_result(replace(plain, cube=replace(plain.cube, spread=spread)))
    assert buttons["Spread"].isVisible()
    assert buttons["Spread"].isChecked()
    np.testing.assert_allclose(screen.image.pixels, spread.mean(axis=0), rtol=1e-6)
    row, column = 3, 5
    screen.image.hovered.emit(row, column)
    assert f" ± {spread[screen.bands.band, row, column]:.4f} at " in screen.readout
    assert f"± {spread[:, row, column].mean():.4f} over all bands" in screen.readout, "what the picture shows"
    screen.choose_view(View.BAND)
    screen.image.hovered.emit(row, column)
    assert screen.readout.count("±") == 1
    screen.choose_view(View.SPREAD)
    screen.show_result(plain)
    assert not buttons["Spread"].isVisible()
    assert buttons["Colour"].isChecked()
