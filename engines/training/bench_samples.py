"""Samples for networks that see a bench through its mask: a clip of a scene, its measurement, and the scores.

Each sample has a bench of its own: a mask from a file or one that was drawn, which varies where a recipe says so.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from livecassi.calibration import Calibration, SubSteps
from livecassi.calibration.calibration import Array32
from livecassi.calibration.import_mask import import_mask
from livecassi.engines.metrics import score_video
from livecassi.engines.networks.inputs import Brightness, check_shown, measured_columns, network_mask
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.protocol import SIDE
from livecassi.engines.torch_sensing import TorchSensingModel
from livecassi.engines.training.bench_variation import UNVARIED, BenchVariation, varied
from livecassi.engines.training.benches import ideal_bench, part_of_bench
from livecassi.engines.training.recipe import Recipe
from livecassi.engines.training.sensor import SensorNoise, noisy
from livecassi.engines.training.task import Batch
from livecassi.engines.training.validation import find_validation, mean_scores
from livecassi.engines.weights import ModelCard, TrainingState, WeightsCard, mask_id

DRAWN = "drawn"
LEAST_ERROR = 1e-8  # under the root, whose slope has no limit at 0
VALIDATION_MASK = 11  # seed of the drawn mask that is validated with

Reconstruct = Callable[[Tensor], Tensor]  # measurements (1, T, H, W') to cubes (1, T, C, H, W)


class SampleSettings(BaseModel):
    """What a section [network] says of samples.

    `crop` rows and columns, and those of the validation; `mask`: a file, or drawn afresh for every clip; `sub_steps` of
    the measurement, of which the network is told none; `noise` and `variation` of the bench only where they are given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    crop: tuple[int, int] = (SIDE, SIDE)
    validation_crop: tuple[int, int] = (SIDE, SIDE)
    mask: str = DRAWN
    sub_steps: SubSteps = SubSteps.POINT
    noise: SensorNoise | None = None
    variation: BenchVariation | None = None


