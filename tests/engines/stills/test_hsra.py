"""HSRA: its published costs, its layers against literal ones, and what every still network must do."""

from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.calibration import System
from livecassi.engines.networks.stills.cost import GIB, count_macs
from livecassi.engines.networks.stills.hsra import HSRA, HSRA_L, HSRA_M, HSRA_S, HSRAAblation, HSRASize
from livecassi.engines.networks.stills.hsra.hm_ssa import WindowAttention, position_bias
from livecassi.engines.networks.stills.hsra.mk_ptm import MultiKernelMixing
from livecassi.engines.networks.stills.hsra.windows import from_windows, into_windows
from livecassi.engines.networks.stills.modulation import Modulation
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.networks.stills.shortened import as_published

SMALL = HSRASize(28, (2, 2, 1, 1, 1))  # every kind of block, shifted and not
BANDS = 5

Network = TypeVar("Network", bound=nn.Module)

pytestmark = pytest.mark.usefixtures("one_thread")


def perturbed(network: Network, seed: int) -> Network:
    """Weights of which none is at its start, as after a training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


def scene(network: StillNetwork, height: int, width: int, seed: int, samples: int = 1) -> tuple[Tensor, Tensor]:
    """Measurements `(B, 1, H, W')` and a mask by band."""
    generator = torch.Generator().manual_seed(seed)
    beyond = network.largest_shift if network.system.single_disperser else 0
    measurement = network.bands / 2 * torch.rand(samples, 1, height, width + beyond, generator=generator)
    return measurement, torch.rand(network.bands, height, width, generator=generator)


def modulation_of(network: StillNetwork, size: float) -> Modulation:
    generator = torch.Generator().manual_seed(21)

    def vector(channels: int) -> Tensor:
        return size * torch.randn(1, channels, generator=generator)

    return {site.name: (vector(site.channels), vector(site.channels)) for site in network.injection_sites()}


@pytest.mark.parametrize(("size", "published"), [(HSRA_S, 9.01), (HSRA_M, 13.05), (HSRA_L, 27.34)])
def test_costs_are_the_published_ones(size: HSRASize, published: float) -> None:
    with torch.device("meta"):
        network = HSRA(System.SD_CASSI, 28, size)
    assert count_macs(network, 256, 256) / GIB == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(
    ("ablation", "expected"),
    [
        (HSRAAblation(latent=False), 8.22),
        (HSRAAblation(ratio=0.5), 8.70),
        (HSRAAblation(kernels=(3, 3)), 8.64),
        (HSRAAblation(wide=False), 6.78),  # published is 6.64, with a layer of another structure
    ],
)
def test_costs_of_ablations(ablation: HSRAAblation, expected: float) -> None:
    with torch.device("meta"):
        network = HSRA(System.SD_CASSI, 28, HSRA_S, ablation=ablation)
    assert count_macs(network, 256, 256) / GIB == pytest.approx(expected, abs=0.02)


def test_counting_costs_leaves_the_network_as_it_is() -> None:
    network = perturbed(HSRA(System.DD_CASSI, BANDS, SMALL), seed=1)
    measurement, mask = scene(network, 20, 30, seed=2)
    with torch.inference_mode():
        before = network(measurement, mask)
        assert count_macs(network, 20, 30) > 0
        assert torch.equal(network(measurement, mask), before)


@pytest.mark.parametrize(
    ("system", "height", "width"), [(System.SD_CASSI, 37, 50), (System.DD_CASSI, 37, 50), (System.PMVIS, 9, 1)]
)
def test_any_size_is_taken_and_shortened_products_change_nothing(system: System, height: int, width: int) -> None:
    network = perturbed(HSRA(system, BANDS, SMALL), seed=3).double()
    measurement, mask = (part.double() for part in scene(network, height, width, seed=4))
    with torch.inference_mode():
        found = network(measurement, mask)
        expected = as_published(network)(measurement, mask)
    assert found.shape == (1, 1, BANDS, height, width)
    assert found.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("ablation", [HSRAAblation(ratio=0.4, kernels=(3, 3), latent=False), HSRAAblation(wide=False)])
def test_ablations_compute_what_they_say(ablation: HSRAAblation) -> None:
    network = perturbed(HSRA(System.SD_CASSI, BANDS, SMALL, ablation=ablation), seed=5).double()
    measurement, mask = (part.double() for part in scene(network, 37, 50, seed=6))
    with torch.inference_mode():
        torch.testing.assert_close(network(measurement, mask), as_published(network)(measurement, mask))
    assert any("lwim" in site.name for site in network.injection_sites()) == ablation.latent


def test_all_kernels_of_local_mixing_are_one() -> None:
    layer = perturbed(MultiKernelMixing(6, (3, 9), 1.0), seed=7).double()
    x = torch.rand(2, 17, 21, 6, dtype=torch.float64)
    weight, bias = layer.kernel()
    assert weight.shape == (6, 1, 9, 9)
    planes = x.movedim(-1, 1)
    small, large = (kernel for kernel in layer.kernels if isinstance(kernel, nn.Conv2d))
    torch.testing.assert_close(F.conv2d(planes, weight, bias, padding=4, groups=6), small(planes) + large(planes))


def test_channels_that_are_not_mixed_are_added_to_their_places() -> None:
    layer = perturbed(MultiKernelMixing(6, (3,), 0.5), seed=8).double()
    x = torch.rand(9 * 7, 6, dtype=torch.float64)
    silent = x.clone()
    silent[:, 3:] = 0
    shape = (1, 9, 7)
    difference = layer(x, shape) - layer(silent, shape)
    assert difference[:, :3].abs().max() == 0
    torch.testing.assert_close(difference[:, 3:], x[:, 3:])


def test_the_position_bias_is_that_of_the_displacement() -> None:
    table = torch.rand(2, 7, 7)
    bias = position_bias(table)
    assert bias.shape == (2, 16, 16)
    for place, other in np.ndindex(16, 16):
        rows, columns = place // 4 - other // 4, place % 4 - other % 4
        assert torch.equal(bias[:, place, other], table[:, rows + 3, columns + 3])


def test_windows_are_cut_and_put_together() -> None:
    pictures, shape = torch.rand(2, 8, 12, 3), (2, 8, 12)
    features = pictures.flatten(0, 2)
    windows, shifted = into_windows(features, shape, 4), into_windows(features, shape, 4, 2)
    assert windows.shape == shifted.shape == (2 * 6, 16, 3)
    assert torch.equal(windows[4].unflatten(0, (4, 4)), pictures[0, 4:8, 4:8])
    assert torch.equal(shifted[1].unflatten(0, (4, 4)), pictures[0, 2:6, 6:10])
    assert torch.equal(shifted[11, -1], pictures[1, 1, 1])
    assert torch.equal(from_windows(windows, shape, 4), features)
    assert torch.equal(from_windows(shifted, shape, 4, 2), features)


@pytest.mark.parametrize("shifted", [False, True])
def test_half_the_channels_see_8_pixels_and_half_16(shifted: bool) -> None:
    layer = perturbed(WindowAttention(28, shifted=shifted, wide=True), seed=9).double()
    with torch.no_grad():
        layer.local.weight.zero_()
        x, shape = torch.rand(32 * 48, 28, dtype=torch.float64), (1, 32, 48)
        touched = x.clone()
        touched[17 * 48 + 18] += 1
        reached = ((layer(touched, shape) - layer(x, shape)).abs().amax(1) > 1e-12).unflatten(0, (32, 48))
    by = 8 if shifted else 0
    rows, columns = torch.nonzero(reached.any(1)).flatten(), torch.nonzero(reached.any(0)).flatten()
    assert rows.tolist() == list(range(16 - by, 32 - by))
    assert columns.tolist() == list(range(16 - by, 32 - by))


@pytest.mark.parametrize("system", [System.SD_CASSI, System.NDSSI])
def test_samples_do_not_see_each_other_and_may_have_masks_of_their_own(system: System) -> None:
    network = perturbed(HSRA(system, BANDS, SMALL), seed=10).double()
    measurement = scene(network, 40, 51, seed=11, samples=2)[0].double()
    masks = torch.rand(2, BANDS, 40, 51, generator=torch.Generator().manual_seed(17), dtype=torch.float64)
    with torch.inference_mode():
        together = network(measurement, masks)
        alone = network(measurement[1:], masks[1])
        shared_mask = network(measurement, masks[0])
    torch.testing.assert_close(together[1:], alone)
    torch.testing.assert_close(shared_mask[0], together[0])
    assert (shared_mask[1] - together[1]).abs().max() > 1e-3


def test_modulation_acts_after_every_norm() -> None:
    network = perturbed(HSRA(System.SD_CASSI, BANDS, SMALL), seed=12)
    (measurement, mask), sites = scene(network, 20, 30, seed=13), network.injection_sites()
    assert [site.name for site in sites[:4]] == [
        "encoder1.0.mk_ptm",
        "encoder1.0.lwim",
        "encoder1.0.ffn",
        "encoder1.1.mk_ptm",
    ]
    assert [(site.name, site.channels) for site in sites[6:8]] == [("encoder2.0.hm_ssa", 56), ("encoder2.0.ffn", 56)]
    assert [(site.name, site.channels) for site in sites[10:11]] == [("bottleneck.0.hm_ssa", 112)]
    assert len({site.name for site in sites}) == len(sites) == 2 * 3 + 5 * 2
    bench, seen = network.prepare(mask), measurement[:, 0]
    with torch.inference_mode():
        without = network.estimate(seen, bench)
        nothing, changes = modulation_of(network, 0.0), modulation_of(network, 0.3)
        assert torch.equal(network.estimate(seen, bench, nothing), without)
        for site in (*sites[:3], *sites[6:8], sites[-1]):
            changed = network.estimate(seen, bench, {**nothing, site.name: changes[site.name]})
            assert (changed - without).abs().max() > 1e-7, site


def test_gradients_reach_every_parameter() -> None:
    network = perturbed(HSRA(System.SD_CASSI, BANDS, SMALL), seed=14)
    network(*scene(network, 37, 50, seed=15)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_fresh_network_begins_near_the_first_estimate() -> None:
    torch.manual_seed(0)
    network = HSRA(System.SD_CASSI, BANDS, HSRA_S)
    measurement, mask = scene(network, 64, 64, seed=16)
    with torch.inference_mode():
        found = network(measurement, mask)[:, 0]
        first = network.prepare(mask).first_estimate(measurement[:, 0])
    assert 0 < (found - first).square().mean().sqrt() < 0.3 * first.square().mean().sqrt()
