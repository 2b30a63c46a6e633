"""Recipes of trainings: read from TOML, refused in words, and what follows from the step alone."""

from math import cos, pi
from pathlib import Path

import pytest
from tiny_training import RECIPE, tiny_recipe

from livecassi.engines.training.recipe import RecipeError, parse_recipe, read_recipe
from livecassi.engines.training.schedule import learning_rate, validation_due


def test_a_recipe_is_read_with_its_defaults_and_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE + "[network]\ncrop = [32, 40]\n")
    recipe = read_recipe(path, ["run.batch=5", "run.precision=bf16", "scenes.folder=/scenes/a b", "network.depth=3"])
    assert recipe.name == "mine"
    assert recipe.run.batch == 5
    assert recipe.run.precision == "bf16"
    assert recipe.run.weight_decay == 0
    assert recipe.scenes.folder == Path("/scenes/a b")
    assert recipe.network == {"crop": [32, 40], "depth": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[run\n", r"tiny\.toml is not TOML .*line 1"),
        ("steps = 3\n", r"a section or key 'steps' at its top; expected only the sections \[run\], \[scenes\]"),
        (RECIPE + "batches = 3\n", "there is no key 'run.batches'"),
        (RECIPE.replace("steps = 12\n", ""), "the key 'run.steps' is missing"),
        (RECIPE.replace("steps = 12", "steps = 0"), r"run\.steps: .*greater than or equal to 1, found 0"),
        (RECIPE.replace("sd-cassi", "sd"), r"run\.system: .*'sd-cassi'.*, found 'sd'"),
        (RECIPE + "warmup = 12\n", "run: warmup is 12 steps of 12; expected fewer"),
        (RECIPE + "floor = 0.5\n", "run: floor is 0.5, above learning_rate 0.01"),
        (RECIPE + "[scenes]\nsynthetic = 1.5\n", r"scenes\.synthetic: .*less than or equal to 1, found 1\.5"),
        (RECIPE.replace("0.01", "nan"), r"run\.learning_rate: "),
        (RECIPE + f"seed = {2**63}\n", r"run\.seed: .*less than 9223372036854775808"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_with_its_file_and_key(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        parse_recipe(text, "tiny", "tiny.toml")


@pytest.mark.parametrize("change", ["batch=3", "run.batch", "run.batch.size=3", "=3"])
def test_changes_that_change_nothing_are_refused(change: str) -> None:
    with pytest.raises(RecipeError, match="changes no recipe"):
        tiny_recipe(change)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot be read \(No such file.*train --list"):
        read_recipe(tmp_path / "absent.toml")


def test_only_what_matters_makes_another_recipe() -> None:
    recipe = tiny_recipe()
    longer = tiny_recipe("run.steps=99", "run.validate_every=7", "run.workers=3", "scenes.folder=/elsewhere")
    assert recipe.differences(longer.text) == []
    other = tiny_recipe("run.seed=1", "network.crop=[32, 40]")
    assert recipe.differences(other.text) == [
        "network.crop = not given, there [32, 40]",
        "run.seed = 0, there 1",
    ]
    older = recipe.text.replace('"calibration": "", ', "")
    assert older != recipe.text
    assert recipe.differences(older) == []


def test_the_learning_rate_warms_up_and_falls_along_a_cosine_to_its_floor() -> None:
    run = tiny_recipe("run.steps=110", "run.warmup=10", "run.floor=0.001").run
    assert [learning_rate(run, step) for step in (0, 4, 9, 10)] == pytest.approx([0.001, 0.005, 0.01, 0.01])
    assert learning_rate(run, 60) == pytest.approx(0.0055)
    assert learning_rate(run, 109) == pytest.approx(0.001 + 0.009 * 0.5 * (1 + cos(pi * 0.99)))
    assert learning_rate(run, 500) == pytest.approx(0.001)


def test_the_learning_rate_can_stay_or_change_by_epochs() -> None:
    assert learning_rate(tiny_recipe("run.schedule=constant").run, 11) == 0.01
    by_epochs = tiny_recipe("run.steps=12", "run.epoch=4").run
    assert learning_rate(by_epochs, 3) == 0.01
    assert learning_rate(by_epochs, 4) == learning_rate(by_epochs, 7) == pytest.approx(0.0075)


def test_validation_is_early_then_regular_then_final_and_never_forgotten() -> None:
    run = tiny_recipe("run.steps=250", "run.validate_every=100").run
    validated, seen = 0, []
    for done in range(1, 251):
        if validation_due(run, done, validated):
            validated = done
            seen.append(done)
    assert seen == [10, 100, 200, 250]
    assert validation_due(run, 130, 10)  # the one at 100 was left out, for lack of time
    assert not any(validation_due(tiny_recipe("run.validate_every=0").run, done, 0) for done in range(13))
