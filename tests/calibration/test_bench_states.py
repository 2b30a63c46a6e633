from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from livecassi.calibration import System
from livecassi.calibration.bench import Bench, BenchDesign, BenchState, Spectrum, Target
from livecassi.calibration.bench.chessboard import SQUARES
from livecassi.calibration.bench.mask import ApertureDesign
from livecassi.calibration.bench.scene import CHART, OTHERS
from livecassi.calibration.capture import Line
from livecassi.drivers.opencv import cv2

HEIGHT, WIDTH = 96, 141
GRID = np.linspace(380, 780, 41)
SOFT = ApertureDesign(blur_px=0.8)  # whose picture can be moved by interpolation
CLEAN = BenchDesign(stray_share=0.0, vignetting=0.0, aperture=SOFT, efficiency_bends_lines=False)
BOTH = (System.SD_CASSI, System.DD_CASSI)


@cache
def bench(system: System, design: BenchDesign | None = None) -> Bench:
    spectra = {name: Spectrum(GRID, 0.3 + 0.4 * np.sin(GRID / 50 + i) ** 2) for i, name in enumerate((*CHART, *OTHERS))}
    return Bench(system, HEIGHT, WIDTH, spectra, Spectrum(GRID, 60 + 40 * np.sin(GRID / 60)), 0, design)


def white(**state: object) -> BenchState:
    return BenchState(Target.WHITE, **state)  # type: ignore[arg-type]


def displacement(reference: NDArray[np.float32], picture: NDArray[np.float32], margin: int = 8) -> NDArray[np.float64]:
    """By how much (x, y) the picture lies beside the reference: least squares on its interpolation."""
    y, x = np.mgrid[margin : picture.shape[0] - margin, margin : picture.shape[1] - margin].astype(float)
    found, wanted = np.zeros(2), picture[margin:-margin, margin:-margin].ravel()
    for _ in range(15):
        moved = map_coordinates(reference, [y - found[1], x - found[0]], order=5)
        down, right = np.gradient(moved)
        columns = np.stack([-right.ravel(), -down.ravel(), moved.ravel(), np.ones(moved.size)], axis=1)
        solution = np.linalg.lstsq(columns, wanted)[0]
        found += solution[:2] / solution[2]
    return found


def first_line(made: Bench) -> Line:
    return Line(float(made.wavelengths_nm[0]))


def test_no_state_is_the_usual_state() -> None:
    made = bench(System.DD_CASSI)
    assert np.array_equal(made.irradiance(0.7), made.irradiance(0.7, BenchState()))


@pytest.mark.parametrize("system", list(System))
def test_under_the_cap_it_is_dark_and_the_level_scales_the_light(system: System) -> None:
    made = bench(system)
    assert not made.irradiance(0.2, white(cap_on=True)).any()
    np.testing.assert_allclose(made.irradiance(0.2, BenchState(level=0.3)), 0.3 * made.irradiance(0.2), rtol=1e-5)
    np.testing.assert_allclose(made.irradiance(0, white(level=2.0)), 2 * made.irradiance(9, white()), rtol=1e-5)


@pytest.mark.parametrize("system", BOTH)
@pytest.mark.parametrize("wavelength", [470.0, 532.1, 577.0, 633.0])
def test_a_line_lands_where_the_curve_says(system: System, wavelength: float) -> None:
    made = bench(system, CLEAN)
    reference = made.irradiance(0, white(line=first_line(made)))
    picture = made.irradiance(0, white(line=Line(wavelength)))
    shift = float(made.true_shift_px(wavelength))
    whole = round(shift)
    begin = 0 if system.single_disperser else 60
    window = slice(begin, WIDTH)
    moved = slice(begin + system.mask_direction * whole, WIDTH + system.mask_direction * whole)
    found = displacement(reference[:, window], picture[:, moved])
    assert found[0] == pytest.approx(system.mask_direction * (shift - whole), abs=0.01)
    assert found[1] == pytest.approx(0, abs=0.01)


