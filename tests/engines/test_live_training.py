"""Training the live network: samples that are what the engine meets, a pool that keeps them, a loss that falls."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from livecassi.app.training_materials import spectral_materials
from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.engines import EngineMismatchError
from livecassi.engines.errors import TrainingError
from livecassi.engines.networks.live.pool import SamplePool
from livecassi.engines.networks.live.samples import LiveSample
from livecassi.engines.networks.live.spec import misfit
from livecassi.engines.networks.live.training import LiveTask, live_task, reference_nm
from livecassi.engines.training.recipe import Recipe, RecipeError, parse_table
from livecassi.engines.training.task import Draw

RUN = {"network": "live", "steps": 10, "batch": 3, "learning_rate": 1e-3, "seed": 4}


class Blocks:
    """Clips of blocks of smooth spectra that move one column a frame."""

    def clip(
        self, random: np.random.Generator, frames: int, height: int, width: int, wavelengths_nm: np.ndarray
    ) -> torch.Tensor:
        phase, size = random.uniform(0, 6), int(random.integers(7, 15))
        t, c, i, j = np.ogrid[:frames, : len(wavelengths_nm), :height, :width]
        blocks = (i // size + (j + t) // size) % 3
        cube = 0.3 + 0.3 * np.sin(wavelengths_nm[c] / 60 + phase + 2 * blocks)
        return torch.from_numpy(cube.astype(np.float32))


def recipe(cache: Path, system: System = System.SD_CASSI, **network: object) -> Recipe:
    sampling = {"side": 96, "iterations": [10], "frames": 3}
    settings = {"cache": str(cache), "samples": 6, "first": 3, "per_step": 1.0, "crop": 40, "sampling": sampling}
    table: Mapping[str, object] = {
        "name": "small",
        "run": {**RUN, "system": system},
        "network": {**settings, **network},
    }
    return parse_table(Recipe, table, "here")


def task(cache: Path, system: System = System.SD_CASSI, **network: object) -> LiveTask:
    return live_task(recipe(cache, system, **network), Blocks(), spectral_materials())


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_a_sample_with_its_corrections_is_the_truth(tmp_path: Path, system: System) -> None:
    made = task(tmp_path, system)
    sample = made.maker.sample(np.random.default_rng(1))
    again = made.maker.sample(np.random.default_rng(1))
    np.testing.assert_array_equal(sample.features, again.features)
    assert sample.features.shape == (21, 96, 96)
    coefficients = sample.corrections.astype(np.float32)
    coefficients[:8] += sample.features[:8]
    cube = sample.brightness * np.tensordot(made.curves.unit, coefficients, 1)
    assert cube.min() > -0.05
    assert cube.max() < 0.65  # the clips lie within 0 and 0.6
    assert np.abs(np.diff(cube, axis=0)).max() < 0.25  # smooth over wavelength


def test_batches_depend_on_seed_and_step_alone(tmp_path: Path) -> None:
    made = task(tmp_path)
    one, same, later = (made.batch(Draw(4, step, 3)) for step in (2, 2, 3))
    for name, tensor in one.items():
        assert torch.equal(tensor, same[name])
    assert not torch.equal(one["corrections"], later["corrections"])
    assert one["features"].shape == (3, 21, 40, 40)
    assert one["corrections"].shape == (3, 12, 40, 40)


def test_the_pool_grows_with_the_steps_and_keeps_what_it_made(tmp_path: Path) -> None:
    made = task(tmp_path)
    for step in range(2):
        made.batch(Draw(4, step, 3))
    kept = list(made.pool.folder.glob("*.npy"))
    assert 1 <= len(kept) <= 4
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    for step in range(2):
        made.batch(Draw(4, step, 3))
    assert stamps == {path: path.stat().st_mtime_ns for path in kept}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full after so many bytes of a file."""
    resource = pytest.importorskip("resource", reason="this system does not limit files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_cut_off_sample_is_made_again_and_a_full_disk_is_told(tmp_path: Path) -> None:
    def make(number: int) -> LiveSample:
        return LiveSample(np.full((2, 3, 4), number, np.float16), np.zeros((1, 3, 4), np.float16), 0.5)

    pool = SamplePool(tmp_path / "pool", make)
    pool.sample(7)
    path = next((tmp_path / "pool").glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-20])
    assert pool.sample(7).features[0, 0, 0] == 7
    assert pool.sample(7).brightness == 0.5
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"network\.cache"):
        SamplePool(tmp_path / "file", make).sample(1)
    with files_of_at_most(16), pytest.raises(TrainingError, match=r"File too large.*network\.cache"):
        pool.sample(8)
    assert [path.name for path in (tmp_path / "pool").iterdir()] == ["000007.npy"]


