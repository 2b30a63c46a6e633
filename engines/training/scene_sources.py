"""The source of clips that a recipe asks for, and what it is in words."""

from dataclasses import dataclass

import torch

from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.materials import SpectralMaterials
from livecassi.engines.training.real_scenes import RealScenes
from livecassi.engines.training.recipe import Recipe, RecipeError


@dataclass(frozen=True, slots=True)
class SceneSource:
    """A source of clips, `words` for the card of the weights, and a `remark` for the person who trains, or ""."""

    clips: ClipSource
    words: str
    remark: str = ""


def scene_source(recipe: Recipe, _materials: SpectralMaterials, _device: torch.device) -> SceneSource:
    """Real scenes from the recipe's folder. Raises `RecipeError` where none is named, and as `RealScenes`."""
    if recipe.scenes.folder is None or recipe.scenes.synthetic > 0:
        raise RecipeError(
            f"the recipe '{recipe.name}' wants drawn scenes, which are not made yet; name real ones by --scenes FOLDER "
            "and set [scenes] synthetic = 0"
        )
    real = RealScenes(recipe.scenes.folder)
    return SceneSource(real, f"{len(real.scenes)} real scenes")
