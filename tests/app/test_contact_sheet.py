"""The contact sheet shows every band and the colours of the scene, and its file is written whole or not at all."""

import errno
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.app.contact_sheet import Pixel, contact_sheet, distinct_pixels, save_preview, tints
from livecassi.app.drawing import BACKGROUND, Axes, Box, PictureError, blank, save_png, ticks
from livecassi.drivers.opencv import cv2
from livecassi.engines import Cube

HEIGHT, WIDTH = 60, 48
NM = np.linspace(450, 650, 9).astype(np.float32)


def two_halves() -> NDArray[np.float32]:
    """Blue on the left, red on the right."""
    values = np.full((len(NM), HEIGHT, WIDTH), 0.02, np.float32)
    values[:3, :, : WIDTH // 2] = 0.9
    values[-3:, :, WIDTH // 2 :] = 0.7
    return values


def cube(values: NDArray[np.float32], nm: NDArray[np.float32] = NM) -> Cube:
    return Cube(values, nm, "c" * 64, "gap-tv", frame_index=4)


def test_shows_the_colours_of_the_scene() -> None:
    sheet = contact_sheet(cube(two_halves()), "two halves")
    assert sheet.dtype == np.uint8
    assert sheet.shape[1:] == (1600, 3)
    picture = sheet[76 : 76 + 600, 32 : 32 + 480].astype(int)  # the colour rendering keeps the scene's proportions
    red, green, blue = np.moveaxis(picture[200:240, 40:200], -1, 0).mean(axis=(1, 2))
    assert blue > red + 50
    assert blue > green + 50
    red, green, blue = np.moveaxis(picture[200:240, 280:440], -1, 0).mean(axis=(1, 2))
    assert red > blue + 50
    assert red > green + 50


def test_has_a_tile_for_every_band_on_one_scale() -> None:
    values = np.zeros((len(NM), HEIGHT, WIDTH), np.float32)
    for band in range(len(NM)):
        values[band] = (band + 1) / len(NM)
    sheet = contact_sheet(cube(values)).astype(int)
    grid = sheet[76 + 600 + 28 :]
    columns = 5
    tile = (1600 - 64 - (columns - 1) * 14) // columns
    high = round(tile * HEIGHT / WIDTH)
    shown = [
        grid[24 + row * (24 + high + 14) + high // 2, 32 + column * (tile + 14) + tile // 2].max()
        for row, column in (divmod(band, columns) for band in range(len(NM)))
    ]
    assert np.all(np.diff(shown) > 3)
    assert shown[-1] == 255
    empty = grid[24 + (24 + high + 14) + high // 2, 32 + 4 * (tile + 14) + tile // 2]  # nine bands in ten places
    assert tuple(empty) == BACKGROUND


@pytest.mark.parametrize("bands", [1, 2, 28, 31])
def test_takes_any_number_of_bands_and_dark_cubes(bands: int) -> None:
    nm = np.linspace(420, 680, bands).astype(np.float32)
    dark = contact_sheet(cube(np.zeros((bands, 21, 34), np.float32), nm))
    lit = contact_sheet(cube(np.ones((bands, 21, 34), np.float32), nm))
    assert dark.shape == lit.shape
    assert lit.mean() > dark.mean() + 20


def test_draws_what_is_not_a_number_as_dark() -> None:
    values = two_halves()
    values[:, 10:50, 4:20] = np.nan
    sheet = contact_sheet(cube(values)).astype(int)
    hole, beside = sheet[76 + 300, 32 + 120], sheet[76 + 300, 32 + 222]
    assert hole.max() == 0
    assert beside.max() > 100


def test_refuses_a_cube_that_does_not_fit_its_wavelengths() -> None:
    with pytest.raises(PictureError, match=r"\(9, 60, 48\) with \(8,\) wavelengths"):
        contact_sheet(cube(two_halves(), NM[1:]))


def test_picks_pixels_of_different_spectra() -> None:
    picked = distinct_pixels(two_halves(), 2)
    assert len(picked) == 2
    assert {pixel.column < WIDTH // 2 for pixel in picked} == {True, False}
    assert all(5 <= pixel.row < HEIGHT - 5 for pixel in picked)


def test_does_not_pick_noise_in_the_dark() -> None:
    values = (0.02 * np.random.default_rng(7).standard_normal((len(NM), 120, 90))).astype(np.float32)
    values[:4, 20:60, 20:70] += 0.5
    values[5:, 70:100, 20:70] += 0.4
    picked = distinct_pixels(values, 5)
    assert len(picked) == 5
    assert all(18 <= pixel.row < 102 and 18 <= pixel.column < 72 for pixel in picked)


def test_picks_one_pixel_of_an_even_scene_and_none_of_darkness() -> None:
    assert len(distinct_pixels(np.ones((3, 30, 41), np.float32), 5)) == 1
    assert distinct_pixels(np.zeros((3, 30, 41), np.float32), 5) == []
    assert distinct_pixels(np.ones((3, 1, 1), np.float32), 5) == [Pixel(0, 0)]


def test_tints_run_from_blue_over_green_to_red() -> None:
    blue, green, red = tints([460.0, 535.0, 640.0]).astype(int)
    assert blue.argmax() == 2
    assert green.argmax() == 1
    assert red.argmax() == 0


def test_ticks_are_round_and_within() -> None:
    assert ticks(0.0, 1.06, 6) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert ticks(448.0, 652.0, 9) == pytest.approx([450, 475, 500, 525, 550, 575, 600, 625, 650])
    assert len(ticks(-3e-7, 5e-7, 6)) <= 6


def test_axes_place_values_and_hold_what_is_beyond() -> None:
    axes = Axes(Box(10, 20, 100, 50), (400.0, 700.0), (0.0, 2.0))
    placed = axes.place(np.array([400.0, 550.0, 700.0]), np.array([0.0, 1.0, 9.0]))
    np.testing.assert_allclose(placed, [[10, 70], [60, 45], [110, 20]])


def test_a_saved_picture_reads_back(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (13, 17, 3), np.uint8)
    save_png(tmp_path / "a.png", picture)
    read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_COLOR)
    assert read is not None
    np.testing.assert_array_equal(read[..., ::-1], picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_preview_is_a_picture_of_the_cube(tmp_path: Path) -> None:
    save_preview(tmp_path / "sheet.png", cube(two_halves()), "a title")
    read = cv2.imread(str(tmp_path / "sheet.png"), cv2.IMREAD_COLOR)
    assert read is not None
    np.testing.assert_array_equal(read[..., ::-1], contact_sheet(cube(two_halves()), "a title"))


def test_a_full_disk_leaves_the_older_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_png(path, blank(4, 6))
    before = path.read_bytes()

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PictureError, match="No space left on device"):
        save_png(path, blank(5, 7))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_refuses_a_missing_folder_and_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="choose a folder that exists"):
        save_png(tmp_path / "nowhere" / "a.png", blank(4, 6))
    with pytest.raises(PictureError, match=r"\(4, 6, 2\)"):
        save_png(tmp_path / "a.png", np.zeros((4, 6, 2), np.uint8))
    with pytest.raises(PictureError, match="float32"):
        save_png(tmp_path / "a.png", np.zeros((4, 6), np.float32))  # type: ignore[arg-type]
