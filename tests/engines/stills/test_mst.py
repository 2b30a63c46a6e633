"""MST against the published outputs, against a literal reading of its description, and against itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat
from torch import Tensor
from torch.nn import functional as F

from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.stills import strips
from livecassi.engines.networks.stills.cost import GIB, count_macs
from livecassi.engines.networks.stills.modulation import Modulation
from livecassi.engines.networks.stills.mst import MST, MST_L, MST_M, MST_S, MaskedBench

pytestmark = pytest.mark.usefixtures("one_thread")

BANDS = 5
SINGLE = System.SD_CASSI


def perturbed(depths: tuple[int, ...] = (1, 1, 2), bands: int = BANDS) -> MST:
    """A network in float64 whose norms and biases act."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = MST(SINGLE, bands, depths).double().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def scene(height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor]:
    """Measurements `(B, 1, H, W')` and masks of every sample `(B, C, H, W)`."""
    generator = torch.Generator().manual_seed(height)
    measurement = 3 * torch.rand(count, 1, height, width + 2 * (BANDS - 1), generator=generator, dtype=torch.float64)
    return measurement, torch.rand(count, BANDS, height, width, generator=generator, dtype=torch.float64)


def shifted_back(measurement: Tensor, width: int) -> Tensor:
    """The first estimate: `(B, 1, H, W')` to `(B, C, H, W)`."""
    return torch.cat([measurement[..., 2 * band : 2 * band + width] for band in range(BANDS)], 1) * 2 / BANDS


