"""The Spectral Diffusion Prior: what it promises before it is trained, and the mathematics of its few steps."""

from math import sqrt

import numpy as np
import pytest
import torch
from tiny_stills import WIDTHS, TinyStill
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.network_options import MOST_STARTS
from livecassi.engines.networks.stills.family import DUAL_BANDS, SINGLE_BANDS, WITH_PRIOR, still_family
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.networks.stills.sdp import HOST, LIGHT, USUAL, Oracle, SDPNetwork, SDPSize, Sites
from livecassi.engines.networks.stills.sdp.diffusion import Schedule
from livecassi.engines.networks.stills.sdp.encoder import FeatureEncoder
from livecassi.engines.networks.stills.sdp.standard import Standardised

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = SDPSize(8, 1, 16)
HOSTS = [name for name in still_family() if not name.endswith(WITH_PRIOR)]
SHARES = Schedule()


def plugged(sites: Sites = Sites.BLOCK, host: StillNetwork | None = None) -> SDPNetwork:
    torch.manual_seed(0)
    return SDPNetwork(TinyStill() if host is None else host, SMALL, sites).eval()


def awakened(network: SDPNetwork) -> SDPNetwork:
    """With injectors that do something."""
    for weight in network.injectors.parameters():
        torch.nn.init.kaiming_normal_(weight)
    return network


def scene(bands: int = 5, samples: int = 2, height: int = 14, width: int = 21) -> tuple[Tensor, Tensor]:
    """Measurements `(B, 1, H, W')` and masks `(B, C, H, W)`."""
    random = torch.Generator().manual_seed(3)
    masks = torch.rand(samples, 1, height, width, generator=random).expand(-1, bands, -1, -1)
    return torch.rand(samples, 1, height, width + 2 * (bands - 1), generator=random), masks


# ---- before it is trained --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTS)
@torch.no_grad()
def test_a_prior_that_has_learned_nothing_leaves_its_host_exactly_as_it_is(name: str) -> None:
    torch.manual_seed(1)
    network = still_family()[name + WITH_PRIOR].build(System.SD_CASSI, SINGLE_BANDS)
    assert isinstance(network, SDPNetwork)
    measurement, masks = scene(SINGLE_BANDS, 1)
    expected = network.host.eval()(measurement, masks)
    assert torch.equal(network.eval()(measurement, masks), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(measurement, masks), network.host(measurement, masks))
    own = still_family()[name].build(System.SD_CASSI, SINGLE_BANDS).state_dict()
    assert {key.removeprefix(HOST) for key in network.state_dict() if key.startswith(HOST)} == own.keys()


@torch.no_grad()
def test_so_it_does_behind_a_dual_disperser() -> None:
    network = plugged(host=TinyStill(System.DD_CASSI, DUAL_BANDS))
    masks = scene(DUAL_BANDS)[1]
    measurement = torch.rand(2, 1, *masks.shape[-2:])
    assert torch.equal(network(measurement, masks), network.host(measurement, masks))


@torch.no_grad()
def test_every_stage_of_an_unfolding_host_is_given() -> None:
    network = awakened(plugged())
    stages = network(*scene(), every_stage=True)
    assert stages.shape[1] == 2
    assert torch.equal(stages[:, 1:], network(*scene()))


# ---- where it acts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sites", "names"),
    [("block", list(WIDTHS)), ("stage", ["in", "middle.0", "out"]), ("bottleneck", list(WIDTHS)[1:3])],
)
@torch.no_grad()
def test_sites_are_all_the_first_of_each_scale_or_those_with_most_channels(sites: Sites, names: list[str]) -> None:
    network = awakened(plugged(Sites(sites)))
    measurement, masks = scene()
    bench = network.prepare(masks)
    modulation = network.modulation(measurement[:, 0], bench, network.prior)
    assert list(modulation) == names
    assert [gain.shape for gain, _ in modulation.values()] == [(2, WIDTHS[name]) for name in names]
    assert not torch.equal(network(measurement, bench), network.host(measurement, bench))


