"""Recipes of trainings: those that come with livecassi, and the user's own files."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from livecassi.engines.training.recipe import RecipeError

SUFFIX = ".toml"
FINETUNE = "finetune-"


@dataclass(frozen=True, slots=True)
class ShippedRecipe:
    """A recipe that comes with livecassi: its name, file, and the first remark in it."""

    name: str
    path: Path
    about: str


def shipped_recipes() -> dict[str, ShippedRecipe]:
    """Every shipped recipe by name."""
    folder = Path(str(resources.files("livecassi.resources").joinpath("recipes")))
    return {path.stem: ShippedRecipe(path.stem, path, _about(path)) for path in sorted(folder.glob(f"*{SUFFIX}"))}


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path that ends in .toml, or the name of a shipped one. Raises `RecipeError`."""
    if name.endswith(SUFFIX) or "/" in name:
        return Path(name).expanduser()
    shipped = shipped_recipes()
    if name not in shipped:
        raise RecipeError(
            f"there is no recipe '{name}'; name a file ending in {SUFFIX}, or one of {', '.join(shipped)}"
        )
    return shipped[name].path


def finetune_recipe(network: str) -> Path:
    """The recipe by which a network is adapted to a bench. Raises `RecipeError`."""
    fitting = {name.removeprefix(FINETUNE): it for name, it in shipped_recipes().items() if name.startswith(FINETUNE)}
    if network not in fitting:
        raise RecipeError(
            f"no recipe adapts network '{network}' to a calibration; networks that can be adapted: {', '.join(fitting)}"
        )
    return fitting[network].path


def _about(path: Path) -> str:
    first = path.read_text("utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
