"""Still networks are trained: what they are told and asked for, with and without a prior, here and after a stop."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_stills import TinyStill
from tiny_training import CPU
from torch import Tensor
from torch.nn import Module

from livecassi.app.recipes import find_recipe, shipped_recipes
from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError, WeightsError
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.networks.stills.sdp import HOST, SDPNetwork, SDPSize
from livecassi.engines.networks.stills.sdp_training import SDPSettings, SDPTask
from livecassi.engines.networks.stills.training import StillSettings, StillTask, staged_error
from livecassi.engines.training.checkpoints import read_checkpoint
from livecassi.engines.training.export import export_weights
from livecassi.engines.training.progress import Outcome
from livecassi.engines.training.recipe import Recipe, RecipeError, parse_recipe, parse_table, read_recipe
from livecassi.engines.training.start import load_start
from livecassi.engines.training.stopping import Stopping
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Draw
from livecassi.engines.training.tasks import make_task, task_makers
from livecassi.engines.training.trainer import Trainer
from livecassi.engines.weights import WeightsCard, save_weights

pytestmark = pytest.mark.usefixtures("one_thread")

NM = np.arange(400.0, 701.0, 10.0)
MATERIALS = SpectralMaterials(NM, np.ones((1, len(NM))), np.ones(1), np.ones((1, len(NM))))
HEIGHT, WIDTH, BANDS = 22, 34, 5
RECIPE = f"""
[run]
network = "tiny"
system = "sd-cassi"
steps = 3
batch = 2
workers = 0
device = "cpu"
learning_rate = 3e-3
log_every = 1
validate_every = 3
checkpoint_every = 1
[network]
crop = [{HEIGHT}, {WIDTH}]
validation_crop = [{HEIGHT}, {WIDTH}]
wavelengths = "450:650:50"
"""
EVERYTHING = ("network.noise={}", "network.variation={}", "network.mosaic=0.5")


class SmoothClips:
    """Smooth patches, drawn anew for every clip."""

    def clip(
        self, random: np.random.Generator, frames: int, height: int, width: int, wavelengths_nm: NDArray[np.floating]
    ) -> Tensor:
        coarse = torch.from_numpy(random.random((frames, len(wavelengths_nm), 4, 5), np.float32))
        return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


def tiny_spec(name: str, build: Callable[[System], Module]) -> NetworkSpec:
    return NetworkSpec(name, "tiny", 1, BANDS, 2, frozenset(System), build, follows_shifts=True)


TINY = tiny_spec("tiny", lambda system: TinyStill(system, BANDS))
TINY_SDP = tiny_spec("tiny+sdp", lambda system: SDPNetwork(TinyStill(system, BANDS), SDPSize(8, 1, 16)))


def recipe(*changes: str) -> Recipe:
    return parse_recipe(RECIPE, "tiny", "tiny.toml", changes)


def task(*changes: str) -> StillTask:
    order = recipe(*changes)
    return StillTask(order, SmoothClips(), parse_table(StillSettings, order.network, "tiny"), None, TINY)


def sdp_recipe(stage: int, start: Path, *changes: str) -> Recipe:
    return recipe("run.network=tiny+sdp", f"network.stage={stage}", f"run.start='{start}'", *changes)


def sdp_task(order: Recipe) -> SDPTask:
    return SDPTask(order, SmoothClips(), parse_table(SDPSettings, order.network, "tiny"), None, TINY_SDP)


def saved(path: Path, network: Module, card: WeightsCard) -> Path:
    save_weights(path, card, network.state_dict())
    return path


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Weights of the host."""
    torch.manual_seed(9)
    return saved(tmp_path / "tiny.safetensors", task().build(), task().card())


# ---- samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_a_measurement_is_what_the_bench_of_its_batch_makes_of_the_truth(system: System) -> None:
    made = task(f"run.system={system}", "network.variation={}", "network.mosaic=0.5")
    batch = made.batch(Draw(3, 4, 3))
    wide = WIDTH + (2 * (BANDS - 1) if system.single_disperser else 0)
    assert batch["measurement"].shape == (3, 1, HEIGHT, wide)
    assert batch["truth"].shape == (3, BANDS, HEIGHT, WIDTH)
    assert not torch.equal(batch["mask"][0], batch["mask"][1])
    expected = made.bench(batch).forward(batch["truth"])
    torch.testing.assert_close(batch["measurement"][:, 0], expected, rtol=1e-4, atol=1e-5)