def test_the_loss_falls_on_a_batch(tmp_path: Path) -> None:
    made = task(tmp_path)
    torch.manual_seed(0)
    network = made.build()
    batch = made.batch(Draw(4, 0, 3))
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = made.loss(network, batch)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


def test_an_untrained_network_scores_as_its_start(tmp_path: Path) -> None:
    made = live_task(recipe(tmp_path), Blocks(), spectral_materials(), small_bench(System.SD_CASSI))
    scores = made.validate(made.build().eval())
    for kind in ("psnr_db", "noisy_psnr_db", "moving_psnr_db"):
        assert scores[kind] == pytest.approx(scores[f"start_{kind}"])
        assert 10 < scores[kind] < 60
    assert {"ssim", "sam_deg"} <= scores.keys()


def small_bench(system: System, shifted_nm: float = 0.0, step_px: int = 2) -> Calibration:
    wavelengths = reference_nm(system) + np.float32(shifted_nm)
    shifts = step_px * np.arange(len(wavelengths), dtype=np.float32)
    columns = 104 + (0 if system.single_disperser else int(shifts[-1]))
    mask = np.random.default_rng(2).integers(0, 2, (100, columns)).astype(np.float32)
    return Calibration(CalibrationHeader(system=system), wavelengths, mask, shifts, np.ones_like(shifts))


def test_a_calibrated_bench_can_be_adapted_to_and_a_foreign_one_is_refused(tmp_path: Path) -> None:
    bench = small_bench(System.DD_CASSI)
    made = live_task(recipe(tmp_path), Blocks(), spectral_materials(), bench)
    assert made.system is System.DD_CASSI
    assert made.calibration is bench
    assert len(made.card().wavelengths_nm or ()) == 30
    with pytest.raises(EngineMismatchError, match="nm"):
        live_task(recipe(tmp_path), Blocks(), spectral_materials(), small_bench(System.DD_CASSI, 80))


def test_weights_that_were_adapted_name_their_bench_and_serve_it_whatever_its_dispersion(tmp_path: Path) -> None:
    bench = small_bench(System.SD_CASSI, step_px=3)
    card = live_task(recipe(tmp_path), Blocks(), spectral_materials(), bench).card()
    assert card.step_px == pytest.approx(3)
    assert misfit(card, tmp_path / "w.safetensors", bench) == ""
    assert "px per nm" in misfit(card, tmp_path / "w.safetensors", small_bench(System.SD_CASSI))
    assert card.model_card is not None
    assert bench.id[:8] in card.model_card.training_data
    assert task(tmp_path).card().step_px == 2


def test_crops_larger_than_a_bench_are_refused(tmp_path: Path) -> None:
    large = recipe(tmp_path, crop=104, sampling={"side": 128})
    with pytest.raises(RecipeError, match="100 x 104"):
        live_task(large, Blocks(), spectral_materials(), small_bench(System.SD_CASSI))
    with pytest.raises(RecipeError, match="96 x 96"):
        task(tmp_path, crop=104)


def test_nonsense_in_the_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"network\.crop"):
        task(tmp_path, crop=41)
    with pytest.raises(RecipeError, match="samplez"):
        task(tmp_path, samplez=4)
    for iterations in ([], [0]):
        with pytest.raises(RecipeError, match=r"network\.sampling\.iterations"):
            task(tmp_path, sampling={"iterations": iterations})
    with pytest.raises(EngineMismatchError, match="pmvis"):
        task(tmp_path, System.PMVIS)