def test_a_broad_line_has_the_mean_of_its_curve_and_its_width() -> None:
    made = bench(System.SD_CASSI, CLEAN)
    columns = np.arange(made.measurement_shape[1])
    line = Line(500.0, 10.0)
    picture = made.irradiance(0, white(line=line, mask_in=False)).astype(float).mean(axis=0)
    at = np.linspace(485, 515, 3001)
    profile = np.exp(-4 * np.log(2) * ((at - 500) / 10) ** 2)
    expected = np.average(made.true_shift_px(at), weights=profile) + (WIDTH - 1) / 2
    assert np.average(columns, weights=picture) == pytest.approx(expected, abs=0.01)
    rise = np.diff(picture[: WIDTH // 2])
    spread = np.sqrt(
        np.average((np.arange(len(rise)) - np.average(np.arange(len(rise)), weights=rise)) ** 2, weights=rise)
    )
    slope = float(made.true_shift_px(505) - made.true_shift_px(495)) / 10
    assert spread == pytest.approx(np.sqrt((10 / 2.3548 * slope) ** 2 + 1 / 12 + 0.3**2), rel=0.02)


def test_what_the_filter_stops_gives_no_light() -> None:
    made = bench(System.SD_CASSI)  # 450 to 650 nm
    bright, blocked = (made.irradiance(0, white(line=Line(nm))).max() for nm in (546.07, 700.0))
    assert blocked < 1e-4 * bright
    assert bright == pytest.approx(made.design.peak_e_s, rel=0.15)


@pytest.mark.parametrize("system", BOTH)
def test_open_aperture_and_no_disperser_show_the_even_white(system: System) -> None:
    made = bench(system)
    light = made.irradiance(0, white(mask_in=False, disperser_in=False)) / made.vignetting
    field = light[4:-4, 4 : WIDTH - 4]
    assert field.std() < 0.003 * field.mean()
    whole = made.response_e_s.sum() * made.design.aperture.open_transmission
    assert field.mean() == pytest.approx(whole, rel=0.02)
    if system.single_disperser:
        assert light[:, WIDTH + 3 :].max() < 0.03 * field.mean()  # stray light alone


def test_dispersion_loses_no_light() -> None:
    made = bench(System.SD_CASSI, CLEAN)
    for mask_in in (True, False):
        dispersed, not_dispersed = (
            made.irradiance(0, white(mask_in=mask_in, disperser_in=inside)).astype(float).sum()
            for inside in (True, False)
        )
        assert dispersed == pytest.approx(not_dispersed, rel=0.01)  # the filter's edges end beside the sensor


@pytest.mark.parametrize("system", BOTH)
def test_the_mask_without_disperser_is_the_mask_of_the_calibration(system: System) -> None:
    made = bench(system)
    light = made.irradiance(0, white(disperser_in=False)) / made.vignetting
    mask = gaussian_filter(made.aperture.seen(), made.design.psf_px, truncate=6)[:, :WIDTH]
    assert np.corrcoef(light[:, :WIDTH].ravel(), mask.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("system", list(System))
@pytest.mark.parametrize("drift", [(0.1, 0.0), (0.25, -0.5), (-1.3, 0.7)])
def test_drift_moves_the_picture_of_the_mask(system: System, drift: tuple[float, float]) -> None:
    made = bench(system, CLEAN)
    line = first_line(made)
    still, moved = (made.irradiance(0, white(line=line, drift_px=d))[:, :WIDTH] for d in ((0.0, 0.0), drift))
    assert displacement(still, moved) == pytest.approx(np.array(drift), abs=0.01)


@pytest.mark.parametrize("system", BOTH)
def test_drift_leaves_the_scene_where_it_is(system: System) -> None:
    made = bench(system)
    open_before, open_after = (
        made.irradiance(1.0, BenchState(mask_in=False, drift_px=d)) for d in ((0.0, 0.0), (0.4, 0.9))
    )
    assert np.array_equal(open_before, open_after)
    coded = made.irradiance(1.0, BenchState(drift_px=(0.4, 0.9)))
    smooth, smooth_before = (gaussian_filter(x, 8) for x in (coded, made.irradiance(1.0)))
    assert np.abs(coded - made.irradiance(1.0)).mean() > 0.05 * coded.mean()
    assert np.abs(smooth - smooth_before).mean() < 0.05 * coded.mean()


@pytest.mark.parametrize("system", BOTH)
@pytest.mark.parametrize(("turn", "stretch"), [(0.15, 1.013), (-0.5, 1.005)])
def test_the_true_registration_takes_the_drawing_to_the_mask(system: System, turn: float, stretch: float) -> None:
    aperture = ApertureDesign(turn_degrees=turn, stretch=stretch, blur_px=0.8)
    made = bench(system, BenchDesign(psf_px=0.05, stray_share=0, vignetting=0, aperture=aperture))
    picture = made.irradiance(0, white(disperser_in=False))[:, :WIDTH]
    finer = 9
    drawn = made.aperture_design_pattern()
    assert set(np.unique(drawn)) <= {0.0, 1.0}
    big = np.repeat(np.repeat(drawn, finer, axis=0), finer, axis=1)
    big = cv2.blur(gaussian_filter(big, 0.8 * finer), (finer, finer))
    back = np.linalg.inv(np.vstack([made.true_registration(), [0, 0, 1]]))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    places = (back @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)]) + 0.5) * finer - 0.5
    expected = map_coordinates(big, [places[1], places[0]], order=1, mode="nearest").reshape(HEIGHT, WIDTH)
    for rows in (slice(0, 48), slice(48, 96)):
        for columns in (slice(0, 70), slice(71, 141)):
            assert displacement(expected[rows, columns], picture[rows, columns]) == pytest.approx(0, abs=0.04)
    assert displacement(expected, picture) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("system", BOTH)
