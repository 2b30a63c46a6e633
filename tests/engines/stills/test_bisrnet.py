"""BiSRNet: its units against their formulas, the whole against the published output, and on real scenes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.calibration import System, sensing_model
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.metrics import score
from livecassi.engines.networks.stills import strips
from livecassi.engines.networks.stills.bisrnet import BiSRNet
from livecassi.engines.networks.stills.bisrnet.cost import count_binary
from livecassi.engines.networks.stills.bisrnet.units import (
    BinaryActivation,
    BinaryConvolution,
    BinaryUnit,
    Decrease,
    Down,
    Increase,
    ReDistribution,
    RPReLU,
    Up,
)
from livecassi.engines.networks.stills.cost import GIGA, count_macs
from livecassi.engines.networks.stills.modulation import Modulation
from livecassi.engines.protocol import load_scene, protocol_calibration

pytestmark = pytest.mark.usefixtures("one_thread")

BANDS = 4
SINGLE = System.SD_CASSI


@pytest.fixture(autouse=True)
def one_seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        yield


def filled(layer: nn.Module, seed: int = 1) -> nn.Module:
    """The layer in float64, every parameter away from where it starts; some weights are zero."""
    generator = torch.Generator().manual_seed(seed)
    layer = layer.double()
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(noise if name.endswith("b") or "bias" in name else 0.3 * noise)
            if parameter.ndim == 4 and parameter.shape[0] > 1:
                parameter[parameter.abs() < 0.02] = 0
                parameter[0, 0, 0, 0] = 1.7  # beyond what the gradient reaches
    return layer


def features(*shape: int, seed: int = 2) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x.view(-1)[::7] = 0
    return x


def unit_by_hand(unit: nn.Module, x: Tensor, groups: int = 1) -> Tensor:
    """Redistributed, its signs, convolved with α times signs, bent, and added to what came in."""
    p = dict(unit.named_parameters())
    weight = p["binary_conv.weight"]
    alpha = weight.abs().flatten(1).mean(1)
    signs = torch.sign(p["move0.k"] * x + p["move0.b"])
    y = F.conv2d(signs, torch.sign(weight), padding=weight.shape[-1] // 2, groups=groups) * alpha[:, None, None]
    y = y + p["relu.pr_bias0.bias"]
    y = torch.where(y > 0, y, p["relu.pr_prelu.weight"][:, None, None] * y) + p["relu.pr_bias1.bias"]
    return y + x


def assert_same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_redistribution_is_linear_in_every_channel() -> None:
    layer = filled(ReDistribution(3))
    x = features(2, 3, 4, 5)
    k, b = (dict(layer.named_parameters())[name].view(3, 1, 1) for name in "kb")
    assert_same(layer(x), k * x + b)


def test_activations_are_signs_with_the_gradient_of_a_tanh() -> None:
    layer = BinaryActivation().double()
    with torch.no_grad():
        layer.beta.fill_(2.3)
    x = features(1, 3, 5, 7).requires_grad_()
    given = features(1, 3, 5, 7, seed=9)
    signs = layer(x)
    assert torch.equal(signs, torch.sign(x.detach()))
    assert (signs == 0).sum() == 15  # where x is
    signs.backward(given)
    steep = 1 - torch.tanh(2.3 * x.detach()) ** 2
    assert x.grad is not None
    assert layer.beta.grad is not None
    assert_same(x.grad, given * 2.3 * steep)
    assert_same(layer.beta.grad, (given * x.detach() * steep).sum().view(1))
    with torch.no_grad():
        assert torch.equal(layer(x), torch.sign(x))


@pytest.mark.parametrize("groups", [1, 2])
def test_weights_are_signs_of_one_size_with_the_gradient_of_clipped_ones(groups: int) -> None:
    layer = filled(BinaryConvolution(4, 3, groups))
    assert isinstance(layer, BinaryConvolution)
    x = features(2, 4, 5, 6)
    weight = layer.weight.detach()
    alpha = weight.abs().flatten(1).mean(1).view(-1, 1, 1, 1)
    binary = (alpha * torch.sign(weight)).requires_grad_()
    given = features(2, 4, 5, 6, seed=9)
    expected = F.conv2d(x, binary, padding=1, groups=groups)
    expected.backward(given)
    found = layer(x)
    assert_same(found, expected)
    found.backward(given)
    assert layer.weight.grad is not None
    assert binary.grad is not None
    inside = weight.abs() <= 1
    assert not inside.all()
    assert_same(layer.weight.grad, binary.grad * inside)
    with torch.no_grad():
        assert_same(layer(x), found)


def test_rprelu_bends_elsewhere() -> None:
    layer = filled(RPReLU(3))
    before, slope, after = (parameter.view(3, 1, 1) for parameter in layer.parameters())
    x = features(2, 3, 4, 5)
    moved = x + before
    assert_same(layer(x), moved.clamp(min=0) + slope * moved.clamp(max=0) + after)


@pytest.mark.parametrize(("side", "groups"), [(1, 1), (3, 1), (3, 2)])
def test_a_unit_is_what_its_parts_say(side: int, groups: int) -> None:
    unit = filled(BinaryUnit(4, side, groups))
    x = features(2, 4, 5, 6)
    assert_same(unit(x), unit_by_hand(unit, x, groups))
    with torch.no_grad():
        assert_same(unit(x), unit_by_hand(unit, x, groups))


def test_units_in_pairs_increase_and_decrease() -> None:
    x = features(2, 4, 6, 8)
    increase, decrease = filled(Increase(4, 1)), filled(Decrease(2, 3))
    first, second = increase.children()
    assert_same(increase(x), torch.cat((unit_by_hand(first, x), unit_by_hand(second, x)), 1))
    first, second = decrease.children()
    assert_same(decrease(x), (unit_by_hand(first, x[:, :2]) + unit_by_hand(second, x[:, 2:])) / 2)


def test_down_averages_four_pixels() -> None:
    down = filled(Down(2))
    x = features(2, 2, 6, 8)
    mean = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
    first, second = down.children()
    assert_same(down(x), torch.cat((unit_by_hand(first, mean), unit_by_hand(second, mean)), 1))


def test_up_interpolates_between_pixels() -> None:
    up = filled(Up(2))
    x = features(2, 4, 3, 5)
    for axis in (2, 3):  # every pixel becomes two, a quarter of a pixel before and behind it
        size = x.shape[axis]
        before = x.index_select(axis, torch.tensor([max(place - 1, 0) for place in range(size)]))
        behind = x.index_select(axis, torch.tensor([min(place + 1, size - 1) for place in range(size)]))
        x = torch.stack((0.75 * x + 0.25 * before, 0.75 * x + 0.25 * behind), axis + 1).flatten(axis, axis + 1)
    first, second = up.children()
    assert_same(up(features(2, 4, 3, 5)), (unit_by_hand(first, x[:, :2]) + unit_by_hand(second, x[:, 2:])) / 2)


def perturbed() -> BiSRNet:
    network = filled(BiSRNet(SINGLE, BANDS)).eval()
    assert isinstance(network, BiSRNet)
    return network


def scene(height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor]:
    """Measurements `(B, 1, H, W')` and masks of every sample `(B, C, H, W)`."""
    generator = torch.Generator().manual_seed(height)
    measurement = 3 * torch.rand(count, 1, height, width + 2 * (BANDS - 1), generator=generator, dtype=torch.float64)
    return measurement, torch.rand(count, BANDS, height, width, generator=generator, dtype=torch.float64)


def trained(shared: Path) -> tuple[BiSRNet, Tensor]:
    """With the authors' weights, and the mask they are for."""
    network = BiSRNet(SINGLE, 28).eval()
    weights = shared / "data" / "weights" / "bisci_simulation_bisrnet.pth"
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    mask = loadmat(str(shared / "data" / "masks" / "tsanet_sim_mask256.mat"))["mask"].astype(np.float32)
    return network, torch.from_numpy(mask)