def test_the_shifts_of_a_batch_are_the_same_and_those_of_the_next_are_others() -> None:
    made = task(*EVERYTHING)
    one, again, other = (made.batch(Draw(3, step, 2)) for step in (4, 4, 5))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert torch.equal(one["shifts_px"][0], one["shifts_px"][1])
    assert not torch.equal(one["shifts_px"], other["shifts_px"])
    assert (one["shifts_px"] - 2 * torch.arange(BANDS)).abs().max() <= 1
    assert not torch.equal(one["truth"], other["truth"])


def test_a_mosaic_has_four_scenes_in_its_quarters() -> None:
    whole, parts = (task(f"network.mosaic={share}").batch(Draw(0, 0, 1))["truth"][0] for share in (0.0, 1.0))
    for side, axis in ((HEIGHT // 2, 1), (WIDTH // 2, 2)):
        for cube, seams in ((whole, False), (parts, True)):
            steps = cube.diff(dim=axis).abs().mean((0, 3 - axis))
            seam = float(steps[side - 1])
            steps[side - 1] = 0
            assert (seam > 2 * float(steps.max())) == seams


def test_bands_are_those_of_the_protocol_unless_others_are_named() -> None:
    order = recipe("run.network=mst-s", "network.wavelengths=''")
    card = make_task(order, SmoothClips(), MATERIALS).card()
    assert (card.network, card.bands) == ("mst-s", 28)
    assert card.wavelengths_nm is not None
    assert (card.wavelengths_nm[0], card.wavelengths_nm[-1]) == (453.5, 648)
    dual = make_task(
        recipe("run.network=hsra-s", "run.system=dd-cassi", "network.wavelengths=''"), SmoothClips(), MATERIALS
    )
    assert dual.card().bands == 30
    with pytest.raises(EngineMismatchError, match="reconstructs 28 bands"):
        make_task(recipe("run.network=mst-s"), SmoothClips(), MATERIALS)
    with pytest.raises(EngineMismatchError, match="made for sd-cassi"):
        make_task(recipe("run.network=mst-s", "run.system=dd-cassi"), SmoothClips(), MATERIALS)


# ---- without a prior -------------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_root_error_of_the_samples_and_of_earlier_stages_in_part() -> None:
    truth = torch.zeros(2, 3, 4, 5)
    stages = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])[..., None, None, None].expand(-1, -1, 3, 4, 5)
    torch.testing.assert_close(staged_error(stages, truth), torch.tensor(2 + 0.7 * 2 + 0.5 * 2))
    made = task()
    torch.manual_seed(0)
    network, batch = made.build(), made.batch(Draw(0, 0, 2))
    with torch.no_grad():
        cubes = network(batch["measurement"], made.bench(batch), every_stage=True)
        errors = (cubes - batch["truth"][:, None]).square().mean((2, 3, 4)).sqrt().mean(0)
        torch.testing.assert_close(made.loss(network, batch), errors[1] + 0.7 * errors[0])


def test_the_loss_of_a_batch_falls() -> None:
    made = task("network.variation={}")
    torch.manual_seed(0)
    network, batch = made.build(), made.batch(Draw(0, 0, 2))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = made.loss(network, batch)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_a_run_goes_on_where_it_stopped_and_is_validated(tmp_path: Path) -> None:
    def trained(folder: Path, *limits: int) -> list[list[str]]:
        folder.mkdir()
        for steps in limits:
            order = recipe(f"run.steps={steps}", "run.schedule=constant", *EVERYTHING)
            assert Trainer(task(*EVERYTHING), order, folder, CPU).train(Stopping()) is Outcome.FINISHED
        return [line.split(",")[:2] for line in (folder / "log.csv").read_text().splitlines()]

    whole = trained(tmp_path / "whole", 3)
    assert len(whole) == 4
    assert trained(tmp_path / "parts", 2, 3) == whole
    last = (tmp_path / "whole" / "validation.csv").read_text().splitlines()
    assert {"psnr_db", "ssim", "sam_deg"} <= set(last[0].split(","))


