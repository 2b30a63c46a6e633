"""What networks are told: the mask of a calibration, which benches fit, and how bright measurements are made."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import random_bench

from livecassi.calibration import Calibration, SubSteps, System, sensing_model
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks import NetworkSpec, find_network
from livecassi.engines.networks.inputs import (
    BRIGHTEST,
    DARKEST,
    FAINTEST_RESPONSE,
    USUAL_BRIGHTNESS,
    Brightness,
    check_bands,
    check_bench,
    measured_columns,
    network_mask,
)

BANDS, HEIGHT, WIDTH = 30, 33, 40
WHOLE = [2.0 * band for band in range(BANDS)]


def bench(
    system: System,
    shifts: list[float] | None = None,
    sub_steps: SubSteps = SubSteps.POINT,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> Calibration:
    return random_bench(system, sub_steps, shifts or WHOLE, height=height, width=width, seed=4)


def even(calibration: Calibration) -> Calibration:
    """The bench with a response of ones."""
    return replace(calibration, response=np.ones(calibration.bands, np.float32))


def scene_of(level: float, calibration: Calibration) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The measurement of a uniform scene."""
    return sensing_model(calibration).forward(np.full(calibration.cube_shape, level, np.float32))


@pytest.fixture
def network() -> NetworkSpec:
    return find_network("pg-svrt")


@pytest.mark.parametrize("sub_steps", SubSteps)
@pytest.mark.parametrize("system", [System.DD_CASSI, System.NDSSI])
def test_with_whole_shifts_a_band_sees_the_mask_from_its_column_on(system: System, sub_steps: SubSteps) -> None:
    calibration = bench(system, sub_steps=sub_steps)
    seen = network_mask(calibration)
    assert seen.shape == (BANDS, HEIGHT, WIDTH)
    for band in range(BANDS):
        np.testing.assert_array_equal(seen[band], calibration.mask[:, 2 * band : 2 * band + WIDTH])


def test_a_fractional_shift_is_a_mean_of_the_two_columns_beside_it() -> None:
    shifts = [1.9 * band + 0.25 for band in range(BANDS)]
    calibration = bench(System.DD_CASSI, shifts)
    seen = network_mask(calibration)
    wide = np.pad(calibration.mask, ((0, 0), (0, 2)))
    for band, shift in enumerate(shifts):
        whole, part = int(shift), shift % 1
        expected = (1 - part) * wide[:, whole : whole + WIDTH] + part * wide[:, whole + 1 : whole + 1 + WIDTH]
        np.testing.assert_allclose(seen[band], expected, atol=1e-5)


@pytest.mark.parametrize("system", [System.SD_CASSI, System.PMVIS])
def test_a_single_disperser_has_one_pattern_for_all_bands(system: System) -> None:
    calibration = bench(system)
    np.testing.assert_array_equal(network_mask(calibration), calibration.mask)
    assert measured_columns(calibration, find_network("pg-svrt")) == calibration.measurement_shape[1] == WIDTH + 58


def test_a_single_disperser_may_be_off_by_half_a_pixel_and_no_more(network: NetworkSpec) -> None:
    random = np.random.default_rng(1)
    off = np.array(WHOLE) + random.uniform(-0.45, 0.45, BANDS)
    calibration = bench(System.SD_CASSI, off.clip(0).tolist())
    check_bench(calibration, network)
    assert measured_columns(calibration, find_network("pg-svrt")) == WIDTH + 58 <= calibration.measurement_shape[1]

    off = np.array(WHOLE)
    off[17] += 0.75
    with pytest.raises(EngineMismatchError, match=r"band 17 is shifted by 34\.75 px instead of 34, 0\.75 px off"):
        check_bench(bench(System.PMVIS, off.tolist()), network)
    check_bench(bench(System.DD_CASSI, off.tolist()), network)  # it is told what each band sees


def test_a_last_shift_beyond_the_step_leaves_one_column_over() -> None:
    calibration = bench(System.SD_CASSI, [*WHOLE[:-1], 58.3])
    assert calibration.measurement_shape[1] == WIDTH + 59
    assert measured_columns(calibration, find_network("pg-svrt")) == WIDTH + 58
    assert measured_columns(bench(System.NDSSI, [*WHOLE[:-1], 58.3]), find_network("pg-svrt")) == WIDTH


@pytest.mark.parametrize("system", System)
def test_other_bands_are_refused_with_a_way_out(system: System, network: NetworkSpec) -> None:
    few = bench(system, WHOLE[:28])
    with pytest.raises(EngineMismatchError, match=r"reconstructs 30 bands, calibration .* has 28; .*gap-tv"):
        check_bench(few, network)
    check_bands(few, 28, 2, "another")


@pytest.mark.parametrize(("height", "width"), [(16, 40), (40, 16)])
def test_scenes_that_are_too_small_are_refused(height: int, width: int, network: NetworkSpec) -> None:
    with pytest.raises(EngineMismatchError, match=f"17 x 17 px or more, calibration .* has {height} x {width}"):
        check_bench(bench(System.NDSSI, height=height, width=width), network)
    check_bench(bench(System.NDSSI, height=17, width=17), network)


