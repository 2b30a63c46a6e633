"""The networks that can be trained, one line each; a new one adds its task as a file of its own and a line here."""

from collections.abc import Callable

from livecassi.calibration import Calibration
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.recipe import Recipe, RecipeError
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Task

# A calibration: the bench that a network is adapted to; None: the one that the recipe describes.
TaskMaker = Callable[[Recipe, ClipSource, SpectralMaterials, Calibration | None], Task]


def task_makers() -> dict[str, TaskMaker]:
    """What makes the task of each network, by name."""
    stills = {member.name: _sdp if member.with_prior else _still for member in still_family().values()}
    return {"live": _live, "pg-svrt": _pg_svrt, **stills}


def make_task(
    recipe: Recipe, scenes: ClipSource, materials: SpectralMaterials, calibration: Calibration | None = None
) -> Task:
    """The task of the recipe's network.

    Raises `RecipeError` for a network that cannot be trained or a section [network] that its task cannot read, and
    `EngineMismatchError` for a system or a calibration that the network is not made for.
    """
    makers = task_makers()
    name = recipe.run.network
    if name not in makers:
        raise RecipeError(
            f"the recipe '{recipe.name}' trains network '{name}'; those that can be trained are {', '.join(makers)}"
        )
    return makers[name](recipe, scenes, materials, calibration)


def _pg_svrt(recipe: Recipe, scenes: ClipSource, materials: SpectralMaterials, calibration: Calibration | None) -> Task:
    from livecassi.engines.networks.pg_svrt.training import pg_svrt_task

    return pg_svrt_task(recipe, scenes, materials, calibration)


def _live(recipe: Recipe, scenes: ClipSource, materials: SpectralMaterials, calibration: Calibration | None) -> Task:
    from livecassi.engines.networks.live.training import live_task

    return live_task(recipe, scenes, materials, calibration)


def _still(recipe: Recipe, scenes: ClipSource, materials: SpectralMaterials, calibration: Calibration | None) -> Task:
    from livecassi.engines.networks.stills.training import still_task

    return still_task(recipe, scenes, materials, calibration)


def _sdp(recipe: Recipe, scenes: ClipSource, materials: SpectralMaterials, calibration: Calibration | None) -> Task:
    from livecassi.engines.networks.stills.sdp_training import sdp_task

    return sdp_task(recipe, scenes, materials, calibration)