def literal(state: dict[str, Tensor], depths: tuple[int, ...], seen: Tensor, mask: Tensor) -> Tensor:
    """The network as it is described, on sides that are multiples of four: first estimate and mask `(B, C, H, W)`."""
    bands, width = mask.shape[1], mask.shape[-1]
    wide = torch.zeros(*mask.shape[:3], width + 2 * (bands - 1), dtype=mask.dtype)
    for band in range(bands):
        wide[:, band, :, 2 * band : 2 * band + width] = mask[:, band]

    def moved_back(x: Tensor, smaller: int) -> Tensor:
        starts = [int(2 / smaller**2 * channel) for channel in range(x.shape[1])]
        return torch.stack([x[:, c, :, start : start + width // smaller] for c, start in enumerate(starts)], 1)

    def attention(x: Tensor, shifted: Tensor, name: str, smaller: int) -> Tensor:
        p = {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
        mixed = F.conv2d(shifted, p["mm.conv1.weight"], p["mm.conv1.bias"])
        gate = F.conv2d(mixed, p["mm.conv2.weight"], p["mm.conv2.bias"])
        channels = x.shape[1]
        gate = F.conv2d(gate, p["mm.depth_conv.weight"], p["mm.depth_conv.bias"], padding=2, groups=channels)
        guide = moved_back(mixed + mixed * gate.sigmoid(), smaller)
        q, k, v = (torch.einsum("oc,bchw->bohw", p[f"to_{part}.weight"], x) for part in "qkv")
        found = []
        for head in range(smaller):
            own = slice(head * bands, (head + 1) * bands)
            queries, keys = (F.normalize(part[:, own].flatten(2), dim=-1) for part in (q, k))
            alike = torch.einsum("bin,bjn->bij", keys, queries) * p["rescale"][head]
            found.append(torch.einsum("bij,bjhw->bihw", alike.softmax(-1), (v * guide)[:, own]))
        out = torch.einsum("oc,bchw->bohw", p["proj.weight"], torch.cat(found, 1)) + p["proj.bias"][:, None, None]
        place = F.gelu(F.conv2d(v, p["pos_emb.0.weight"], padding=1, groups=channels))
        return out + F.conv2d(place, p["pos_emb.2.weight"], padding=1, groups=channels)

    def feed_forward(x: Tensor, name: str) -> Tensor:
        p = {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
        y = F.layer_norm(x.movedim(1, -1), x.shape[1:2], p["norm.weight"], p["norm.bias"]).movedim(-1, 1)
        y = F.gelu(F.conv2d(y, p["fn.net.0.weight"]))
        y = F.gelu(F.conv2d(y, p["fn.net.2.weight"], padding=1, groups=y.shape[1]))
        return F.conv2d(y, p["fn.net.4.weight"])

    def blocks(x: Tensor, shifted: Tensor, name: str, level: int) -> Tensor:
        for block in range(depths[level]):
            x = x + attention(x, shifted, f"{name}.blocks.{block}.0.", 2**level)
            x = x + feed_forward(x, f"{name}.blocks.{block}.1.")
        return x

    x = F.leaky_relu(F.conv2d(seen, state["embedding.weight"], padding=1), 0.1)
    kept, masks = [], [wide]
    for level in (0, 1):
        kept.append(blocks(x, masks[-1], f"encoder_layers.{level}.0", level))
        x = F.conv2d(kept[-1], state[f"encoder_layers.{level}.1.weight"], stride=2, padding=1)
        masks.append(F.conv2d(masks[-1], state[f"encoder_layers.{level}.2.weight"], stride=2, padding=1))
    x = blocks(x, masks[2], "bottleneck", 2)
    for layer, level in ((0, 1), (1, 0)):
        name = f"decoder_layers.{layer}"
        x = F.conv_transpose2d(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"], stride=2)
        x = F.conv2d(torch.cat((x, kept[level]), 1), state[f"{name}.1.weight"])
        x = blocks(x, masks[level], f"{name}.2", level)
    return F.conv2d(x, state["mapping.weight"], padding=1) + seen


def test_mst_s_gives_the_published_output(shared: Path) -> None:
    folder = shared / "golden" / "stills"
    state = torch.load(folder / "mst_s_weights_fp16.pt", weights_only=True)
    network = MST(SINGLE, 28, MST_S).eval()
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    mask = loadmat(str(shared / "data" / "masks" / "tsanet_sim_mask256.mat"))["mask"].astype(np.float32)
    with np.load(folder / "mst_s_tsa256.npz") as case, torch.inference_mode():
        found = network(torch.from_numpy(case["measurement"])[None, None], torch.from_numpy(mask))[0, 0].numpy()
        pairs = (found[:, ::4, ::4], case["output_every4"]), (found[:, :8], case["output_rows_0_8"])
    for ours, published in pairs:
        error = (ours - published).astype(np.float64)
        assert np.sqrt((error**2).mean()) <= 2e-6
        assert np.abs(error).max() <= 1e-4


@pytest.mark.parametrize(("height", "width"), [(4, 4), (20, 28), (1, 1), (3, 10), (9, 6)])
def test_any_scene_agrees_with_the_literal_reading(height: int, width: int) -> None:
    """Scenes that are no multiples are continued as in a mirror, estimate and mask alike."""
    depths = (1, 1, 2)
    network = perturbed(depths)
    measurement, masks = scene(height, width, 2)
    estimate = shifted_back(measurement, width).numpy()
    beyond = [(0, 0), (0, 0), (0, -height % 4), (0, -width % 4)]
    wide = [torch.from_numpy(np.pad(planes, beyond, mode="reflect")) for planes in (estimate, masks.numpy())]
    with torch.inference_mode():
        expected = literal(network.state_dict(), depths, *wide)[..., :height, :width]
        found = network(measurement, masks)[:, 0]
    assert found.std() > 0.05
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_a_picture_in_strips_is_the_whole_picture(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = perturbed()
    measurement, masks = scene(20, 12, 2)
    whole = network(measurement, masks).detach()  # as in training
    monkeypatch.setattr(strips, "VALUES", 1)
    monkeypatch.setattr(strips, "FEWEST_ROWS", rows)
    with torch.inference_mode():
        torch.testing.assert_close(network(measurement, masks), whole, rtol=0, atol=1e-12)


def test_a_bench_that_is_prepared_gives_what_its_mask_gives() -> None:
    network = perturbed()
    measurement, masks = scene(8, 13)
    with torch.inference_mode():
        ready = network.prepare(masks[0])
        assert isinstance(ready, MaskedBench)
        found = network(measurement, ready)
    with torch.no_grad():
        assert not isinstance(network.train().prepare(masks[0]), MaskedBench)
    plain = network.prepare(masks[0])
    torch.testing.assert_close(found, network(measurement, plain).detach(), rtol=0, atol=1e-12)


def test_a_bench_that_another_network_prepared_is_prepared_again() -> None:
    first, second = perturbed(), perturbed()
    with torch.inference_mode():
        for parameter in second.parameters():
            parameter.mul_(1.1)
        measurement, masks = scene(8, 12)
        assert torch.equal(second(measurement, first.prepare(masks)), second(measurement, second.prepare(masks)))


def test_training_reaches_every_parameter_through_a_bench_that_was_prepared() -> None:
    network = perturbed()
    measurement, masks = scene(8, 12)
    with torch.no_grad():
        bench = network.prepare(masks)
    network.train()(measurement, bench).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_samples_of_a_batch_do_not_mix() -> None:
    network = perturbed()
    measurement, masks = scene(8, 12, 3)
    with torch.inference_mode():
        together = network(measurement, masks)
        for sample in range(3):
            alone = network(measurement[sample : sample + 1], masks[sample])
            torch.testing.assert_close(together[sample : sample + 1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("brightness", [0, 0.01, 1, 100])
def test_in_fp16_black_frames_and_sums_over_many_pixels_are_numbers(brightness: float) -> None:
    network = perturbed().float()
    measurement, masks = (part.float() for part in scene(64, 96))
    with torch.inference_mode():
        expected = network(measurement * brightness, masks)
        with torch.autocast("cpu", torch.float16):
            found = network(measurement * brightness, masks)
    assert (found - expected).square().mean().sqrt() < 0.01 * expected.std()


def test_it_costs_what_the_authors_code_costs() -> None:
    """Counted as here (published-numbers.md, 5); the paper prints 12.96, 18.07 and 28.15, in 10^9 and with norms."""
    counted = {MST_S: 11.39, MST_M: 16.13, MST_L: 25.46}
    for depths, gimac in counted.items():
        network = MST(SINGLE, 28, depths).eval()
        assert count_macs(network, 256, 256) / GIB == pytest.approx(gimac, abs=0.005)
    assert sum(parameter.numel() for parameter in MST(SINGLE, 28, MST_S).parameters()) == 922_648


def test_a_prior_acts_at_every_site_and_nowhere_without() -> None:
    network = perturbed()
    measurement, masks = scene(8, 12, 2)
    sites = network.injection_sites()
    assert [site.name for site in sites[:2]] == ["encoder.0.0.attention", "encoder.0.0.feed_forward"]
    assert len({site.name for site in sites}) == len(sites) == 2 * 6
    assert sorted({site.channels for site in sites}) == [BANDS, 2 * BANDS, 4 * BANDS]
    nothing: Modulation = {site.name: (torch.zeros(2, site.channels).double(),) * 2 for site in sites}
    with torch.inference_mode():
        bench = network.prepare(masks)
        plain = network.estimate(measurement[:, 0], bench)
        assert torch.equal(network.estimate(measurement[:, 0], bench, nothing), plain)
        for site in sites:
            for part in (0, 1):
                pair = list(nothing[site.name])
                pair[part] = pair[part] + torch.linspace(0.2, 0.5, site.channels, dtype=torch.float64)
                changed = network.estimate(measurement[:, 0], bench, {**nothing, site.name: (pair[0], pair[1])})
                assert (changed - plain).abs().amax((1, 2, 3)).min() > 1e-6


@pytest.mark.parametrize("system", [System.DD_CASSI, System.NDSSI])
def test_dual_dispersers_are_refused(system: System) -> None:
    with pytest.raises(EngineMismatchError, match="single disperser"):
        MST(system, 28, MST_S)