@pytest.mark.parametrize("system", System)
def test_measurements_as_in_the_training_are_left_bit_for_bit(system: System) -> None:
    calibration = even(bench(system))
    brightness = Brightness(calibration)
    for level in (DARKEST + 0.01, 0.2, 0.4, BRIGHTEST - 0.01):
        values = scene_of(level, calibration)
        brightness.choose(values)
        assert brightness.to_network == 1.0
        np.testing.assert_array_equal(values * brightness.to_network, values)
        np.testing.assert_array_equal(brightness.from_network, np.ones((BANDS, 1, 1), np.float32))


@pytest.mark.parametrize("level", [1e-6, 0.003, 0.02, 0.9, 40.0, 60_000.0])
def test_dim_and_bright_scenes_are_made_usual_and_back(level: float) -> None:
    calibration = even(bench(System.DD_CASSI))
    brightness = Brightness(calibration)
    values = scene_of(level, calibration)
    brightness.choose(values)
    seen = values.astype(np.float64) * brightness.to_network
    assert seen.mean() == pytest.approx(scene_of(USUAL_BRIGHTNESS, calibration).mean(dtype=np.float64), rel=1e-4)
    assert brightness.to_network * float(brightness.from_network[0, 0, 0]) == pytest.approx(1, rel=1e-6)


def test_ten_times_the_light_looks_alike_to_the_network_and_comes_back_tenfold() -> None:
    calibration = bench(System.SD_CASSI)
    dim, bright = Brightness(calibration), Brightness(calibration)
    values = scene_of(0.01, calibration)
    dim.choose(values)
    bright.choose(10 * 100 * values)
    np.testing.assert_allclose(1000 * values * bright.to_network, values * dim.to_network, rtol=1e-5)
    np.testing.assert_allclose(bright.from_network, 1000 * dim.from_network, rtol=1e-5)


def test_what_the_bench_measures_is_what_a_network_of_even_response_would() -> None:
    """Σ_c M_c z_c with z = x / from_network is the measurement times to_network."""
    calibration = bench(System.DD_CASSI)
    assert calibration.response.min() > FAINTEST_RESPONSE * calibration.response.max()
    scene = np.random.default_rng(7).uniform(0, 0.01, calibration.cube_shape).astype(np.float32)
    values = sensing_model(calibration).forward(scene)
    brightness = Brightness(calibration)
    brightness.choose(values)
    expected = sensing_model(even(calibration)).forward(scene / brightness.from_network)
    np.testing.assert_allclose(values * brightness.to_network, expected, rtol=1e-4)


def test_a_band_without_response_is_not_raised_beyond_measure() -> None:
    calibration = bench(System.DD_CASSI)
    response = calibration.response.copy()
    response[3] = 0
    gain = Brightness(replace(calibration, response=response)).from_network[:, 0, 0]
    assert gain[3] == pytest.approx(1 / FAINTEST_RESPONSE)
    assert gain.argmax() == 3


def test_a_video_does_not_flicker() -> None:
    calibration = even(bench(System.DD_CASSI))
    brightness = Brightness(calibration)
    factors = []
    for level in (0.01, 0.011, 0.009, 0.012, 0.03, 0.0095):
        brightness.choose(scene_of(level, calibration))
        factors.append(brightness.to_network)
    assert factors[0] == pytest.approx(20, rel=1e-4)
    assert len(set(factors)) == 1
    brightness.choose(scene_of(0.5, calibration))
    assert brightness.to_network == 1.0


def test_darkness_changes_nothing_and_forgetting_chooses_afresh() -> None:
    calibration = even(bench(System.DD_CASSI))
    brightness = Brightness(calibration)
    brightness.choose(scene_of(0.01, calibration))
    kept = brightness.to_network
    for level in (0.0, -0.001):
        brightness.choose(scene_of(level, calibration))
        assert brightness.to_network == kept != 1.0
    brightness.forget()
    assert brightness.to_network == 1.0


def test_a_factor_that_was_given_is_kept() -> None:
    calibration = even(bench(System.DD_CASSI))
    brightness = Brightness(calibration, 2.5)
    brightness.choose(scene_of(0.001, calibration))
    brightness.forget()
    assert brightness.to_network == 2.5
    np.testing.assert_allclose(brightness.from_network, 0.4)


def test_bright_spots_in_the_dark_are_not_raised_beyond_what_spots_may_be() -> None:
    """As in the published snapshots: 5 % of the full scale on the average, and a few places at the top of it."""
    calibration = even(bench(System.SD_CASSI))
    white = sensing_model(calibration).forward(np.ones(calibration.cube_shape, np.float32)).mean()
    values = np.full(calibration.measurement_shape, 0.002 * white, np.float32)
    values[3:8, 5:12] = 0.1 * white
    spots = Brightness(calibration)
    spots.choose(values)
    assert values.max() * spots.to_network == pytest.approx(0.8 * white, rel=0.01)
    kept = spots.to_network
    spots.choose(values * np.float32(1.2))
    assert spots.to_network == kept, "a video does not flicker"
    uniform = Brightness(calibration)
    uniform.choose(np.full_like(values, 0.002 * white))
    assert uniform.to_network == pytest.approx(100, rel=0.01)
