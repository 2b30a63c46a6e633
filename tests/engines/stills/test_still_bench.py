"""The bench of still networks against the NumPy sensing models, and scenes padded to multiples."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import random_bench
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from livecassi.calibration import Calibration, SubSteps, System, sensing_model
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.stills.bench import StillBench
from livecassi.engines.networks.stills.modulation import Modulation, Site
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.networks.stills.padding import padded

HEIGHT, WIDTH, BANDS = 13, 23, 5
WHOLE = [0.0, 2.0, 4.0, 6.0, 8.0]
FRACTIONAL = [0.4, 1.7, 2.0, 5.25, 7.9]
benches = pytest.mark.parametrize("shifts", [WHOLE, FRACTIONAL], ids=["whole", "fractional"])
systems = pytest.mark.parametrize("system", list(System))


class FirstEstimate(StillNetwork):
    """Gives what every still network begins with."""

    def __init__(self, system: System) -> None:
        super().__init__(system, BANDS, 2)
        self.scale = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        return bench.first_estimate(measurement) * self.scale

    def injection_sites(self) -> tuple[Site, ...]:
        return ()


def make(system: System, shifts: list[float]) -> tuple[Calibration, StillBench]:
    """A bench with response 1, as calibration and in torch, float64."""
    calibration = random_bench(system, SubSteps.POINT, shifts, height=HEIGHT, width=WIDTH, seed=9)
    calibration = replace(calibration, response=np.ones(BANDS, np.float32))
    return calibration, FirstEstimate(system).for_bench(calibration)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@systems
@benches
def test_both_directions_equal_the_reference(system: System, shifts: list[float]) -> None:
    calibration, bench = make(system, shifts)
    reference = sensing_model(calibration)
    assert (bench.bands, *bench.size) == calibration.cube_shape
    cubes, frames = draw(2, *calibration.cube_shape, seed=1), draw(2, *calibration.measurement_shape, seed=2)
    measured, spread = bench.forward(cubes), bench.adjoint(frames)
    assert measured.shape == frames.shape
    assert spread.shape == cubes.shape
    for sample in range(2):
        expected = reference.forward(cubes[sample].float().numpy())
        np.testing.assert_allclose(measured[sample].numpy(), expected, atol=1e-5)
        expected = reference.adjoint(frames[sample].float().numpy())
        np.testing.assert_allclose(spread[sample].numpy(), expected, atol=1e-5)


@systems
@benches
def test_dot(system: System, shifts: list[float]) -> None:
    calibration, bench = make(system, shifts)
    cube, frame = draw(1, *calibration.cube_shape, seed=3), draw(1, *calibration.measurement_shape, seed=4)
    left, right = (bench.forward(cube) * frame).sum(), (cube * bench.adjoint(frame)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-12)


@systems
def test_the_density_is_the_diagonal_at_whole_shifts(system: System) -> None:
    calibration, bench = make(system, WHOLE)
    height, columns = calibration.measurement_shape
    for row, column in ((0, 0), (5, 11), (height - 1, columns - 1)):
        point = torch.zeros(1, height, columns, dtype=torch.float64)
        point[0, row, column] = 1
        seen = bench.forward(bench.adjoint(point))[0]
        assert float(seen[row, column]) == pytest.approx(float(bench.density[row, column]), rel=1e-12)
        seen[row, column] = 0
        assert seen.abs().max() == 0


@systems
def test_the_density_is_the_sum_of_rows_at_fractional_shifts(system: System) -> None:
    calibration, bench = make(system, FRACTIONAL)
    ones = torch.ones(1, *calibration.measurement_shape, dtype=torch.float64)
    lit = bench.forward(bench.adjoint(ones))[0]
    torch.testing.assert_close(bench.density, torch.where(lit > 0, lit, torch.ones_like(lit)), rtol=1e-12, atol=0)
    assert bench.density.min() > 0


def test_where_no_light_falls_the_density_is_one() -> None:
    mask = torch.zeros(4, 6, dtype=torch.float64)
    mask[1, 2] = 0.5
    bench = FirstEstimate(System.SD_CASSI).prepare(mask)
    expected = torch.ones(4, 6 + 8, dtype=torch.float64)
    expected[1, 2::2][:BANDS] = 0.25
    torch.testing.assert_close(bench.density, expected, rtol=0, atol=0)


@systems
def test_samples_may_have_a_mask_each(system: System) -> None:
    (calibration, first), masks = make(system, FRACTIONAL), draw(2, BANDS, HEIGHT, WIDTH, seed=5).abs()
    network = FirstEstimate(system)
    columns = calibration.measurement_shape[1]
    both = network.prepare(masks, FRACTIONAL, columns)
    assert both.size == first.size
    cubes, frames = draw(2, *calibration.cube_shape, seed=6), draw(2, *calibration.measurement_shape, seed=7)
    for sample in range(2):
        alone = network.prepare(masks[sample], FRACTIONAL, columns)
        one = slice(sample, sample + 1)
        torch.testing.assert_close(both.forward(cubes)[one], alone.forward(cubes[one]))
        torch.testing.assert_close(both.adjoint(frames)[one], alone.adjoint(frames[one]))
        torch.testing.assert_close(both.density[sample], alone.density)
        torch.testing.assert_close(both.masks(2)[sample], alone.masks(1)[0])


@systems
@benches
def test_a_part_is_the_bench_of_that_part_alone(system: System, shifts: list[float]) -> None:
    calibration, bench = make(system, shifts)
    rows, columns = slice(2, 9), slice(5, 19)
    part = bench.part(rows, columns)
    assert part.size == (7, 14)
    beyond = calibration.measurement_shape[1] - WIDTH
    assert part.columns == 14 + beyond
    cube = torch.zeros(1, *calibration.cube_shape, dtype=torch.float64)
    cube[..., rows, columns] = draw(1, BANDS, 7, 14, seed=8)
    seen_by_all = bench.forward(cube)
    torch.testing.assert_close(
        part.forward(cube[..., rows, columns]), seen_by_all[:, rows, columns.start : columns.stop + beyond]
    )
    assert seen_by_all[:, :2].abs().max() == 0
    frame = draw(1, *calibration.measurement_shape, seed=9)
    torch.testing.assert_close(
        part.shifted_back(frame[:, rows, columns.start : columns.stop + beyond]),
        bench.shifted_back(frame)[..., rows, columns],
    )


def test_the_first_estimate_is_the_published_one() -> None:
    _, bench = make(System.SD_CASSI, WHOLE)
    frame = draw(1, HEIGHT, WIDTH + 8, seed=10)
    found = FirstEstimate(System.SD_CASSI)(frame.unsqueeze(1), bench)
    for band in range(BANDS):
        expected = 2 / BANDS * frame[:, :, 2 * band : 2 * band + WIDTH]
        torch.testing.assert_close(found[:, 0, band].detach(), expected)


def test_masks_are_taken_as_pattern_or_by_band() -> None:
    wide = draw(HEIGHT, WIDTH + 8, seed=11).abs()
    by_band = torch.stack([wide[:, 2 * band : 2 * band + WIDTH] for band in range(BANDS)])
    dual, single = FirstEstimate(System.DD_CASSI), FirstEstimate(System.PMVIS)
    assert torch.equal(dual.prepare(wide).mask, by_band)
    assert torch.equal(dual.prepare(by_band).mask, by_band)
    assert torch.equal(single.prepare(wide).mask, wide.expand(BANDS, -1, -1))
    assert single.prepare(wide).columns == WIDTH + 8 + 8


def test_what_does_not_fit_is_refused() -> None:
    network = FirstEstimate(System.SD_CASSI)
    with pytest.raises(EngineMismatchError, match=r"mask has shape \(4, 6, 7\).*\(5, H, W\)"):
        network.prepare(torch.ones(4, 6, 7))
    with pytest.raises(EngineMismatchError, match=r"measurement has shape \(1, 1, 6, 7\).*\(B, 1, 6, 15\)"):
        network(torch.ones(1, 1, 6, 7), torch.ones(6, 7))
    with pytest.raises(EngineMismatchError, match=r"measurement has shape \(1, 1, 6, 15\).*2 samples"):
        network(torch.ones(1, 1, 6, 15), torch.ones(2, 5, 6, 7))
    calibration = random_bench(System.SD_CASSI, SubSteps.POINT, [0.0, 2.0], height=4, width=6, seed=1)
    with pytest.raises(EngineMismatchError, match=r"dispersion has shape \(2,\).*\(5,\)"):
        network.for_bench(calibration)


@pytest.mark.parametrize(("height", "width"), [(37, 50), (1, 3), (8, 16), (9, 1), (2, 17)])
def test_scenes_are_mirrored_up_to_multiples(height: int, width: int) -> None:
    planes = draw(2, 3, height, width, seed=12)
    found = padded(planes, 8)
    assert found.shape == (2, 3, -(-height // 8) * 8, -(-width // 8) * 8)
    reach = [(0, found.shape[-2] - height), (0, found.shape[-1] - width)]
    expected = np.pad(planes.numpy(), [(0, 0), (0, 0), *reach], mode="reflect")
    np.testing.assert_array_equal(found.numpy(), expected)


def test_scenes_are_mirrored_without_copies_to_their_device() -> None:
    """A CUDA graph that is captured holds none."""

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
        ) -> Any:
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    called: list[str] = []
    with Watch():
        padded(torch.empty(1, 2, 5, 3, device="meta"), 8)
    assert any("index_select" in name for name in called)
    assert not any("_to_copy" in name for name in called)
