"""How still networks are trained: one frame through a bench, and the root of the mean squared error of each cube.

The recipe of the MST toolbox (cassi-protocol.md, 6.1), which HSRA is not known to follow but may; for unfolding
networks every stage is asked for, the earlier ones less, as SSR does (hsra.md, 5.2). In a batch every sample has its
own mask; shifts that vary are the same for all of it, since networks are told them as numbers.
"""

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import Module

from livecassi.calibration import Calibration, System
from livecassi.calibration.calibration import Array32
from livecassi.calibration.import_mask import parse_wavelengths
from livecassi.engines.networks.registry import NetworkSpec, find_network
from livecassi.engines.networks.stills.bench import StillBench, band_taps, still_bench
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.protocol import DD_NM, SD_NM
from livecassi.engines.training.bench_samples import BenchSamples, SampleSettings, root_errors
from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.recipe import Recipe, parse_table
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Batch, Draw
from livecassi.engines.weights import WeightsCard

EARLIER = (0.7, 0.5, 0.3)  # what the stages before the last count, the nearest first
DISPERSION = 7  # sets the random numbers of a batch's shifts apart from those of its samples


class StillSettings(SampleSettings):
    """The section [network] of a recipe.

    `wavelengths` as `parse_wavelengths` reads them, or empty: those of the scoring protocol. A share `mosaic` of the
    scenes is put together from four.
    """

    wavelengths: str = ""
    mosaic: float = Field(default=0.0, ge=0, le=1)


def still_task(
    recipe: Recipe, scenes: ClipSource, _: SpectralMaterials, calibration: Calibration | None = None
) -> "StillTask":
    """The task of a recipe. Raises `RecipeError`, `EngineMismatchError`, and where a mask or folder cannot be read."""
    return StillTask(recipe, scenes, parse_table(StillSettings, recipe.network, recipe.name, "network"), calibration)


class StillTask:
    """The task of a still network. `calibration`: the bench to adapt to; None: that of the settings.

    `spec`: what network; None: the one in the list of networks that the recipe names.
    """

    def __init__(
        self,
        recipe: Recipe,
        scenes: ClipSource,
        settings: StillSettings,
        calibration: Calibration | None = None,
        spec: NetworkSpec | None = None,
    ) -> None:
        self.name = recipe.run.network
        self._spec = spec or find_network(self.name)
        self.system: System = self._spec.check_system(recipe.run.system)
        self._scenes, self._mosaic = scenes, settings.mosaic
        self._samples = BenchSamples(self._spec, recipe, settings, _wavelengths(settings, self.system), calibration)

    def build(self) -> Module:
        """The network."""
        return self._spec.build(self.system)

    def batch(self, draw: Draw) -> Batch:
        """`measurement (B, 1, H, W')`, `mask (B, H, W)` or `(B, C, H, W)`, `truth (B, C, H, W)`, `shifts_px (B, C)`."""
        samples = [self._sample(draw, number) for number in draw.numbers]
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

    def loss(self, network: Module, batch: Batch) -> Tensor:
        """The mean over samples of the root of the mean squared error, of all stages together."""
        return staged_error(network(batch["measurement"], self.bench(batch), every_stage=True), batch["truth"])

    def bench(self, batch: Batch) -> StillBench:
        """The bench of a batch, every sample with its mask."""
        mask, shifts = batch["mask"], batch["shifts_px"]
        if not self.system.single_disperser:
            return still_bench(mask, (), mask.shape[-1])
        masks = mask[:, None].expand(-1, shifts.shape[1], -1, -1)
        return still_bench(masks, band_taps(shifts[0].tolist()), batch["measurement"].shape[-1])

    def validate(self, network: Module) -> dict[str, float]:
        """Scores of the validation scenes; see `BenchSamples.scores`."""
        assert isinstance(network, StillNetwork)
        device = next(network.parameters()).device
        bench = network.for_bench(self._samples.validation_bench, device)
        return self._samples.scores(lambda measurement: network(measurement.to(device), bench))

    def card(self) -> WeightsCard:
        """What these weights are for."""
        rows, columns = self._samples.settings.crop
        return self._samples.card(f"single frames of {rows} x {columns} px")

    def _sample(self, draw: Draw, number: int) -> Batch:
        random = np.random.default_rng([draw.seed, number])
        scene = self._scene(random, *self._samples.settings.crop)
        together = np.random.default_rng([draw.seed, draw.numbers[0], DISPERSION])
        bench = self._samples.draw_bench(random, together)
        sample = self._samples.sample(scene[None], bench, random)
        shifts = torch.from_numpy(bench.dispersion_px.copy()).to(scene.device)
        return {**sample, "truth": sample["truth"][0], "shifts_px": shifts}

    def _scene(self, random: np.random.Generator, height: int, width: int) -> Tensor:
        """A scene `(C, H, W)`, or four in its quarters."""
        if random.random() >= self._mosaic or min(height, width) < 2:
            return self._look(random, height, width)
        rows, columns = ((side // 2, side - side // 2) for side in (height, width))
        return torch.cat([torch.cat([self._look(random, row, column) for column in columns], -1) for row in rows], -2)

    def _look(self, random: np.random.Generator, height: int, width: int) -> Tensor:
        return self._scenes.clip(random, 1, height, width, self._samples.wavelengths_nm)[0]


def staged_error(stages: Tensor, truth: Tensor) -> Tensor:
    """The mean over samples of the root errors of cubes `(B, S, C, H, W)`; S stages, of which the last counts 1."""
    errors = [root_errors(stage, truth).mean() for stage in reversed(stages.unbind(1))]
    total = errors[0]
    for share, error in zip(EARLIER, errors[1:], strict=False):
        total = total + share * error
    return total


def _wavelengths(settings: StillSettings, system: System) -> Array32:
    if settings.wavelengths:
        return parse_wavelengths(settings.wavelengths)
    return (SD_NM if system.single_disperser else DD_NM).astype(np.float32)
