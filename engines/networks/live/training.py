"""How the live network is trained: crops of a growing pool of starts; the logarithm of the bands' error is the loss."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import Module

from livecassi.calibration import Calibration, System
from livecassi.calibration.import_mask import import_mask
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.gap_tv import SpectralBasis
from livecassi.engines.networks.live.curves import RANK, START_RANK, Curves, learned_curves
from livecassi.engines.networks.live.network import LiveNetwork
from livecassi.engines.networks.live.pool import SamplePool
from livecassi.engines.networks.live.samples import LiveSample, LiveSampling, SampleMaker
from livecassi.engines.networks.live.spec import NAME, SYSTEMS, misfit, px_per_nm
from livecassi.engines.networks.live.validation import Validation
from livecassi.engines.protocol import DD_NM, SD_NM, SIDE, STEP_PX
from livecassi.engines.training.benches import ideal_bench
from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.recipe import Recipe, RecipeError, parse_table
from livecassi.engines.training.synthetic import SpectralMaterials
from livecassi.engines.training.task import Batch, Draw
from livecassi.engines.training.validation import find_validation
from livecassi.engines.weights import ModelCard, TrainingState, WeightsCard

Array32 = NDArray[np.float32]

DRAWN = "drawn"
SCALE_SAMPLES = 32  # of the pool that the usual sizes of features and corrections are measured on
FAINTEST = 1e-3  # the least usual size; what is smaller is not raised to the others
SMOOTHING = 1e-5  # mean square error, 50 dB, below which a band counts as perfect

LIMITS = (
    "Trained on scenes of full scale 1 under masks that let half of the light through. Colours of large, strongly "
    "coloured areas and of what one frame does not determine are guesses."
)


class LiveRecipe(BaseModel):
    """What the section [network] of a recipe says.

    `mask`: a file with the mask of the bench, or drawn.
    `samples`: how many starts the pool has in the end, `first` of them from the start on and `per_step` more with every
    step; they are kept in `cache`. Of each, crops of `crop` px are taken.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mask: str = DRAWN
    cache: Path = Path("runs/live-samples")
    samples: int = Field(default=2000, ge=1)
    first: int = Field(default=100, ge=1)
    per_step: float = Field(default=0.1, ge=0)
    crop: int = Field(default=128, ge=32, multiple_of=8)
    sampling: LiveSampling = Field(default_factory=LiveSampling)


@dataclass(frozen=True, slots=True)
class LiveTask:
    """The live network for one system, on a bench and those around it; `adapted_to` names a bench of an operator."""

    calibration: Calibration
    curves: Curves
    settings: LiveRecipe
    maker: SampleMaker
    pool: SamplePool
    validation: Validation
    seed: int
    adapted_to: str = ""

    @property
    def name(self) -> str:
        """The network's name."""
        return NAME

    @property
    def system(self) -> System:
        """The system that it is trained for."""
        return self.calibration.system

    def build(self) -> LiveNetwork:
        """The network, its scales measured on the first samples of the pool; it corrects nothing yet."""
        network = LiveNetwork(self.curves)
        samples = [self.pool.sample(number) for number in range(min(SCALE_SAMPLES, self.settings.samples))]
        network.feature_scale.copy_(_usual_size([sample.features for sample in samples]))
        network.result_scale.copy_(_usual_size([sample.corrections for sample in samples]))
        return network

    def batch(self, draw: Draw) -> Batch:
        """`features (B, F, h, w)` and `corrections (B, R, h, w)` in float16, and `brightness (B)`."""
        settings = self.settings
        there = min(settings.samples, int(settings.first + settings.per_step * draw.step))
        crops = []
        for number in draw.numbers:
            random = np.random.default_rng((draw.seed, number))
            crops.append(_crop(self.pool.sample(int(random.integers(there))), settings.crop, random))
        return {
            "features": torch.from_numpy(np.stack([crop.features for crop in crops])),
            "corrections": torch.from_numpy(np.stack([crop.corrections for crop in crops])),
            "brightness": torch.tensor([crop.brightness for crop in crops]),
        }

    def loss(self, network: Module, batch: Batch) -> Tensor:
        """Half the mean over samples and bands of the logarithm of the mean square error, of full scale 1.

        It is the PSNR up to its unit, so that scenes that the start serves well count as much as hard ones.
        """
        found = network(batch["features"].float())
        error = (found.float() - batch["corrections"].float()) * batch["brightness"][:, None, None, None]
        unit = torch.from_numpy(self.curves.unit).to(error.device)
        with torch.autocast(error.device.type, enabled=False):
            squares = torch.einsum("cr,brhw->bchw", unit, error).square().mean(dim=(2, 3))
        return 0.5 * (squares + SMOOTHING).log().mean()

    def validate(self, network: Module) -> dict[str, float]:
        """Scores of the validation scenes; `start_...` are those of the start alone."""
        return self.validation.scores(network)

    @property
    def _step_px(self) -> float:
        """The shift per band, of the card's bands: that of the bench which the network is adapted to."""
        spacing_nm = float(np.ptp(self.curves.wavelengths_nm)) / (len(self.curves.wavelengths_nm) - 1)
        return px_per_nm(self.calibration) * spacing_nm if self.adapted_to else STEP_PX

    def card(self) -> WeightsCard:
        """The card without steps, hours and scores."""
        adapted = f", around the bench '{self.adapted_to}' alone" if self.adapted_to else ""
        return WeightsCard(
            network=NAME,
            system=self.system,
            bands=len(self.curves.wavelengths_nm),
            step_px=self._step_px,
            wavelengths_nm=tuple(float(value) for value in self.curves.wavelengths_nm),
            mask_id=None,
            licence="MIT",
            created=datetime.now(UTC).replace(microsecond=0),
            state=TrainingState.UNTRAINED,
            model_card=ModelCard(
                training_data=(
                    f"a pool of up to {self.settings.samples} starts and truths, benches and sensors varied{adapted}"
                ),
                limits=f"{LIMITS} Validated on {self.validation.scenes.words}.",
            ),
        )


