"""What is put on the screen: views, levels and the saturation overlay."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import BANDS, HEIGHT, WIDTH, FakeEngine, small_calibration

from livecassi.app.levels import AutoLevels, Levels, robust_levels
from livecassi.app.pictures import PictureMaker, View, saturated_pixels
from livecassi.app.result import Result
from livecassi.calibration import Calibration, Corrector, System
from livecassi.drivers import Frame
from livecassi.engines.frame_engine import Seen


def result_of(calibration: Calibration, *, cube: bool = True) -> Result:
    pixels = np.random.default_rng(2).integers(10, 4000, calibration.measurement_shape, np.uint16)
    frame = Frame(pixels, 0, 0)
    measurement = Corrector(calibration).correct(frame)
    return Result(frame, measurement.flags, FakeEngine(calibration).reconstruct(measurement) if cube else None, 1.0)


def test_each_view_shows_its_own_pixels() -> None:
    calibration = small_calibration()
    result, maker = result_of(calibration), PictureMaker(calibration)
    assert result.cube is not None
    band = maker.make(result.frame, result.cube, View.BAND, 3)
    np.testing.assert_array_equal(band.pixels, result.cube.values[3])
    raw = maker.make(result.frame, result.cube, View.RAW, 3)
    np.testing.assert_array_equal(raw.pixels, result.frame.pixels)
    colour = maker.make(result.frame, result.cube, View.COLOUR, 3)
    assert (colour.pixels.shape, colour.pixels.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert (band.is_scene, raw.is_scene, colour.is_scene) == (True, False, True)


def test_without_a_cube_every_view_is_the_raw_frame() -> None:
    calibration = small_calibration()
    result, maker = result_of(calibration, cube=False), PictureMaker(calibration)
    for view in View:
        np.testing.assert_array_equal(maker.make(result.frame, result.cube, view, 0).pixels, result.frame.pixels)


def test_the_spread_is_seen_as_its_mean_over_bands_and_as_colour_where_there_is_none() -> None:
    calibration = small_calibration()
    result, maker = result_of(calibration), PictureMaker(calibration)
    assert result.cube is not None
    spread = np.random.default_rng(1).random(result.cube.values.shape, np.float32)
    unsure = maker.make(result.frame, replace(result.cube, spread=spread), View.SPREAD, 2)
    np.testing.assert_allclose(unsure.pixels, spread.mean(axis=0), rtol=1e-6)
    assert unsure.is_scene
    plain = maker.make(result.frame, result.cube, View.SPREAD, 2)
    np.testing.assert_array_equal(plain.pixels, maker.make(result.frame, result.cube, View.COLOUR, 2).pixels)


def test_fixed_levels_hold_and_the_white_level_sets_the_brightness() -> None:
    calibration = small_calibration()
    result, maker = result_of(calibration), PictureMaker(calibration)
    maker.fixed[View.BAND] = Levels(0.25, 0.5)
    assert maker.make(result.frame, result.cube, View.BAND, 1).levels == Levels(0.25, 0.5)
    maker.fixed[View.COLOUR] = Levels(0.0, 1.0)
    dark = maker.make(result.frame, result.cube, View.COLOUR, 1).pixels.astype(float).mean()
    maker.fixed[View.COLOUR] = Levels(0.0, 0.3)
    assert maker.make(result.frame, result.cube, View.COLOUR, 1).pixels.astype(float).mean() > 1.2 * dark


def seen_as(white_level: float, index: int = 0) -> Seen:
    """What an engine rendered itself, here all grey."""
    return Seen(np.full((HEIGHT, WIDTH, 3), 77, np.uint8), white_level, {}, 1, index, 0)


def test_what_an_engine_has_seen_is_the_colour_picture_where_its_white_is_the_one_in_use() -> None:
    now = [0]
    result, maker = result_of(small_calibration()), PictureMaker(small_calibration(), AutoLevels(lambda: now[0]))
    assert result.cube is not None
    assert maker.white_level == 1.0
    first = maker.make(result.frame, result.cube, View.COLOUR, 0, seen_as(9.0))
    white = maker.white_level
    assert 0.5 < white < 2
    assert (first.levels.high, first.is_scene) == (white, True)
    assert not (first.pixels == 77).all(), "a picture with white far from the one in use was shown"
    later = maker.make(result.frame, result.cube, View.COLOUR, 0, seen_as(1.1 * white, 1))
    assert (later.pixels == 77).all()
    assert later.levels == Levels(0.0, 1.1 * white)
    assert (maker.make(result.frame, result.cube, View.BAND, 0, seen_as(white)).pixels != 77).any()
    np.testing.assert_array_equal(
        maker.make(result.frame, result.cube, View.RAW, 0, seen_as(white)).pixels, result.frame.pixels
    )
    maker.fixed[View.COLOUR] = Levels(0.0, 2 * white)
    assert maker.white_level == 2 * white
    assert (maker.make(result.frame, result.cube, View.COLOUR, 0, seen_as(1.9 * white)).pixels != 77).any()
    assert (maker.make(result.frame, result.cube, View.COLOUR, 0, seen_as(2 * white)).pixels == 77).all()


def test_levels_follow_each_cube_once_where_pictures_come_without() -> None:
    now = [0]
    result, maker = result_of(small_calibration()), PictureMaker(small_calibration(), AutoLevels(lambda: now[0]))
    assert result.cube is not None
    maker.make(result.frame, result.cube, View.COLOUR, 0, seen_as(1.0))
    first = maker.white_level
    brighter = replace(result.cube, values=result.cube.values * 2)
    now[0] += 300_000_000
    maker.make(result.frame, result.cube, View.COLOUR, 0, seen_as(1.0))
    maker.make(result.frame, brighter, View.COLOUR, 0, seen_as(1.0))
    assert first < maker.white_level < 2 * first


def test_robust_levels_ignore_outliers_and_nan_and_are_never_empty() -> None:
    picture = np.random.default_rng(4).random((90, 70), np.float32)
    picture[3, 4], picture[5, 6] = 1e6, np.nan
    low, high = robust_levels(picture)
    assert 0 <= low < 0.05
    assert 0.9 < high <= 1.0
    flat = robust_levels(np.full((4, 9), 7.0, np.float32))
    assert flat.low == 7.0 < flat.high
    assert robust_levels(np.full((4, 9), np.nan, np.float32)) == Levels(0.0, 1.0)


def test_automatic_levels_follow_calmly_and_jump_for_another_band() -> None:
    now = [0]
    auto = AutoLevels(lambda: now[0])
    assert auto.follow("a", lambda: Levels(0, 1)) == Levels(0, 1)
    now[0] += 100_000_000
    assert auto.follow("a", lambda: pytest.fail("too early to look again")) == Levels(0, 1)
    now[0] += 150_000_000
    high = auto.follow("a", lambda: Levels(0, 2)).high
    assert 1.0 < high < 1.6
    for _ in range(20):
        now[0] += 250_000_000
        high = auto.follow("a", lambda: Levels(0, 2)).high
    assert high == pytest.approx(2.0, abs=0.01)
    assert auto.follow("b", lambda: Levels(3, 9)) == Levels(3, 9)


def test_saturation_is_marked_where_the_light_of_a_band_meets_it() -> None:
    calibration = small_calibration()
    pixels = np.full(calibration.measurement_shape, 100, np.uint16)
    pixels[4, 11] = 4095
    frame = Frame(pixels, 0, 0)
    raw = saturated_pixels(frame, calibration, View.RAW, 0)
    assert raw is not None
    assert np.argwhere(raw).tolist() == [[4, 11]]
    for band in range(BANDS):
        marked = saturated_pixels(frame, calibration, View.BAND, band)
        assert marked is not None
        assert marked.shape == (HEIGHT, WIDTH)
        assert np.argwhere(marked).tolist() == [[4, 11 - 2 * band]]
    colour = saturated_pixels(frame, calibration, View.COLOUR, 0)
    assert colour is not None
    assert np.argwhere(colour)[:, 1].tolist() == [3, 5, 7, 9, 11]


def test_saturation_of_a_dual_disperser_lies_on_the_scene_and_none_is_none() -> None:
    calibration = small_calibration(System.DD_CASSI)
    pixels = np.full(calibration.measurement_shape, 100, np.uint16)
    assert saturated_pixels(Frame(pixels.copy(), 0, 0), calibration, View.BAND, 1) is None
    measured = Frame(np.ones(calibration.measurement_shape, np.float32), 0, 0, bit_depth=0)
    assert saturated_pixels(measured, calibration, View.BAND, 1) is None
    pixels[2, 3] = 4095
    marked = saturated_pixels(Frame(pixels, 0, 0), calibration, View.COLOUR, 1)
    assert marked is not None
    assert np.argwhere(marked).tolist() == [[2, 3]]