class BenchSamples:
    """The benches of a recipe and what is seen through them, for a network of `spec`.

    `bench` is the one that is trained for: the `calibration` to adapt to, or that of the mask in a file; None where
    masks are drawn. Raises `RecipeError`, `EngineMismatchError`, and where a mask or folder cannot be read.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        recipe: Recipe,
        settings: SampleSettings,
        wavelengths_nm: Array32,
        calibration: Calibration | None = None,
    ) -> None:
        self.spec, self.settings = spec, settings
        self.system = spec.check_system(recipe.run.system)
        self.wavelengths_nm = wavelengths_nm
        self.bench = calibration or self._measured_bench()
        if self.bench is not None:
            check_shown(self.bench, spec)
            self.wavelengths_nm = self.bench.wavelengths_nm
        self._validation = find_validation(recipe.validation.folder)
        check_shown(self.validation_bench, spec)  # and with it the number of bands, and that crops fit
        part_of_bench(self.draw_bench(np.random.default_rng(0)), *settings.crop)

    # ---- samples ---------------------------------------------------------------------------------------------------

    def draw_bench(self, random: np.random.Generator, dispersion: np.random.Generator | None = None) -> Calibration:
        """A bench for scenes of the crop's size; its shifts are drawn by `dispersion`, where that is given."""
        settings, amounts = self.settings, self.settings.variation or UNVARIED
        if self.bench is None:
            bench = self._drawn(*settings.crop, random)
        else:
            bench = part_of_bench(self.bench, *settings.crop, random)
        if dispersion is not None:
            alone = UNVARIED.model_copy(update={"dispersion_px": amounts.dispersion_px})
            bench = varied(bench, dispersion, alone)
            amounts = amounts.model_copy(update={"dispersion_px": 0.0})
        return varied(bench, random, amounts)

    def sample(self, clip: Tensor, bench: Calibration, random: np.random.Generator) -> Batch:
        """What a clip `(T, C, H, W)` gives, without an axis of samples.

        `measurement (T, H, W')`, `mask (H, W)` or what each band sees `(C, H, W)`, `truth (T, C, H, W)` times the
        response of the bands.
        """
        measurement = TorchSensingModel(bench, clip.device).forward(clip)[..., : measured_columns(bench, self.spec)]
        if self.settings.noise is not None:
            measurement = noisy(measurement, random, self.settings.noise)
        response = torch.from_numpy(bench.response / bench.response.max())[:, None, None].to(clip.device)
        return {
            "measurement": measurement / float(bench.response.max()),
            "mask": torch.from_numpy(network_mask(bench).copy()).to(clip.device),
            "truth": clip * response,
        }

    # ---- validation ------------------------------------------------------------------------------------------------

    @cached_property
    def validation_bench(self) -> Calibration:
        """The one that is validated with: always the same, and as measured."""
        height, width = self.settings.validation_crop
        if self.bench is None:
            return self._drawn(height, width, np.random.default_rng(VALIDATION_MASK))
        _, rows, columns = self.bench.cube_shape
        return part_of_bench(self.bench, min(height, rows), min(width, columns))

    def scores(self, reconstruct: Reconstruct) -> dict[str, float]:
        """PSNR, SSIM and SAM over the validation scenes, without noise, in the scoring protocol's plain definition."""
        bench = self.validation_bench
        model, brightness = TorchSensingModel(bench), Brightness(bench, 1.0)
        columns = measured_columns(bench, self.spec)
        scores = []
        for truth in self._validation_clips:
            measurement = model.forward(torch.from_numpy(truth))[None, ..., :columns]
            with torch.inference_mode():
                cubes = reconstruct(measurement * brightness.to_network)[0].float().cpu().numpy()
            scores.append(score_video(cubes * brightness.from_network, truth))
        return mean_scores(scores)

    @cached_property
    def _validation_clips(self) -> list[NDArray[np.float32]]:
        _, height, width = self.validation_bench.cube_shape
        return self._validation.clips(self.spec.frames, self.wavelengths_nm, height, width)

    # ---- what it was -----------------------------------------------------------------------------------------------

    def card(self, samples: str) -> WeightsCard:
        """The card of weights that were trained on such `samples`, in words."""
        settings = self.settings
        fixed = self.bench is not None and settings.variation is None
        seen = "a bench that varies" if settings.variation else "one bench" if fixed else "a mask drawn for every clip"
        return WeightsCard(
            network=self.spec.name,
            system=self.system,
            bands=self.spec.bands_for(self.system),
            step_px=self.spec.step_px,
            wavelengths_nm=tuple(float(one) for one in self.wavelengths_nm),
            mask_id=mask_id(self.bench.mask) if self.bench is not None and fixed else None,
            created=datetime.now(UTC).replace(microsecond=0),
            state=TrainingState.UNTRAINED,
            model_card=ModelCard(
                training_data=samples,
                limits=f"trained with {seen}, {'with' if settings.noise else 'without'} sensor noise; "
                f"validated without noise on {self._validation.words}",
            ),
        )

    def _measured_bench(self) -> Calibration | None:
        settings = self.settings
        if settings.mask == DRAWN:
            return None
        return import_mask(
            Path(settings.mask), self.system, self.wavelengths_nm, self.spec.step_px, sub_steps=settings.sub_steps
        )

    def _drawn(self, height: int, width: int, random: np.random.Generator) -> Calibration:
        step = self.spec.step_px
        return ideal_bench(self.system, height, width, self.wavelengths_nm, step, random, self.settings.sub_steps)


def root_errors(found: Tensor, truth: Tensor) -> Tensor:
    """The root of the mean squared error of each sample `(B,)`, whatever the other axes are."""
    return ((found.float() - truth).square().flatten(1).mean(1) + LEAST_ERROR).sqrt()