def reference_nm(system: System) -> Array32:
    """The band centres that the curves of a system are kept at, nm."""
    return (SD_NM if system is System.SD_CASSI else DD_NM).astype(np.float32)


def live_task(
    recipe: Recipe, scenes: ClipSource, materials: SpectralMaterials, calibration: Calibration | None = None
) -> LiveTask:
    """The task of a recipe. `calibration` is a bench to adapt to, instead of the recipe's.

    Raises `RecipeError` for a section [network] that cannot be read, and `EngineMismatchError` for a system or a
    bench that the network is not made for.
    """
    settings = parse_table(LiveRecipe, recipe.network, recipe.name, "network")
    system = recipe.run.system if calibration is None else calibration.system
    if system not in SYSTEMS:
        raise EngineMismatchError(
            f"the live network is made for {', '.join(sorted(SYSTEMS))}, not for {system}; choose another network"
        )
    basis = SpectralBasis(materials.wavelengths_nm, materials.curves, materials.spread)
    curves = learned_curves(basis, reference_nm(system), system.single_disperser)
    bench = calibration or _bench(settings, system, recipe.run.seed)
    _check_crop(settings, bench)
    maker = SampleMaker(bench, curves, scenes, settings.sampling)
    task = LiveTask(
        bench,
        curves,
        settings,
        maker,
        _pool(settings, maker, recipe, bench),
        Validation(bench, curves, find_validation(recipe.validation.folder)),
        recipe.run.seed,
        "" if calibration is None else calibration.header.name or calibration.id[:8],
    )
    if reason := misfit(task.card(), Path("of the live network"), bench):
        raise EngineMismatchError(reason)
    return task


def _check_crop(settings: LiveRecipe, bench: Calibration) -> None:
    """Raises `RecipeError` where samples are smaller than the crops that are taken of them."""
    rows, columns = (min(settings.sampling.side, side) for side in bench.cube_shape[1:])
    if settings.crop > min(rows, columns):
        raise RecipeError(
            f"crops of {settings.crop} px were asked for, samples of bench '{bench.header.name or bench.id[:8]}' have "
            f"{rows} x {columns} px; choose a smaller network.crop (a multiple of 8, 32 or more), or a larger mask"
        )


def _bench(settings: LiveRecipe, system: System, seed: int) -> Calibration:
    wavelengths_nm = reference_nm(system)
    if settings.mask == DRAWN:
        return ideal_bench(system, SIDE, SIDE, wavelengths_nm, STEP_PX, np.random.default_rng(seed))
    return import_mask(Path(settings.mask), system, wavelengths_nm, STEP_PX)


def _pool(settings: LiveRecipe, maker: SampleMaker, recipe: Recipe, bench: Calibration) -> SamplePool:
    """The pool of this bench, these scenes and this sampling: others have a folder of their own."""
    scenes = recipe.scenes.model_dump_json()
    described = f"{bench.id} {settings.sampling.model_dump_json()} {scenes} {recipe.run.seed} {START_RANK} {RANK}"
    folder = settings.cache / hashlib.sha256(described.encode()).hexdigest()[:16]
    seed = recipe.run.seed

    def make(number: int) -> LiveSample:
        return maker.sample(np.random.default_rng((seed, number)))

    return SamplePool(folder, make)


def _crop(sample: LiveSample, side: int, random: np.random.Generator) -> LiveSample:
    """A part of a sample, now and then upside down: no system tells up from down."""
    _, height, width = sample.features.shape
    top, left = (2 * int(random.integers((length - side) // 2 + 1)) for length in (height, width))
    rows = slice(top, top + side)
    turn = -1 if random.random() < 0.5 else 1
    parts = [
        np.ascontiguousarray(values[:, rows, left : left + side][:, ::turn])
        for values in (sample.features, sample.corrections)
    ]
    return LiveSample(parts[0], parts[1], sample.brightness)


def _usual_size(pictures: list[np.ndarray]) -> Tensor:
    squares = [np.square(picture.astype(np.float32)).mean(axis=(1, 2)) for picture in pictures]
    return torch.from_numpy(np.sqrt(np.mean(squares, axis=0)).astype(np.float32)).clamp(min=FAINTEST)
