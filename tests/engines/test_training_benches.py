"""Benches and sensors as training varies them."""

import numpy as np
import pytest
import torch
from fakes import random_bench
from pydantic import ValidationError

from livecassi.calibration import Calibration, SubSteps, System
from livecassi.engines.training.bench_variation import UNVARIED, BenchVariation, varied
from livecassi.engines.training.sensor import SensorNoise, noisy

every_bench = pytest.mark.parametrize(
    "calibration",
    [
        pytest.param(random_bench(system, SubSteps.POINT, shifts, height=23, width=37, seed=4), id=f"{system} {name}")
        for system in System
        for name, shifts in {"whole": [0, 2, 4, 6], "fractional": [0.4, 1.7, 5.25, 7.1]}.items()
    ],
)


def only(**amounts: float) -> BenchVariation:
    return UNVARIED.model_copy(update=amounts)


@every_bench
def test_no_variation_is_the_same_calibration(calibration: Calibration) -> None:
    assert varied(calibration, np.random.default_rng(0), UNVARIED).id == calibration.id


@every_bench
def test_varied_benches_keep_their_shapes_and_differ(calibration: Calibration) -> None:
    ids = set()
    for seed in range(20):
        other = varied(calibration, np.random.default_rng(seed))
        assert other.id == varied(calibration, np.random.default_rng(seed)).id
        ids.add(other.id)
        assert other.cube_shape == calibration.cube_shape
        assert other.measurement_shape == calibration.measurement_shape
        assert np.abs(other.dispersion_px - calibration.dispersion_px).max() <= 0.4 + 1e-5
        gain = other.response / calibration.response
        assert 0.7 <= gain.min() <= gain.max() <= 1.3
        assert 0 <= other.mask.min() <= other.mask.max() <= 1
    assert len(ids) == 20


def test_each_amount_does_what_it_says() -> None:
    calibration = random_bench(System.DD_CASSI, SubSteps.POINT, [0, 2, 4.5], height=31, width=44, seed=1)
    mask = calibration.mask
    random = np.random.default_rng(6)
    rolled = varied(calibration, random, only(roll_share=1)).mask
    np.testing.assert_array_equal(np.sort(rolled, axis=None), np.sort(mask, axis=None))
    assert not np.array_equal(rolled, mask)
    flipped = varied(calibration, random, only(flip_share=1)).mask
    np.testing.assert_array_equal(flipped, mask[::-1, ::-1])
    shifted = varied(calibration, random, only(shift_px=0.5)).mask
    assert 0.01 < np.abs(shifted - mask).mean() < 0.4
    assert shifted.mean() == pytest.approx(mask.mean(), abs=0.02)
    assert varied(calibration, random, only(blur_px=0.7)).mask.std() < 0.98 * mask.std()
    greyed = varied(calibration, random, only(black_level=0.1, white_loss=0.15)).mask
    span = np.polyfit(mask.ravel(), greyed.ravel(), 1)
    assert 0 < span[1] <= 0.1
    assert 0.75 <= span[0] < 1
    cloudy = varied(calibration, random, only(grey_variation=0.2)).mask[mask > 0.1] / mask[mask > 0.1]
    assert 0.8 <= cloudy.min() < cloudy.max() <= 1 + 1e-6
    with pytest.raises(ValidationError, match="dispersion_px"):
        BenchVariation(dispersion_px=-1)


def test_a_shift_moves_a_ramp_by_that_part_of_a_pixel() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 50, dtype=np.float32), (20, 50))
    bench = random_bench(System.SD_CASSI, SubSteps.POINT, [0, 2], height=20, width=50, seed=1)
    bench = Calibration(bench.header, bench.wavelengths_nm, ramp, bench.dispersion_px, bench.response)
    moved = [
        (varied(bench, np.random.default_rng(seed), only(shift_px=0.5)).mask - ramp)[:, 2:-2] * 49 for seed in range(9)
    ]
    assert max(float(one.std()) for one in moved) < 1e-4
    amounts = [float(one.mean()) for one in moved]
    assert 0.2 < np.ptp(amounts) <= 1.0
    assert max(np.abs(amounts)) <= 0.5


@pytest.mark.parametrize("electrons", [3_000.0, 20_000.0])
def test_the_noise_has_the_spread_that_it_should_have(electrons: float) -> None:
    camera = SensorNoise(electrons=(electrons, electrons), read_noise=(5, 5), bits=16, noise_free_share=0)
    light = torch.full((2, 120, 130), 0.3)
    light[:, :60] = 1.5
    given = noisy(light, np.random.default_rng(8), camera)
    for part in (given[:, :60], given[:, 60:]):
        level = float(part.mean())
        expected = 1.5 * np.sqrt(level / 1.5 * electrons + 25) / electrons
        assert float(part.std()) == pytest.approx(expected, rel=0.03)
    assert float(given[:, :60].mean()) == pytest.approx(1.5, rel=3e-3)
    assert float(given[:, 60:].mean()) == pytest.approx(0.3, rel=3e-3)


def test_a_share_stays_exact_and_the_same_state_gives_the_same_noise() -> None:
    light = torch.rand((17, 29), generator=torch.Generator().manual_seed(1))
    exact = [torch.equal(noisy(light, np.random.default_rng(seed)), light) for seed in range(300)]
    assert 0.25 < np.mean(exact) < 0.45
    assert torch.equal(noisy(light, np.random.default_rng(5)), noisy(light, np.random.default_rng(5)))
    assert torch.equal(noisy(light * 0, np.random.default_rng(5)), light * 0)


def test_steps_are_those_of_the_digitiser() -> None:
    camera = SensorNoise(electrons=(9_000, 9_000), read_noise=(2, 2), bits=5, filled=(1, 1), noise_free_share=0)
    light = torch.rand((40, 50), generator=torch.Generator().manual_seed(1))
    levels = noisy(light, np.random.default_rng(2), camera) / light.max() * 31
    np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert levels.max() <= 31 + 1e-4
    dark = SensorNoise(electrons=(300, 300), read_noise=(6, 6), noise_free_share=0)
    assert noisy(light * (light > 0.9), np.random.default_rng(2), dark).min() < 0


@pytest.mark.parametrize("values", [{"electrons": (5, 2)}, {"filled": (0.5, 1.5)}, {"bits": 0}, {"noise": 1}])
def test_senseless_cameras_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SensorNoise(**values)
