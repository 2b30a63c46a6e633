"""How PG-SVRT is trained: clips of three frames through a bench, and the root of the mean squared error of each clip.

The authors' schedule is the recipe pg-svrt-dd-cassi. The two perceptrons of every gate get no gradient (`gate`): they
keep their random values and are taken out of the optimiser.
"""

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn import Module

from livecassi.calibration import Calibration, SubSteps, System
from livecassi.calibration.import_mask import import_mask, parse_wavelengths
from livecassi.engines.metrics import score_video
from livecassi.engines.networks.inputs import Brightness, check_bench, measured_columns, network_mask
from livecassi.engines.networks.pg_svrt.attention import FRAMES
from livecassi.engines.networks.pg_svrt.block import Block
from livecassi.engines.networks.pg_svrt.gate import Gate
from livecassi.engines.networks.pg_svrt.network import PGSVRT
from livecassi.engines.networks.registry import find_network
from livecassi.engines.protocol import SIDE
from livecassi.engines.torch_sensing import TorchSensingModel
from livecassi.engines.training.bench_variation import UNVARIED, BenchVariation, varied
from livecassi.engines.training.benches import ideal_bench, part_of_bench
from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.recipe import Recipe, parse_table
from livecassi.engines.training.sensor import SensorNoise, noisy
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Batch, Draw
from livecassi.engines.training.validation import find_validation, mean_scores
from livecassi.engines.weights import ModelCard, TrainingState, WeightsCard, mask_id

NAME = "pg-svrt"
DRAWN = "drawn"
LEAST_ERROR = 1e-8  # under the root, whose slope has no limit at 0
VALIDATION_MASK = 11  # seed of the drawn mask that is validated with


class PGSVRTSettings(BaseModel):
    """The section [network] of a recipe.

    `crop` rows and columns, and those of the validation; `mask`: a file, or drawn afresh for every clip; `sub_steps` of
    the measurement, of which the network is told none; `noise` and `variation` of the bench only where they are given;
    `recompute` saves memory for a third more time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    crop: tuple[int, int] = (SIDE, SIDE)
    validation_crop: tuple[int, int] = (SIDE, SIDE)
    wavelengths: str = "410:700:10"
    mask: str = DRAWN
    sub_steps: SubSteps = SubSteps.POINT
    noise: SensorNoise | None = None
    variation: BenchVariation | None = None
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
        self._bench = calibration or self._measured_bench()
        self._wavelengths_nm = parse_wavelengths(settings.wavelengths)
        if self._bench is not None:
            check_bench(self._bench, self._spec)
            self._wavelengths_nm = self._bench.wavelengths_nm
        self._validation = find_validation(recipe.validation.folder)
        check_bench(self._validation_bench, self._spec)  # and with it the number of bands, and that crops fit
        part_of_bench(self._draw_bench(np.random.default_rng(0)), *settings.crop)

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
        errors = (cubes.float() - batch["truth"]).square().flatten(1).mean(1)
        return (errors + LEAST_ERROR).sqrt().mean()

    def validate(self, network: Module) -> dict[str, float]:
        """PSNR, SSIM and SAM over the validation scenes, without noise, in the scoring protocol's plain definition."""
        device = next(network.parameters()).device
        bench = self._validation_bench
        model, brightness = TorchSensingModel(bench), Brightness(bench, 1.0)
        mask = torch.from_numpy(network_mask(bench).copy()).to(device)
        scores = []
        for truth in self._validation_clips:
            measurement = model.forward(torch.from_numpy(truth))[None, ..., : self._columns(bench)]
            with torch.inference_mode():
                cubes = network(measurement.to(device) * brightness.to_network, mask)[0].float().cpu().numpy()
            scores.append(score_video(cubes * brightness.from_network, truth))
        return mean_scores(scores)

    def card(self) -> WeightsCard:
        """What these weights are for."""
        settings = self._settings
        fixed = self._bench is not None and settings.variation is None
        rows, columns = settings.crop
        seen = "a bench that varies" if settings.variation else "one bench" if fixed else "a mask drawn for every clip"
        return WeightsCard(
            network=NAME,
            system=self.system,
            bands=self._spec.bands,
            step_px=self._spec.step_px,
            wavelengths_nm=tuple(float(one) for one in self._wavelengths_nm),
            mask_id=mask_id(self._bench.mask) if self._bench is not None and fixed else None,
            created=datetime.now(UTC).replace(microsecond=0),
            state=TrainingState.UNTRAINED,
            model_card=ModelCard(
                training_data=f"clips of {FRAMES} frames of {rows} x {columns} px",
                limits=f"trained with {seen}, {'with' if settings.noise else 'without'} sensor noise; "
                f"validated without noise on {self._validation.words}",
            ),
        )

    # ---- benches and samples ---------------------------------------------------------------------------------------

    def _measured_bench(self) -> Calibration | None:
        settings = self._settings
        if settings.mask == DRAWN:
            return None
        wavelengths_nm = parse_wavelengths(settings.wavelengths)
        return import_mask(
            Path(settings.mask), self.system, wavelengths_nm, self._spec.step_px, sub_steps=settings.sub_steps
        )

    def _drawn(self, height: int, width: int, random: np.random.Generator) -> Calibration:
        step = self._spec.step_px
        return ideal_bench(self.system, height, width, self._wavelengths_nm, step, random, self._settings.sub_steps)

    def _draw_bench(self, random: np.random.Generator) -> Calibration:
        settings = self._settings
        if self._bench is None:
            bench = self._drawn(*settings.crop, random)
        else:
            bench = part_of_bench(self._bench, *settings.crop, random)
        return varied(bench, random, settings.variation or UNVARIED)

    def _sample(self, random: np.random.Generator) -> Batch:
        clip = self._scenes.clip(random, FRAMES, *self._settings.crop, self._wavelengths_nm)
        bench = self._draw_bench(random)
        measurement = TorchSensingModel(bench, clip.device).forward(clip)[..., : self._columns(bench)]
        if self._settings.noise is not None:
            measurement = noisy(measurement, random, self._settings.noise)
        response = torch.from_numpy(bench.response / bench.response.max())[:, None, None].to(clip.device)
        return {
            "measurement": measurement / float(bench.response.max()),
            "mask": torch.from_numpy(network_mask(bench).copy()).to(clip.device),
            "truth": clip * response,
        }

    def _columns(self, bench: Calibration) -> int:
        return measured_columns(bench, self._spec)

    # ---- validation ------------------------------------------------------------------------------------------------

    @cached_property
    def _validation_bench(self) -> Calibration:
        height, width = self._settings.validation_crop
        if self._bench is None:
            return self._drawn(height, width, np.random.default_rng(VALIDATION_MASK))
        _, rows, columns = self._bench.cube_shape
        return part_of_bench(self._bench, min(height, rows), min(width, columns))

    @cached_property
    def _validation_clips(self) -> list[NDArray[np.float32]]:
        _, height, width = self._validation_bench.cube_shape
        return self._validation.clips(FRAMES, self._wavelengths_nm, height, width)
