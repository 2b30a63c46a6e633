"""How PG-SVRT is trained: clips of three frames through a bench, and the root of the mean squared error of each clip.

The authors' schedule is the recipe pg-svrt-dd-cassi. The two perceptrons of every gate get no gradient (`gate`): they
keep their random values and are taken out of the optimiser.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from livecassi.calibration import Calibration, System
from livecassi.calibration.import_mask import parse_wavelengths
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.pg_svrt.attention import FRAMES
from livecassi.engines.networks.pg_svrt.block import Block
from livecassi.engines.networks.pg_svrt.gate import Gate
from livecassi.engines.networks.pg_svrt.network import PGSVRT
from livecassi.engines.networks.registry import find_network
from livecassi.engines.training.bench_samples import BenchSamples, SampleSettings, root_errors
from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.recipe import Recipe, parse_table
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Batch, Draw
from livecassi.engines.weights import WeightsCard

NAME = "pg-svrt"


class PGSVRTSettings(SampleSettings):
    """The section [network] of a recipe; `recompute` saves memory for a third more time."""

    wavelengths: str = "410:700:10"
    recompute: bool = False


def pg_svrt_task(
    recipe: Recipe, scenes: ClipSource, _: SpectralMaterials, calibration: Calibration | None = None
) -> "PGSVRTTask":
    """The task of a recipe. Raises `RecipeError`, `EngineMismatchError`, and where a mask or folder cannot be read."""
    return PGSVRTTask(recipe, scenes, parse_table(PGSVRTSettings, recipe.network, recipe.name, "network"), calibration)


class PGSVRTTask:
    """The task of PG-SVRT. `calibration`: the bench to adapt to; None: that of the settings."""

    name = NAME

    def __init__(
        self, recipe: Recipe, scenes: ClipSource, settings: PGSVRTSettings, calibration: Calibration | None = None
    ) -> None:
        self._spec = find_network(NAME)
        self.system: System = self._spec.check_system(recipe.run.system)
        self._scenes, self._settings = scenes, settings
        wavelengths_nm = parse_wavelengths(settings.wavelengths)
        self._samples = BenchSamples(self._spec, recipe, settings, wavelengths_nm, calibration)

    def build(self) -> Module:
        """The network; what has no gradient asks for none, and blocks are computed twice where that was asked for."""
        network = PGSVRT(self.system, self._spec.bands, self._spec.step_px)
        for module in network.modules():
            if isinstance(module, Gate):
                module.mlp1.requires_grad_(False)
                module.mlp2.requires_grad_(False)
            elif isinstance(module, Block):
                module.recompute = self._settings.recompute
        return network

    def batch(self, draw: Draw) -> Batch:
        """`measurement (B, 3, H, W')`, `mask (B, H, W)` or `(B, C, H, W)`, `truth (B, 3, C, H, W)`."""
        samples = [self._sample(np.random.default_rng([draw.seed, number])) for number in draw.numbers]
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

    def loss(self, network: Module, batch: Batch) -> Tensor:
        """The mean over clips of the root of the mean squared error of a clip."""
        masks = batch["mask"]
        if masks.ndim == 3:  # one pattern for all bands
            masks = masks[:, None].expand(-1, self._spec.bands, -1, -1)
        cubes: Tensor = network(batch["measurement"], masks)
        return root_errors(cubes, batch["truth"]).mean()

    def validate(self, network: Module) -> dict[str, float]:
        """Scores of the validation scenes; see `BenchSamples.scores`."""
        device = next(network.parameters()).device
        mask = torch.from_numpy(network_mask(self._samples.validation_bench).copy()).to(device)
        return self._samples.scores(lambda measurement: network(measurement.to(device), mask))

    def card(self) -> WeightsCard:
        """What these weights are for."""
        rows, columns = self._settings.crop
        return self._samples.card(f"clips of {FRAMES} frames of {rows} x {columns} px")

    def _sample(self, random: np.random.Generator) -> Batch:
        clip = self._scenes.clip(random, FRAMES, *self._settings.crop, self._samples.wavelengths_nm)
        return self._samples.sample(clip, self._samples.draw_bench(random), random)