def test_it_is_scored_on_a_held_out_scene_and_says_so_on_its_card() -> None:
    made = task("network.noise={}")
    torch.manual_seed(0)
    scores = made.validate(made.build().eval())
    assert set(scores) == {"psnr_db", "ssim", "sam_deg"}
    assert 0 < scores["psnr_db"] < 40
    card = made.card()
    assert (card.network, card.system, card.bands, card.mask_id) == ("tiny", System.SD_CASSI, BANDS, None)
    assert card.model_card is not None
    assert "a mask drawn for every clip, with sensor noise; validated without noise" in card.model_card.limits


def test_a_mask_in_a_file_is_the_bench_of_every_sample(tmp_path: Path) -> None:
    pattern = np.random.default_rng(0).random((HEIGHT, WIDTH), np.float32)
    np.save(tmp_path / "mask.npy", pattern)
    made = task(f"network.mask='{tmp_path / 'mask.npy'}'")
    assert all(np.array_equal(mask, pattern) for mask in made.batch(Draw(0, 0, 2))["mask"].numpy())
    assert made.card().mask_id is not None


# ---- with a prior ----------------------------------------------------------------------------------------------------


def run_stage(folder: Path, order: Recipe) -> tuple[Path, dict[str, Tensor]]:
    """The weights of a run by its recipe, in a file and as tensors."""
    folder.mkdir()
    assert Trainer(sdp_task(order), order, folder, CPU).train(Stopping()) is Outcome.FINISHED
    checkpoint = read_checkpoint(folder / "step-000000003.checkpoint")
    export_weights(folder / "tiny.safetensors", checkpoint, order)
    return folder / "tiny.safetensors", checkpoint.network


