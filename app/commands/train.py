"""`livecassi train`: train a network by a recipe, go on where it stopped, or adapt it to a calibrated bench."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livecassi.calibration import Calibration
    from livecassi.engines.training.recipe import Recipe
    from livecassi.engines.training.run import Ended, Order

RUNS = "runs"
EXPORTS = ("last", "best")


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe: a .toml file, or the name of a shipped one (--list).")
    ] = None,
    scenes: Annotated[
        Path | None, typer.Option(help="The folder of real scenes to train on; default: that of the recipe.")
    ] = None,
    validation: Annotated[Path | None, typer.Option(help="The folder with the validation scenes.")] = None,
    out: Annotated[
        Path | None, typer.Option(help=f"The folder of the run; one that is there goes on. Default: {RUNS}/NAME.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.05, help="Stop after that time with a checkpoint; start again to go on.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe: SECTION.KEY=VALUE; may be repeated.")
    ] = None,
    finetune: Annotated[
        Path | None, typer.Option(help="Adapt a network to the bench of this calibration, by a short recipe.")
    ] = None,
    network: Annotated[str, typer.Option(help="--finetune: which network.")] = "live",
    weights: Annotated[
        Path | None, typer.Option(help="Weights to begin with; --finetune: default the best that fit.")
    ] = None,
    export: Annotated[
        str | None, typer.Option(help="Only write the weights of a run's checkpoint: last or best.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the shipped recipes.")] = False,
) -> None:
    """Train a network by a recipe. Stopped or killed, the same command goes on where it was."""
    started = time.monotonic()
    if show_list:
        _list()
        return
    if (recipe is None) == (finetune is None):
        raise typer.BadParameter("expected either a RECIPE, see --list, or --finetune CALIBRATION")
    if export is not None and export not in EXPORTS:
        raise typer.BadParameter(f"export '{export}': expected {' or '.join(EXPORTS)}")
    calibration = None if finetune is None else _load(finetune)
    chosen = _recipe(recipe, network, calibration, weights, scenes, validation, change or [])
    name = chosen.name if finetune is None else f"{chosen.name}-{finetune.stem}"
    _run(chosen, out or Path(RUNS) / name, calibration, minutes, started, export)


def _list() -> None:
    from livecassi.app.recipes import shipped_recipes

    for shipped in shipped_recipes().values():
        typer.echo(f"{shipped.name:<28} {shipped.about}")


def _load(path: Path) -> "Calibration":
    from livecassi.calibration.store import load_calibration

    return load_calibration(path)


def _recipe(
    name: str | None,
    network: str,
    calibration: "Calibration | None",
    weights: Path | None,
    scenes: Path | None,
    validation: Path | None,
    changes: list[str],
) -> "Recipe":
    """The recipe with everything that the command line says about it."""
    from livecassi.app.recipes import find_recipe, finetune_recipe
    from livecassi.engines.training.recipe import read_recipe

    chosen = finetune_recipe(network) if name is None else find_recipe(name)
    said = list(changes)
    for key, path in (("scenes.folder", scenes), ("validation.folder", validation)):
        said += [] if path is None else [f"{key}={_quoted(path)}"]
    if calibration is not None:
        said += [f"run.system={_quoted(calibration.system)}", f"run.calibration={_quoted(calibration.id)}"]
        weights = weights or _best_weights(network, calibration)
    said += [] if weights is None else [f"run.start={_quoted(weights)}"]
    return read_recipe(chosen, said)


def _best_weights(network: str, calibration: "Calibration") -> Path:
    from livecassi.app.weight_places import find_weights
    from livecassi.engines.errors import EngineUnavailableError

    found = find_weights(network, calibration.system)
    if not found:
        raise EngineUnavailableError(
            f"there are no weights of network '{network}' for {calibration.system} to begin with; name a file by "
            "--weights, or train from the beginning with a recipe (--list)"
        )
    return found[0].path


def _quoted(text: object) -> str:
    import json

    return json.dumps(str(text))


def _run(
    recipe: "Recipe",
    folder: Path,
    calibration: "Calibration | None",
    minutes: float | None,
    started: float,
    export: str | None,
) -> None:
    from livecassi.app.training_display import training_display
    from livecassi.engines.networks.loading import require_torch

    require_torch(recipe.run.network)
    from livecassi.app.training_materials import spectral_materials

    if export is None and not any(folder.glob("*.checkpoint")):  # one that goes on has begun already
        _check_start(recipe)
    from livecassi.engines.training.progress import Told
    from livecassi.engines.training.run import Order, export_run, run_training

    limit_s = None if minutes is None else 60 * minutes
    order = Order(recipe, folder, spectral_materials(), calibration, limit_s, started)
    if export is not None:
        _say_end(order, export_run(order, best=export == "best"))
        return
    with training_display(recipe.name) as show:
        ended = run_training(order, Told(show, lambda text: typer.echo(f"note: {text}", err=True)))
    if ended is not None:
        _say_end(order, ended)


def _check_start(recipe: "Recipe") -> None:
    """That the weights which a recipe begins with are there; else how to come by them. Raises `WeightsError`."""
    from livecassi.app.recipes import shipped_recipes
    from livecassi.engines.errors import WeightsError

    start = recipe.run.start
    if start is None or Path(start).exists():
        return
    maker = Path(start).stem
    first = f"make them first by 'livecassi train {maker}', or " if maker in shipped_recipes() else ""
    raise WeightsError(
        f"'{recipe.name}' begins with the weights {start}, which do not exist; {first}name a file with --weights"
    )


def _say_end(order: "Order", ended: "Ended") -> None:
    from livecassi.app.training_display import scores_in_words
    from livecassi.app.weight_places import user_folder

    total = order.recipe.run.steps
    if ended.card is None:
        typer.echo(f"stopped after step {ended.step} of {total}; the same command goes on from {order.folder}")
        return
    scores = ended.card.model_card.validation if ended.card.model_card else {}
    words = f": {scores_in_words(scores)}" if scores else ""
    typer.echo(f"{ended.weights}: {ended.card.state} after {ended.step} of {total} steps{words}")
    typer.echo(
        f"use them with livecassi view --engine {ended.card.network} -o weights={ended.weights} (or reconstruct), "
        f"or copy them into the folder {user_folder()}, where engines look for them"
    )
