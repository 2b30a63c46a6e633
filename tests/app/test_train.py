"""`livecassi train`: shipped recipes, runs from drawn scenes to weights, and a network adapted to a bench."""

from pathlib import Path

import numpy as np
import pytest
from commands import Run
from weight_files import save_pg_svrt

from livecassi.app.recipes import find_recipe, shipped_recipes
from livecassi.calibration import System
from livecassi.calibration.store import save_calibration
from livecassi.engines.training.benches import ideal_bench
from livecassi.engines.training.recipe import RecipeError, read_recipe
from livecassi.engines.training.tasks import task_makers
from livecassi.engines.weights import read_card

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = """# A first try
[run]
network = "pg-svrt"
system = "dd-cassi"
steps = 1
batch = 1
workers = 0
device = "cpu"
learning_rate = 1e-3
log_every = 1
validate_every = 0
[network]
crop = [24, 40]
"""
SMALL = ("--set", "network.crop=[24, 40]", "--set", "run.steps=1", "--set", "run.warmup=0", "--set", "run.workers=0")
QUIET = ("--set", "run.validate_every=0", "--set", "run.batch=1", "--set", "run.device=cpu")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "first.toml"
    path.write_text(RECIPE)
    return path


def test_the_shipped_recipes_are_listed_and_train_networks_that_are_here(run: Run) -> None:
    listed = run("train", "--list")
    assert listed.code == 0
    for name, shipped in shipped_recipes().items():
        assert f"{name} " in listed.out
        assert len(shipped.about) > 20
        assert shipped.about in listed.out
        recipe = read_recipe(find_recipe(name))
        assert recipe.run.network in task_makers()


def test_a_recipe_by_an_unknown_name_is_refused_with_those_that_are_here() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'pg'.*pg-svrt-dd-cassi-short, pg-svrt-dd-cassi"):
        find_recipe("pg")


def test_a_run_ends_with_weights_that_can_be_written_again(run: Run, recipe: Path) -> None:
    done = run("train", recipe)
    assert done.code == 0, done.err
    assert "note: no folder of real scenes was named" in done.err
    weights = Path("runs/first/first.safetensors")
    assert f"{weights}: trained after 1 of 1 steps" in done.out
    assert f"livecassi view --engine pg-svrt -o weights={weights} " in done.out
    card = read_card(weights)
    assert card.model_card is not None
    assert card.model_card.training_data == "clips of 3 frames of 24 x 40 px; drawn scenes"
    weights.unlink()
    again = run("train", recipe, "--export", "last", "--set", "run.steps=9")
    assert f"{weights}: partly trained after 1 of 9 steps" in again.out
    best = run("train", recipe, "--export", "best")
    assert best.code == 2
    assert "no best checkpoint, since no validation was made" in " ".join(best.err.split())


def test_a_slice_of_a_run_stops_in_time_and_says_how_to_go_on(run: Run, recipe: Path) -> None:
    done = run("train", recipe, "--set", "run.steps=5000", "--minutes", 0.05, "--out", "slices")
    assert done.code == 0, done.err
    assert "stopped after step 1 of 5000; the same command goes on from slices" in done.out
    assert len(list(Path("slices").glob("step-*.checkpoint"))) == 1


def test_a_second_stage_without_the_first_says_how_to_come_by_it(run: Run, recipe: Path) -> None:
    refused = run("train", "hsra-s+sdp-stage1")
    assert refused.code == 2
    assert "make them first by 'livecassi train hsra-s', or name a file with --weights" in refused.err
    assert not Path("runs").exists(), "nothing was begun"


def test_a_network_is_adapted_to_a_calibrated_bench(run: Run, recipe: Path, tmp_path: Path) -> None:
    nm = np.linspace(410, 700, 30, dtype=np.float32)
    save_calibration(ideal_bench(System.DD_CASSI, 40, 64, nm, 2, np.random.default_rng(1)), tmp_path / "bench.h5")
    start = save_pg_svrt(tmp_path / "start.safetensors", System.DD_CASSI)
    arguments = ("train", "--finetune", "bench.h5", "--network", "pg-svrt", *SMALL, *QUIET)
    done = run(*arguments, "--weights", start)
    assert done.code == 0, done.err
    assert "runs/finetune-pg-svrt-bench/finetune-pg-svrt.safetensors: trained after 1 of 1 steps" in done.out
    save_calibration(ideal_bench(System.DD_CASSI, 40, 64, nm, 2, np.random.default_rng(2)), tmp_path / "bench.h5")
    other = run(*arguments, "--weights", start)
    assert other.code == 2
    assert "belongs to another recipe" in other.err
    assert "run.calibration = " in other.err
    unknown = run("train", "--finetune", "bench.h5", "--network", "mst")
    assert "networks that can be adapted: live, pg-svrt" in " ".join(unknown.err.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected either a RECIPE, see --list, or --finetune"),
        (("first.toml", "--export", "newest"), "export 'newest': expected last or best"),
        (("first.toml", "--set", "run.step=3"), "there is no key 'run.step'"),
        (("first.toml", "--set", "run.network=mst"), "trains network 'mst'; those that can be trained are"),
        (("first.toml", "--scenes", "absent"), "absent"),
        (("first.toml", "--validation", "."), "holds none of the validation scenes beads"),
        (("first.toml", "--set", "scenes.synthetic=0"), "wants real scenes alone"),
        (("first.toml", "--weights", "absent.safetensors"), "absent.safetensors"),
        (("first.toml", "--export", "last"), "holds no checkpoint to write weights of; train first"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(run: Run, recipe: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = run("train", *arguments)
    assert refused.code == 2
    assert said in " ".join(refused.err.split())