@torch.no_grad()
def test_a_vector_of_another_scene_changes_the_result_and_the_same_scene_gives_the_same() -> None:
    network = awakened(plugged())
    measurement, masks = scene()
    bench = network.prepare(masks)
    own = network.modulation(measurement[:, 0], bench, network.prior)
    shuffled = {site: (gain.flip(0), offset.flip(0)) for site, (gain, offset) in own.items()}
    result = network.estimate(measurement[:, 0], bench)
    assert torch.equal(network.estimate(measurement[:, 0], bench, own), result)
    assert not torch.allclose(network.estimate(measurement[:, 0], bench, shuffled), result, atol=1e-4)
    again = awakened(plugged())
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(measurement, bench)[:, 0], result)


@torch.no_grad()
def test_the_starting_noises_are_the_same_in_every_network_and_do_not_touch_random_numbers() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    host = TinyStill()
    state = torch.random.get_rng_state()
    one = SDPNetwork(host, SMALL)
    torch.random.set_rng_state(state)
    assert torch.equal(one.prior.starts, plugged().prior.starts)
    assert one.prior.starts.shape == (MOST_STARTS, SMALL.dim)
    torch.manual_seed(5)
    one.eval()(*scene())
    assert torch.equal(torch.rand(3), expected)


@torch.no_grad()
def test_cubes_of_several_starts_begin_with_the_usual_one_and_run_the_encoder_once() -> None:
    network = awakened(plugged())
    seen: list[Tensor] = []
    network.prior.measured.register_forward_hook(lambda _, inputs, output: seen.append(output))
    measurement, masks = scene()
    cubes = network.estimates(measurement, network.prepare(masks), 3)
    assert len(seen) == 1
    assert cubes.shape == (2, 3, 5, 14, 21)
    torch.testing.assert_close(cubes[:, :1], network(measurement, masks))
    assert cubes.std(1).max() > 1e-4
    for starts in (0, 9):
        with pytest.raises(EngineMismatchError, match=f"cubes of {starts} starting noises .* choose 1 to 8"):
            network.estimates(measurement, network.prepare(masks), starts)
    with pytest.raises(EngineMismatchError, match="the measurement has shape"):
        network.estimates(measurement[..., 1:], network.prepare(masks), 2)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 9)])
@torch.no_grad()
def test_scenes_of_any_size_have_one_vector(size: tuple[int, int]) -> None:
    measurement, masks = scene(5, 2, *size)
    assert awakened(plugged())(measurement, masks).shape == (2, 1, 5, *size)


# ---- mathematics -----------------------------------------------------------------------------------------------------


def test_the_schedule_is_the_published_one() -> None:
    betas = np.linspace(sqrt(0.1), sqrt(0.99), 4) ** 2
    assert SHARES.betas == pytest.approx(betas)
    assert SHARES.left(0) == 1
    assert SHARES.left(4) == pytest.approx(np.prod(1 - betas))
    assert SHARES.left(4) == pytest.approx(2.6e-3, rel=0.02)


def test_a_step_back_is_the_mean_of_what_bayes_says() -> None:
    for step in range(2, 5):
        beta, before = SHARES.betas[step - 1], SHARES.left(step - 1)
        precision = (1 - beta) / beta + 1 / (1 - before)  # of z_{t-1}, told z_t and z_0: two Gaussians multiplied
        expected = sqrt(before) / (1 - before) / precision, sqrt(1 - beta) / beta / precision
        assert SHARES.posterior(step) == pytest.approx(expected)
    assert SHARES.posterior(1) == pytest.approx((1, 0))


def test_the_forward_process_has_the_mean_and_the_variance_that_it_says() -> None:
    exact = torch.tensor([[2.0, -1.0, 0.5]]).expand(100_000, -1)
    noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1))
    stepwise = exact
    for step in range(1, 5):
        fresh = torch.randn(exact.shape, generator=torch.Generator().manual_seed(10 + step))
        stepwise = sqrt(1 - SHARES.betas[step - 1]) * stepwise + sqrt(SHARES.betas[step - 1]) * fresh
        left = SHARES.left(step)
        for noised in (SHARES.noised(exact, step, noise), stepwise):
            torch.testing.assert_close(noised.mean(0), sqrt(left) * exact[0], atol=0.015, rtol=0)
            torch.testing.assert_close(noised.var(0), torch.full((3,), 1 - left), atol=0.02, rtol=0)