def test_the_first_stage_leaves_the_host_and_the_second_the_encoder_of_the_truth(tmp_path: Path, host: Path) -> None:
    weights, first = run_stage(tmp_path / "one", sdp_recipe(1, host))
    _, second = run_stage(tmp_path / "two", sdp_recipe(2, weights, "run.gradient_clip=0.2", "run.ema=0.9"))
    torch.manual_seed(0)
    fresh = sdp_task(sdp_recipe(1, host)).build()
    load_start(fresh, host, sdp_task(sdp_recipe(1, host)))
    before = fresh.state_dict()

    def changed(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
        return {name for name in one if not torch.equal(one[name], other[name])}

    parts = {"host", "prior.exact", "prior.standard", "prior.measured", "prior.denoiser", "injectors"}

    def touched(names: set[str]) -> set[str]:
        return {part for part in parts if any(name.startswith(f"{part}.") for name in names)}

    assert touched(changed(before, first)) == parts - {"host"}
    assert touched(changed(first, second)) == parts - {"prior.exact", "prior.standard"}
    assert torch.equal(before["prior.starts"], second["prior.starts"])


@pytest.mark.parametrize("stage", [1, 2])
def test_the_errors_of_cubes_and_vectors_fall(stage: int, host: Path) -> None:
    made = sdp_task(sdp_recipe(stage, host, "network.vector_weight=0.5"))
    torch.manual_seed(0)
    network, batch = made.build(), made.batch(Draw(0, 0, 3))
    assert isinstance(network, SDPNetwork)
    load_start(network, host, sdp_task(sdp_recipe(1, host)))
    bench, truth = made.bench(batch), batch["truth"]

    @torch.no_grad()
    def losses() -> tuple[float, float]:
        lesson = network.eval()(batch["measurement"], bench, truth=truth, told=0, every_stage=True)
        network.train()
        return float(staged_error(lesson.cubes, truth)), float((lesson.predicted - lesson.exact).abs().mean())

    before = losses()
    optimiser = torch.optim.Adam([one for one in network.parameters() if one.requires_grad], 1e-3)
    torch.manual_seed(1)
    for _ in range(150):
        optimiser.zero_grad()
        torch.autograd.backward(made.loss(network, batch))
        optimiser.step()
    after = losses()
    assert after[0] < (0.95 if stage == 1 else 0.7) * before[0]  # a host that is held still, drawn at random
    assert after[1] < 0.8 * before[1]
    held = network.host if stage == 1 else network.prior.exact
    assert all(parameter.grad is None for parameter in held.parameters())


def test_the_loss_of_the_first_stage_is_from_the_truth_for_half_of_a_batch(host: Path) -> None:
    made = sdp_task(sdp_recipe(1, host, "network.vector_weight=0.5"))
    network, batch = made.build().eval(), made.batch(Draw(0, 0, 3))
    with torch.no_grad():
        lesson = network(batch["measurement"], made.bench(batch), truth=batch["truth"], told=2, every_stage=True)
        missed = (lesson.predicted - lesson.exact).abs().mean()
        expected = staged_error(lesson.cubes, batch["truth"]) + 0.5 * missed
        torch.testing.assert_close(made.loss(network, batch), expected)
        one = {name: tensor[:1] for name, tensor in batch.items()}
        assert made.loss(network, one).isfinite()


def test_a_stage_begins_with_what_comes_before_it(tmp_path: Path, host: Path) -> None:
    first, second = (sdp_task(sdp_recipe(stage, host)) for stage in (1, 2))
    network = first.build()
    prior = {name: tensor.clone() for name, tensor in network.state_dict().items() if not name.startswith(HOST)}
    load_start(network, host, first)
    torch.manual_seed(9)
    expected = task().build().state_dict()
    state = network.state_dict()
    assert all(torch.equal(state[HOST + name], tensor) for name, tensor in expected.items())
    assert all(torch.equal(state[name], tensor) for name, tensor in prior.items())
    with pytest.raises(EngineMismatchError, match=r"those of network 'tiny', expected 'tiny\+sdp'; choose others"):
        load_start(network, host, second)
    other = saved(tmp_path / "x.safetensors", task().build(), task().card().model_copy(update={"network": "mst-s"}))
    with pytest.raises(EngineMismatchError, match=r"network 'mst-s', expected 'tiny\+sdp' or 'tiny'"):
        load_start(network, other, first)
    wider = saved(tmp_path / "y.safetensors", TinyStill(bands=6), task().card())
    with pytest.raises(WeightsError, match="does not fit network 'tiny'"):
        load_start(network, wider, first)
    for stage, before in ((1, r"network 'tiny'"), (2, r"stage 1 of 'tiny\+sdp'")):
        with pytest.raises(RecipeError, match=f"is stage {stage} .* name those of {before} by --weights"):
            sdp_task(recipe("run.network=tiny+sdp", f"network.stage={stage}"))


# ---- recipes ---------------------------------------------------------------------------------------------------------


def test_every_network_of_the_family_can_be_trained() -> None:
    assert task_makers().keys() >= still_family().keys()


STILL_RECIPES = [name for name in shipped_recipes() if read_recipe(find_recipe(name)).run.network in still_family()]


@pytest.mark.parametrize("name", STILL_RECIPES)
def test_every_recipe_makes_its_task(name: str) -> None:
    order = read_recipe(find_recipe(name), ["network.validation_crop=[32, 40]"])
    made = make_task(order, SmoothClips(), MATERIALS)
    assert made.name == order.run.network
    assert made.system == order.run.system
    batch = made.batch(Draw(order.run.seed, 0, 1))
    assert batch["truth"].shape[-2:] == tuple(order.network["crop"])  # type: ignore[arg-type]  # two numbers


def test_the_recipes_are_those_of_the_publications_and_short_ones() -> None:
    assert set(STILL_RECIPES) >= {
        *("hsra-s", "hsra-m", "hsra-l", "hsra-dum-3", "hsra-dum-4", "mst-s", "hsra-s-short"),
        *(f"{host}+sdp-stage{stage}" for host in ("hsra-s", "mst-s") for stage in (1, 2)),
    }
    for name in ("hsra-s", "hsra-m", "hsra-l", "hsra-dum-3", "hsra-dum-4", "mst-s"):
        run = read_recipe(find_recipe(name)).run
        assert run.steps * run.batch == 300 * 5000
        assert (run.learning_rate, run.floor, run.optimiser) == (4e-4, 1e-6, "adam")
    for stage, epochs in ((1, 100), (2, 200)):
        run = read_recipe(find_recipe(f"mst-s+sdp-stage{stage}")).run
        assert run.steps * run.batch == epochs * 5000
        assert (run.learning_rate, run.floor, run.gradient_clip, run.ema) == (2e-4, 1e-6, 0.2, 0.999)