def test_the_published_output_is_met_as_far_as_signs_allow(shared: Path) -> None:
    network, mask = trained(shared)
    with np.load(shared / "golden" / "stills" / "bisrnet_tsa256.npz") as case, torch.inference_mode():
        found = network(torch.from_numpy(case["measurement"])[None, None], mask)[0, 0].numpy()
        pairs = (found[:, ::4, ::4], case["output_every4"]), (found[:, :8], case["output_rows_0_8"])
    for ours, published in pairs:
        assert np.sqrt(np.square(ours - published, dtype=np.float64).mean()) <= 3e-2


def test_all_between_the_ends_is_binary() -> None:
    network = perturbed()
    seen: list[Tensor] = []
    weights: list[Tensor] = []
    for layer in network.modules():
        if isinstance(layer, BinaryConvolution):
            layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
            weights.append(layer.weight)
    with torch.inference_mode():
        network(*scene(8, 16))
    assert len(seen) == len(weights) == 59
    assert all(torch.isin(x, torch.tensor([-1.0, 0.0, 1.0]).double()).all() for x in seen)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 10), (17, 8)])
def test_any_scene_is_one_that_is_continued_as_in_a_mirror(height: int, width: int) -> None:
    network = perturbed()
    measurement, masks = scene(height, width, 2)
    seen = torch.cat([measurement[..., 2 * band : 2 * band + width] for band in range(BANDS)], 1) * 2 / BANDS
    beyond = [(0, 0), (0, 0), (0, -height % 8), (0, -width % 8)]
    wide = torch.from_numpy(np.pad(torch.cat((seen, masks), 1).numpy(), beyond, mode="reflect"))
    with torch.inference_mode():
        x = network.conv_in(network.fution(wide))
        expected = (network.conv_out(network.body[0](x, None)) + x)[..., :height, :width]
        found = network(measurement, masks)[:, 0]
    assert found.shape == (2, BANDS, height, width)
    assert (found - expected).square().mean().sqrt() < 0.02 * expected.std()  # a sign may turn


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_a_picture_in_strips_is_the_whole_picture(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: signs are added up exactly."""
    network = perturbed()
    measurement, masks = scene(24, 16, 2)
    with torch.inference_mode():
        whole = network(measurement, masks)
        monkeypatch.setattr(strips, "VALUES", 1)
        monkeypatch.setattr(strips, "FEWEST_ROWS", rows)
        assert torch.equal(network(measurement, masks), whole)


def test_every_sample_of_a_batch_has_its_mask() -> None:
    network = perturbed()
    measurement, masks = scene(8, 12, 2)
    with torch.inference_mode():
        together, swapped = network(measurement, masks), network(measurement, masks.flip(0))
        alone = network(measurement[1:], masks[1])
    assert (together[1:] - alone).square().mean().sqrt() < 0.02 * alone.std()
    assert (together - swapped).square().mean().sqrt() > 0.1 * together.std()


def test_training_reaches_every_parameter() -> None:
    network = perturbed().train()
    measurement, masks = scene(16, 24)
    network(measurement, masks).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_a_prior_acts_at_every_site_and_nowhere_without() -> None:
    network = perturbed()
    measurement, masks = scene(8, 16, 2)
    sites = network.injection_sites()
    names = ["encoder.0", "encoder.1", "bottleneck.2", "decoder.1", "decoder.0"]
    assert [site.name for site in sites] == [f"{name}.feed_forward" for name in names]
    assert [site.channels for site in sites] == [BANDS, 2 * BANDS, 4 * BANDS, 2 * BANDS, BANDS]
    nothing: Modulation = {site.name: (torch.zeros(2, site.channels).double(),) * 2 for site in sites}
    with torch.inference_mode():
        bench = network.prepare(masks)
        plain = network.estimate(measurement[:, 0], bench)
        assert torch.equal(network.estimate(measurement[:, 0], bench, nothing), plain)
        for site in sites:
            for part in (0, 1):
                pair = list(nothing[site.name])
                pair[part] = pair[part] + torch.linspace(0.4, 0.9, site.channels, dtype=torch.float64)
                changed = network.estimate(measurement[:, 0], bench, {**nothing, site.name: (pair[0], pair[1])})
                assert (changed - plain).abs().amax((1, 2, 3)).min() > 1e-6


def test_the_published_costs_are_met() -> None:
    cost = count_binary(28, 256, 256)
    assert cost.published_macs / GIGA == pytest.approx(1.18, abs=0.005)
    assert cost.macs / GIGA == pytest.approx(10.47, abs=0.005)
    assert cost.macs == count_macs(BiSRNet(SINGLE, 28), 256, 256)
    assert cost.weights == 659_319
    assert cost.published_weights / 1e6 == pytest.approx(0.036, abs=0.0005)
    assert cost.packed_weights == 67_343  # what really is to be kept
    assert count_binary(28, 250, 251).binary_macs == cost.binary_macs  # continued to the same multiples


@pytest.mark.parametrize("system", [System.DD_CASSI, System.NDSSI])
def test_dual_dispersers_are_refused(system: System) -> None:
    with pytest.raises(EngineMismatchError, match="single disperser"):
        BiSRNet(system, 28)


@pytest.mark.parametrize(("name", "decibels"), [("fake_and_real_food", 29.5), ("feathers", 28.2)])
def test_the_authors_weights_reconstruct_real_scenes(shared: Path, name: str, decibels: float) -> None:
    """Measured: 30.23 and 28.91 dB, plain, without noise; of all five scenes of the protocol 26.69 dB."""
    pytest.importorskip("imagecodecs", reason="the scenes are JPEG XL")
    network, mask = trained(shared)
    calibration = protocol_calibration(SINGLE, mask.numpy())
    truth = load_scene(shared / "data" / "scenes" / "cave", name).bands(calibration.wavelengths_nm)
    measured = torch.from_numpy(sensing_model(calibration).forward(truth))
    with torch.inference_mode():
        cube = network(measured[None, None], network.for_bench(calibration))[0, 0].numpy()
    assert score(cube, truth).psnr_db > decibels
