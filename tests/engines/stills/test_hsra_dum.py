"""HSRA-DUM: its published costs, its data step, and what every still network must do."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from fakes import random_bench
from torch import Tensor, nn

from livecassi.calibration import Calibration, SubSteps, System, sensing_model
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.stills.bench import StillBench, band_taps, still_bench
from livecassi.engines.networks.stills.cost import GIB, count_macs
from livecassi.engines.networks.stills.hsra import HSRADUM, HSRASize, Precondition, data_step
from livecassi.engines.networks.stills.shortened import as_published

TINY = HSRASize(28, (1, 1, 1, 1, 1))
BANDS = 5
WHOLE = [0.0, 2.0, 4.0, 6.0, 8.0]
FRACTIONAL = [0.4, 1.7, 2.0, 5.25, 7.9]
SYSTEMS = (System.SD_CASSI, System.DD_CASSI)

pytestmark = pytest.mark.usefixtures("one_thread")


def perturbed(system: System, precondition: Precondition = Precondition.GAP) -> HSRADUM:
    """Two stages, no weight at its start."""
    generator = torch.Generator().manual_seed(1)
    network = HSRADUM(system, BANDS, 2, precondition, size=TINY)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network


def bench_of(system: System, shifts: list[float], height: int, width: int) -> tuple[Calibration, StillBench]:
    """In float64; the mask is nowhere so dark that steps would be shortened."""
    calibration = random_bench(system, SubSteps.POINT, shifts, height=height, width=width, seed=2)
    mask = 0.3 + np.float32(0.7) * calibration.mask
    calibration = replace(calibration, mask=mask, response=np.ones(BANDS, np.float32))
    mask = torch.from_numpy(network_mask(calibration).copy()).double().expand(calibration.cube_shape)
    taps = band_taps(calibration.dispersion_px.tolist()) if system.single_disperser else ()
    return calibration, still_bench(mask, taps, calibration.measurement_shape[1])


def draw(*shape: int, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("stages", "published"), [(3, 37.39), (4, 49.82)])
def test_costs_are_the_published_ones(stages: int, published: float) -> None:
    with torch.device("meta"):
        network = HSRADUM(System.SD_CASSI, 28, stages)
    assert count_macs(network, 256, 256) / GIB == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_full_step_at_whole_shifts_explains_the_measurement(system: System) -> None:
    _, bench = bench_of(system, WHOLE, 13, 23)
    estimate, truth = draw(2, BANDS, 13, 23, seed=3), draw(2, BANDS, 13, 23, seed=4)
    measurement = bench.forward(truth)
    closer = data_step(estimate, measurement, bench, torch.ones(2, 1, 1), Precondition.GAP)
    assert (bench.forward(estimate) - measurement).abs().max() > 0.1
    assert (bench.forward(closer) - measurement).abs().max() < 1e-12


def test_noise_where_hardly_any_light_falls_is_not_blown_up() -> None:
    mask = torch.full((BANDS, 6, 9), 0.5, dtype=torch.float64)
    mask[:, :, 0] = 0.01  # the first column of the frame sees no other
    bench = still_bench(mask, band_taps(WHOLE), 17)
    estimate, noise = torch.zeros(1, BANDS, 6, 9, dtype=torch.float64), torch.ones(1, 6, 17, dtype=torch.float64)
    closer = data_step(estimate, noise, bench, torch.ones(1, 1, 1), Precondition.GAP)
    assert closer.abs().max() < 5


@pytest.mark.parametrize("size", [0.3, 1.0, 1.9])
def test_steps_at_fractional_shifts_never_lead_away(size: float) -> None:
    _, bench = bench_of(System.SD_CASSI, FRACTIONAL, 13, 23)
    estimate, measurement = draw(1, BANDS, 13, 23, seed=5), bench.forward(draw(1, BANDS, 13, 23, seed=6))

    def off() -> float:
        return float(((bench.forward(estimate) - measurement).square() / bench.density).sum())

    distances = [off()]
    for _ in range(40):
        estimate = data_step(estimate, measurement, bench, torch.full((1, 1, 1), size), Precondition.GAP)
        distances.append(off())
    assert all(after <= before for before, after in pairwise(distances))
    assert distances[-1] < 0.05 * distances[0]


@pytest.mark.parametrize("precondition", list(Precondition))
@pytest.mark.parametrize("shifts", [WHOLE, FRACTIONAL], ids=["whole", "fractional"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_step_equals_the_reference(system: System, shifts: list[float], precondition: Precondition) -> None:
    calibration, bench = bench_of(system, shifts, 11, 17)
    reference = sensing_model(calibration)
    estimate, frame = draw(2, BANDS, 11, 17, seed=7), draw(2, *calibration.measurement_shape, seed=8)
    sizes = [0.7, 1.2]
    found = data_step(estimate, frame, bench, torch.tensor(sizes).double()[:, None, None], precondition)
    diagonal = reference.forward(reference.adjoint(np.ones(calibration.measurement_shape, np.float32)))
    divisor = np.where(diagonal > 0, diagonal, 1) if precondition is Precondition.GAP else np.ones_like(diagonal)
    for sample, size in enumerate(sizes):
        cube = estimate[sample].float().numpy()
        residual = (reference.forward(cube) - frame[sample].float().numpy()) / divisor
        expected = cube - size * reference.adjoint(residual.astype(np.float32))
        np.testing.assert_allclose(found[sample].numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("system", SYSTEMS)
def test_before_it_learns_it_begins_with_full_steps(system: System) -> None:
    torch.manual_seed(0)
    network = HSRADUM(system, BANDS, 1, size=TINY).double()
    backbone = network.get_submodule("stages.0.prior")
    for name in ("leave", "fuse.of_both"):  # the prior gives back what it is given
        for parameter in backbone.get_submodule(name).parameters():
            nn.init.zeros_(parameter)
    with torch.no_grad():
        backbone.get_parameter("fuse.of_both.weight")[:, :BANDS] = torch.eye(BANDS)
    _, bench = bench_of(system, WHOLE, 37, 50)
    measurement = bench.forward(draw(1, BANDS, 37, 50, seed=9))
    with torch.inference_mode():
        (found,) = network.estimate_stages(measurement, bench)
    assert (bench.forward(found) - measurement).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("system", "precondition"), [(System.SD_CASSI, Precondition.GAP), (System.DD_CASSI, Precondition.NONE)]
)
def test_gradients_reach_every_parameter(system: System, precondition: Precondition) -> None:
    network = perturbed(system, precondition)
    calibration = bench_of(system, FRACTIONAL, 37, 50)[0]
    measurement = draw(1, 1, *calibration.measurement_shape, seed=10)
    cubes = network(measurement, network.for_bench(calibration), every_stage=True)
    assert cubes.shape == (1, 2, BANDS, 37, 50)
    cubes.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("system", SYSTEMS)
def test_samples_do_not_see_each_other_and_may_have_masks_of_their_own(system: System) -> None:
    network = perturbed(system).double()
    columns = 50 + (network.largest_shift if system.single_disperser else 0)
    measurement, masks = draw(2, 1, 37, columns, seed=11), draw(2, BANDS, 37, 50, seed=12)
    with torch.inference_mode():
        stages = network(measurement, masks, every_stage=True)
        alone = network(measurement[1:], masks[1])
        literal = as_published(network)(measurement[:1], masks[0])
    assert stages.shape == (2, 2, BANDS, 37, 50)
    torch.testing.assert_close(stages[1:, 1:], alone)
    torch.testing.assert_close(stages[:1, 1:], literal)
    assert (stages[:, 0] - stages[:, 1]).abs().max() > 1e-3


def test_modulation_acts_in_every_stage() -> None:
    network = perturbed(System.SD_CASSI)
    sites = network.injection_sites()
    assert sites[0].name == "stage0.encoder1.0.mk_ptm"
    assert sites[-1].name == "stage1.decoder1.0.ffn"
    assert len({site.name for site in sites}) == len(sites) == 2 * (3 + 4 * 2)
    bench = network.prepare(draw(20, 30, seed=13))
    measurement = draw(1, 20, bench.columns, seed=13).float()
    nothing = {site.name: (torch.zeros(1, site.channels),) * 2 for site in sites}
    with torch.inference_mode():
        without = network.estimate(measurement, bench)
        assert torch.equal(network.estimate(measurement, bench, nothing), without)
        for site in (sites[0], sites[-1]):
            change = (draw(1, site.channels, seed=14).float(), draw(1, site.channels, seed=15).float())
            changed = network.estimate(measurement, bench, {**nothing, site.name: change})
            assert (changed - without).abs().max() > 1e-6
