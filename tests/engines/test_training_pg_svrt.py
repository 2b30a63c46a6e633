"""PG-SVRT is trained: what it is told and asked for, and that its loss falls, here and after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_training import CPU
from torch import Tensor

from livecassi.calibration import Calibration, System
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.pg_svrt import PGSVRT
from livecassi.engines.networks.pg_svrt.training import PGSVRTTask, pg_svrt_task
from livecassi.engines.training.benches import ideal_bench
from livecassi.engines.training.progress import Outcome
from livecassi.engines.training.recipe import Recipe, RecipeError, parse_recipe
from livecassi.engines.training.stopping import Stopping
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Draw
from livecassi.engines.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

NM = np.arange(400.0, 701.0, 10.0)
MATERIALS = SpectralMaterials(NM, np.ones((1, len(NM))), np.ones(1), np.ones((1, len(NM))))
HEIGHT, WIDTH = 24, 40
RECIPE = f"""
[run]
network = "pg-svrt"
system = "SYSTEM"
steps = 2
batch = 1
workers = 0
device = "cpu"
learning_rate = 3e-3
log_every = 1
validate_every = 0
checkpoint_every = 2
[network]
crop = [{HEIGHT}, {WIDTH}]
validation_crop = [{HEIGHT}, {WIDTH}]
"""


class SmoothClips:
    """Smooth patches that move by a pixel from frame to frame."""

    def clip(
        self, random: np.random.Generator, frames: int, height: int, width: int, wavelengths_nm: NDArray[np.floating]
    ) -> Tensor:
        coarse = torch.from_numpy(random.random((1, len(wavelengths_nm), 4, 5), np.float32))
        scene = torch.nn.functional.interpolate(coarse, (height, width + frames), mode="bilinear")[0]
        return torch.stack([scene[..., frame : frame + width] for frame in range(frames)])


def recipe(system: str = "dd-cassi", *changes: str) -> Recipe:
    return parse_recipe(RECIPE.replace("SYSTEM", system), "small", "small.toml", changes)


def task(system: str = "dd-cassi", *changes: str, calibration: Calibration | None = None) -> PGSVRTTask:
    return pg_svrt_task(recipe(system, *changes), SmoothClips(), MATERIALS, calibration)


@pytest.mark.parametrize("system", list(System))
def test_samples_are_measurements_through_masks_of_their_own(system: System) -> None:
    made = task(system, "network.noise={}", "network.variation={}")
    batch, again, other = (made.batch(Draw(3, step, 2)) for step in (5, 5, 6))
    wide = WIDTH + (58 if system.single_disperser else 0)
    assert batch["measurement"].shape == (2, 3, HEIGHT, wide)
    assert batch["mask"].shape == ((2,) if system.single_disperser else (2, 30)) + (HEIGHT, WIDTH)
    assert batch["truth"].shape == (2, 3, 30, HEIGHT, WIDTH)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    assert not torch.equal(batch["mask"][0], batch["mask"][1])
    assert not torch.equal(batch["truth"], other["truth"])


@pytest.mark.parametrize("system", [System.DD_CASSI, System.SD_CASSI])
def test_a_measurement_is_the_sum_of_what_every_band_sees(system: System) -> None:
    batch = task(system).batch(Draw(0, 0, 1))
    mask, truth, found = batch["mask"][0], batch["truth"][0, 0], batch["measurement"][0, 0]
    expected = torch.zeros(found.shape)
    for band in range(30):
        if system.single_disperser:
            expected[:, 2 * band : 2 * band + WIDTH] += mask * truth[band]
        else:
            expected += mask[band] * truth[band]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_the_loss_is_the_mean_root_error_of_the_clips_each_with_its_mask() -> None:
    made = task("sd-cassi")
    torch.manual_seed(0)
    network = made.build()
    batch = made.batch(Draw(0, 0, 2))
    with torch.no_grad():
        both = made.loss(network, batch)
        single = [made.loss(network, {name: tensor[n : n + 1] for name, tensor in batch.items()}) for n in range(2)]
        assert isinstance(network, PGSVRT)
        cubes = network(batch["measurement"][1:], batch["mask"][1])
    torch.testing.assert_close(both, (single[0] + single[1]) / 2)
    torch.testing.assert_close(single[1], (cubes - batch["truth"][1:]).square().mean().sqrt())


def test_the_loss_falls_the_gates_stay_and_recomputing_changes_nothing() -> None:
    made, thrifty = task(), task("dd-cassi", "network.recompute=true")
    batch = made.batch(Draw(0, 0, 1))
    torch.manual_seed(0)
    network = made.build()
    torch.manual_seed(0)
    other = thrifty.build()
    losses = [made.loss(network, batch), thrifty.loss(other, batch)]
    for loss in losses:
        torch.autograd.backward(loss)
    own, others = (dict(one.named_parameters()) for one in (network, other))
    assert all((parameter.grad is None) == ("mlp" in name) for name, parameter in own.items())
    for name, parameter in own.items():
        torch.testing.assert_close(parameter.grad, others[name].grad)
    optimiser = torch.optim.Adam([one for one in network.parameters() if one.requires_grad], 3e-3)
    for _ in range(3):
        optimiser.step()
        optimiser.zero_grad()
        losses.append(made.loss(network, batch))
        torch.autograd.backward(losses[-1])
    assert losses[-1].item() < 0.92 * losses[0].item()


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder, limits in ((whole, (2,)), (parts, (1, 2))):
        folder.mkdir()
        for steps in limits:
            order = recipe("dd-cassi", f"run.steps={steps}", "run.schedule=constant")
            assert Trainer(task(), order, folder, CPU).train(Stopping()) is Outcome.FINISHED
    one, other = ((folder / "log.csv").read_text().splitlines() for folder in (whole, parts))
    assert [line.split(",")[:2] for line in one] == [line.split(",")[:2] for line in other]
    assert len(one) == 3


def test_it_is_validated_by_its_scores_on_a_held_out_scene_and_says_so_on_its_card() -> None:
    made = task("dd-cassi", "network.noise={}")
    torch.manual_seed(0)
    scores = made.validate(made.build().eval())
    assert set(scores) == {"psnr_db", "ssim", "sam_deg"}
    assert 0 < scores["psnr_db"] < 40
    card = made.card()
    assert (card.network, card.system, card.bands, card.mask_id) == ("pg-svrt", System.DD_CASSI, 30, None)
    assert card.wavelengths_nm is not None
    assert card.wavelengths_nm[0] == 410
    assert card.model_card is not None
    assert "with sensor noise; validated without noise on a drawn scene" in card.model_card.limits


def test_a_calibrated_bench_is_looked_through_part_by_part() -> None:
    nm = np.linspace(420, 690, 30, dtype=np.float32)
    bench = ideal_bench(System.DD_CASSI, 2 * HEIGHT, 2 * WIDTH, nm, 2, np.random.default_rng(1))
    made = task(calibration=bench)
    masks = made.batch(Draw(0, 0, 4))["mask"]
    windows = torch.from_numpy(bench.mask.copy()).unfold(0, HEIGHT, 1).unfold(1, WIDTH, 1)
    for mask in masks:
        assert (windows == mask[0]).all(-1).all(-1).any()
    assert made.card().mask_id is not None
    assert made.card().wavelengths_nm == pytest.approx(nm.tolist())


def test_what_does_not_fit_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    nm = np.linspace(410, 700, 30, dtype=np.float32)
    small = ideal_bench(System.DD_CASSI, HEIGHT - 1, WIDTH, nm, 2, np.random.default_rng(1))
    with pytest.raises(RecipeError, match=r"crops of 24 x 40 px .* covers scenes of 23 x 40"):
        task(calibration=small)
    with pytest.raises(RecipeError, match=r"there is no key 'network\.crops'"):
        task("dd-cassi", "network.crops=3")
    with pytest.raises(EngineMismatchError, match="reconstructs 30 bands"):
        task("dd-cassi", "network.wavelengths=450:650:10")
    with pytest.raises(EngineMismatchError, match="needs scenes of 17 x 17"):
        task("dd-cassi", "network.validation_crop=[16, 16]")
