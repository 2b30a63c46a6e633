"""How a still network with the Spectral Diffusion Prior is trained, in two stages (mst-bisrnet-sdp.md, 3).

Published: two stages, first encoder and diffusion, then all. Ours, after DiffIR and LADE-DUN: what they are told and
asked for, and that a host which was trained before is held still in the first one.

    1   encoders, denoiser and injectors   the first half of a batch goes on from z_0, the other from ẑ_0
    2   all but the truth's encoder        from ẑ_0

The loss is that of the host, and the mean absolute error of ẑ_0.
"""

from typing import Literal

from pydantic import Field
from torch import Tensor
from torch.nn import Module

from livecassi.calibration import Calibration
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.stills.family import WITH_PRIOR
from livecassi.engines.networks.stills.sdp import HOST, Lesson, SDPNetwork
from livecassi.engines.networks.stills.training import StillSettings, StillTask, staged_error
from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.recipe import Recipe, RecipeError, parse_table
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Batch


class SDPSettings(StillSettings):
    """The section [network] of a recipe: the `stage`, and how much the error of the vector counts."""

    stage: Literal[1, 2]
    vector_weight: float = Field(default=1.0, ge=0)


def sdp_task(
    recipe: Recipe, scenes: ClipSource, _: SpectralMaterials, calibration: Calibration | None = None
) -> "SDPTask":
    """The task of a recipe. Raises `RecipeError`, `EngineMismatchError`, and where a mask or folder cannot be read."""
    return SDPTask(recipe, scenes, parse_table(SDPSettings, recipe.network, recipe.name, "network"), calibration)


class SDPTask(StillTask):
    """The task of a still network with the prior; see `StillTask`."""

    def __init__(
        self,
        recipe: Recipe,
        scenes: ClipSource,
        settings: SDPSettings,
        calibration: Calibration | None = None,
        spec: NetworkSpec | None = None,
    ) -> None:
        super().__init__(recipe, scenes, settings, calibration, spec)
        self._stage, self._vector_weight = settings.stage, settings.vector_weight
        inner = self.name.removesuffix(WITH_PRIOR)
        if recipe.run.start is None:
            before = f"network '{inner}'" if self._stage == 1 else f"stage 1 of '{self.name}'"
            raise RecipeError(
                f"the recipe '{recipe.name}' is stage {self._stage} of a training and names no weights to begin with; "
                f"name those of {before} by --weights, or [run] start"
            )

    @property
    def parts(self) -> dict[str, str]:
        """Networks whose weights may be begun with, too, and what the names of their tensors begin with here."""
        return {self.name.removesuffix(WITH_PRIOR): HOST} if self._stage == 1 else {}

    def build(self) -> Module:
        """The network; what is held still in this stage asks for no gradient."""
        network = super().build()
        assert isinstance(network, SDPNetwork)
        held = network.host if self._stage == 1 else network.prior.exact
        held.requires_grad_(False)
        return network

    def loss(self, network: Module, batch: Batch) -> Tensor:
        """That of the cubes, and that of the vector, towards what the truth's encoder says."""
        truth = batch["truth"]
        told = (len(truth) + 1) // 2 if self._stage == 1 else 0
        lesson: Lesson = network(batch["measurement"], self.bench(batch), truth=truth, told=told, every_stage=True)
        missed = (lesson.predicted.float() - lesson.exact.float().detach()).abs().mean()
        return staged_error(lesson.cubes, truth) + self._vector_weight * missed
