"""The source of clips that a recipe asks for, and what it is in words."""

from dataclasses import dataclass

import torch

from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.mixed import MixedScenes
from livecassi.engines.training.real_scenes import RealScenes
from livecassi.engines.training.recipe import Recipe, RecipeError, SamplesOn
from livecassi.engines.training.synthetic import SpectralMaterials, SyntheticScenes


@dataclass(frozen=True, slots=True)
class SceneSource:
    """A source of clips, `words` for the card of the weights, and a `remark` for the person who trains, or ""."""

    clips: ClipSource
    words: str
    remark: str = ""


def scene_source(recipe: Recipe, materials: SpectralMaterials, device: torch.device) -> SceneSource:
    """Real scenes from the recipe's folder and drawn ones, mixed; drawn ones alone without a folder.

    Raises `RecipeError` where real scenes alone are wanted and no folder is named, and as `RealScenes`.
    """
    share, folder = recipe.scenes.synthetic, recipe.scenes.folder
    if share == 0 and folder is None:
        raise RecipeError(
            f"the recipe '{recipe.name}' wants real scenes alone ([scenes] synthetic = 0) and names no folder; "
            "name one by --scenes FOLDER, or have all scenes drawn with --set scenes.synthetic=1"
        )
    where = device if recipe.run.samples_on is SamplesOn.DEVICE else torch.device("cpu")
    drawn = SyntheticScenes(materials, where)
    if folder is None or share == 1:
        remark = "" if share == 1 else "no folder of real scenes was named (--scenes FOLDER): all scenes are drawn"
        return SceneSource(drawn, "drawn scenes", remark)
    real = RealScenes(folder, device=where)
    words = f"{len(real.scenes)} real scenes"
    if share == 0:
        return SceneSource(real, words)
    return SceneSource(MixedScenes([(real, 1 - share), (drawn, share)]), f"{words} and a share of {share:g} drawn ones")