def test_a_denoiser_that_knows_leads_back_whatever_the_start_and_is_told_the_time() -> None:
    exact, start = torch.randn(3, 7), torch.randn(3, 7)
    times: list[float] = []
    states: list[Tensor] = []

    def knows(time: Tensor, state: Tensor) -> Tensor:
        times.append(float(time[0, 0]))
        states.append(state)
        return exact

    assert torch.equal(SHARES.reverse(knows, start), exact)
    assert times == pytest.approx([0.1, 0.075, 0.05, 0.025])
    after, before = SHARES.posterior(4)
    torch.testing.assert_close(states[1], after * exact + before * start)


@pytest.mark.parametrize(("size", "gmac", "millions"), [(USUAL, 4.68, 1.28), (LIGHT, 1.28, 0.35)])
def test_the_encoders_cost_what_was_planned(size: SDPSize, gmac: float, millions: float) -> None:
    with torch.device("meta"):
        encoder = FeatureEncoder(28, size.width, size.blocks, size.dim)
        with FlopCounterMode(display=False) as counter:
            encoder(torch.empty(1, 28, 256, 256))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, rel=0.02)
    assert sum(one.numel() for one in encoder.parameters()) / 1e6 == pytest.approx(millions, rel=0.02)


def test_vectors_are_standardised_over_the_scenes_of_past_batches() -> None:
    standard, offsets = Standardised(3), torch.tensor([4.0, -2.0, 0.0])
    random = torch.Generator().manual_seed(2)

    def batch(size: int = 6) -> Tensor:
        return (offsets + 0.1 * torch.randn(size, 3, generator=random)).requires_grad_()

    for _ in range(60):
        standard(batch())
    many = standard.eval()(batch(4000))
    torch.testing.assert_close(many.mean(0), torch.zeros(3), atol=0.5, rtol=0)
    torch.testing.assert_close(many.std(0), torch.ones(3), atol=0.3, rtol=0)
    two = batch(2)
    torch.testing.assert_close(standard(two)[:1], standard(two[:1]))  # whatever else is in the batch
    before = {name: tensor.clone() for name, tensor in standard.state_dict().items()}
    held = standard.train()(two.detach())
    torch.testing.assert_close(held, standard.eval()(two))
    assert all(torch.equal(before[name], tensor) for name, tensor in standard.state_dict().items())


def test_no_gradient_makes_standardised_vectors_equal() -> None:
    standard, vectors = Standardised(4), torch.randn(5, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    found = standard(vectors)
    torch.autograd.backward((found * torch.arange(20.0).reshape(5, 4).sin()).sum())
    assert vectors.grad is not None
    torch.testing.assert_close(vectors.grad.sum(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close((vectors.grad * (vectors - vectors.mean(0))).sum(0), torch.zeros(4), atol=1e-4, rtol=0)


# ---- lessons ---------------------------------------------------------------------------------------------------------


def test_a_lesson_goes_on_from_the_truth_and_from_what_is_predicted() -> None:
    network = awakened(plugged())
    measurement, masks = scene()
    bench = network.prepare(masks)
    truth = torch.rand(2, 5, 14, 21)
    with torch.no_grad():
        lesson = network(measurement, bench, truth=truth, told=1, every_stage=True)
        known = network.modulation(measurement[:, 0], bench, Oracle(network.prior, truth))
        predicted = network(measurement, bench)
        exact = network.estimate(measurement[:, 0], bench, known)
    assert lesson.cubes.shape == (2, 2, 5, 14, 21)
    torch.testing.assert_close(lesson.cubes[0, -1], exact[0])
    torch.testing.assert_close(lesson.cubes[1, -1], predicted[1, 0])
    network.train()
    lessons = [network(measurement, bench, truth=truth, told=0) for _ in range(2)]
    assert torch.equal(lessons[0].exact, lessons[1].exact)
    assert not torch.equal(lessons[0].predicted, lessons[1].predicted)


def test_it_is_written_as_a_graph() -> None:
    pytest.importorskip("onnxscript", reason="torch exports networks with onnxscript")
    from onnx.reference import ReferenceEvaluator

    from livecassi.engines.exporting.torch_graph import graph_of

    network = awakened(plugged())
    measurement, masks = scene(samples=1)
    bench = network.prepare(masks)
    model = graph_of(network, lambda seen: network(seen, bench), {"y": tuple(measurement.shape)}, "x", "tiny")
    assert not {node.op_type for node in model.graph.node} & {"RandomNormal", "RandomNormalLike", "If", "Loop"}
    (found,) = ReferenceEvaluator(model).run(None, {"y": measurement.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), network(measurement, bench), rtol=1e-4, atol=1e-5)