def test_smile_bends_the_lines(system: System) -> None:
    straight = bench(system, CLEAN)
    bent = bench(system, BenchDesign(stray_share=0, vignetting=0, aperture=SOFT, smile_px=0.6, keystone_px=0.2))
    state = white(line=Line(560.0))
    pictures = [made.irradiance(0, state) for made in (straight, bent)]
    width = pictures[0].shape[1]
    for rows, columns in (
        (slice(0, 32), slice(30, 90)),
        (slice(36, 60), slice(80, 140)),
        (slice(64, 96), slice(70, 130)),
    ):
        v, u = (
            (2 * np.arange(side.start, side.stop) / (size - 1) - 1) for side, size in ((rows, 96), (columns, width))
        )
        expected = system.mask_direction * (0.6 * np.mean(v**2) + 0.2 * np.mean(u))
        found = displacement(*(picture[rows, columns] for picture in pictures))
        assert found == pytest.approx([expected, 0], abs=0.03)
    without = white(disperser_in=False)
    assert np.allclose(straight.irradiance(0, without), bent.irradiance(0, without), rtol=0.02)


@pytest.mark.parametrize("pose", [0, 1, 2, 3])
def test_the_corners_of_the_chessboard_can_be_found(pose: int) -> None:
    made = bench(System.DD_CASSI)
    light = made.irradiance(0, BenchState(Target.CHESSBOARD, mask_in=False, disperser_in=False, chart_pose=pose))
    picture = np.clip(255 * light / light.max(), 0, 255).astype(np.uint8)
    inner = (SQUARES[1] - 1, SQUARES[0] - 1)
    found, corners = cv2.findChessboardCornersSB(picture, inner)
    assert found
    assert len(corners) == inner[0] * inner[1]


def test_filter_and_sensor_bend_a_broad_line() -> None:
    line, straight = Line(455.0, 10.0), bench(System.SD_CASSI, CLEAN)
    bent = bench(System.SD_CASSI, BenchDesign(stray_share=0, vignetting=0, aperture=SOFT))
    columns = np.arange(straight.measurement_shape[1])
    stated, seen = (
        np.average(columns, weights=made.irradiance(0, white(line=line, mask_in=False)).astype(float).mean(axis=0))
        for made in (straight, bent)
    )
    assert 0.05 < seen - stated < 0.6  # the filter's blue edge takes from one side


def test_keystone_and_smile_move_scene_and_truth_of_a_single_disperser_together() -> None:
    bent = bench(System.SD_CASSI, BenchDesign(smile_px=1.0, stray_share=0, vignetting=0))
    straight = bench(System.SD_CASSI, BenchDesign(stray_share=0, vignetting=0))
    moved = displacement(straight.truth(0.3)[10][:12], bent.truth(0.3)[10][:12], margin=2)
    assert moved[0] == pytest.approx(0.8, abs=0.15)
    bands = bent.true_shift_px(bent.wavelengths_nm)
    assert bands == pytest.approx(2.0 * np.arange(28), abs=1e-3)
