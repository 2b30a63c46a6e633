"""The window with an engine that renders by itself: its picture and spectra appear, and it is told what is wanted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import FakeFrameEngine, FakeSource, small_calibration
from pytestqt.qtbot import QtBot

from livecassi.app.pictures import View
from livecassi.app.result import Result
from livecassi.app.windows.main_window import MainWindow
from livecassi.app.windows.screen import Screen
from livecassi.calibration import Calibration, Corrector
from livecassi.engines import Cube
from livecassi.engines.frame_engine import Seen

SHAPE = small_calibration().measurement_shape


@pytest.fixture
def engines(workshop: Any) -> list[FakeFrameEngine]:
    """The engines `frames` that were built."""
    built: list[FakeFrameEngine] = []

    def build(calibration: Calibration, _options: object) -> FakeFrameEngine:
        built.append(FakeFrameEngine(calibration))
        return built[-1]

    workshop.specs["frames"] = replace(workshop.specs["fake"], name="frames", title="Raw frames", build=build)
    return built


def index_seen(window: MainWindow) -> int | None:
    """The frame whose picture, made by the engine, is on the screen."""
    pixels = window.display.image.pixels
    if pixels is None or pixels.ndim != 3 or not (pixels[..., 2] == 7).all():
        return None
    return int(pixels[0, 0, 0])


def test_pictures_and_spectra_of_the_engine_are_shown(
    qtbot: QtBot, make_window: Any, engines: list[FakeFrameEngine]
) -> None:
    window = make_window(FakeSource(SHAPE, interval_s=0.01), engine_name="frames")
    display = window.display
    qtbot.waitUntil(lambda: index_seen(window) is not None)
    assert isinstance(display.seen, Seen)
    display.add_pin(5, 6)
    qtbot.waitUntil(lambda: 1 in display.plot.curve_numbers and display.plot.curve(1)[1].min() > 99)
    first = index_seen(window)
    qtbot.waitUntil(lambda: index_seen(window) not in (None, first))
    assert display.result.frame.index - display.seen.frame_index <= 1
    engine = engines[0]
    assert all(wanted.picks == ((5, 6),) for _, wanted in engine.taken[-3:])
    assert not all(wanted.cubes for _, wanted in engine.taken), "every cube was fetched for a colour picture"
    assert window.errors_told == 0


def test_the_band_view_shows_the_band_of_every_frame(
    qtbot: QtBot, make_window: Any, engines: list[FakeFrameEngine]
) -> None:
    window = make_window(FakeSource(SHAPE, interval_s=0.01), engine_name="frames")
    display = window.display
    qtbot.waitUntil(lambda: index_seen(window) is not None)
    display.choose_view(View.BAND)
    qtbot.waitUntil(lambda: all(wanted.cubes for _, wanted in engines[0].taken[-5:]))
    qtbot.waitUntil(lambda: display.result.has_cube_of(display.result.frame))
    assert display.seen is display.result.cube
    np.testing.assert_array_equal(display.image.pixels, display.result.cube.values[display.bands.band])


def test_what_the_screen_wants(qtbot: QtBot) -> None:
    now = [10**9]
    calibration = small_calibration()
    screen = Screen(calibration, lambda: now[0])
    qtbot.addWidget(screen)
    assert screen.wanted.cubes, "nothing was shown yet"
    engine, source = FakeFrameEngine(calibration), FakeSource(SHAPE)

    def show(index: int, cube: Cube | None) -> Cube:
        frame = source.frame(index)
        (made,) = engine.reconstruct_frame(frame)
        screen.show_result(
            Result(frame, Corrector(calibration).inspect(frame).flags, cube or made.cube, 1.0, made.seen)
        )
        assert made.cube is not None
        return cube or made.cube

    cube = show(100, None)
    white = screen.wanted.white_level
    assert screen.wanted == replace(screen.wanted, cubes=False, picks=(), pick_size=screen.pins.window_size)
    assert white != 1.0, "levels of the first cube"
    now[0] += 150_000_000
    show(101, cube)
    assert not screen.wanted.cubes
    now[0] += 60_000_000
    show(102, cube)
    assert screen.wanted.cubes, "a cube in five a second"
    show(103, None)
    assert not screen.wanted.cubes
    screen.image.hovered.emit(3, 4)
    assert screen.wanted.cubes, "the pointer reads every cube"
    screen.image.left.emit()
    assert not screen.wanted.cubes
    screen.choose_view(View.BAND)
    assert screen.wanted.cubes
    screen.choose_view(View.COLOUR)
    screen.add_pin(2, 3)
    screen.add_pin(9, 1)
    assert screen.wanted.picks == ((2, 3), (9, 1))


def test_a_new_pin_shows_the_cube_until_the_engine_knows_it(qtbot: QtBot) -> None:
    calibration = small_calibration()
    screen = Screen(calibration)
    qtbot.addWidget(screen)
    engine, frame = FakeFrameEngine(calibration), FakeSource(SHAPE).frame(100)
    flags = Corrector(calibration).inspect(frame).flags
    (made,) = engine.reconstruct_frame(frame)
    assert made.cube is not None
    screen.show_result(Result(frame, flags, made.cube, 1.0, made.seen))
    screen.add_pin(2, 3)
    np.testing.assert_array_equal(screen.plot.curve(1)[1], made.cube.values[:, 2, 3])
    engine.want(replace(screen.wanted, cubes=False))
    (later,) = engine.reconstruct_frame(frame)
    screen.show_result(Result(frame, flags, made.cube, 1.0, later.seen))
    np.testing.assert_array_equal(screen.plot.curve(1)[1], made.cube.values[:, 2, 3] + 100)
