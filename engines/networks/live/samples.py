"""What the live network is trained on: starts as the engine makes them, and what they lack of the truth."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from livecassi.calibration import Calibration, sensing_model
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.gap_tv.tracker import Pace
from livecassi.engines.networks.live.curves import Curves
from livecassi.engines.networks.live.start import Start
from livecassi.engines.training.bench_variation import BenchVariation, varied
from livecassi.engines.training.benches import part_of_bench
from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.sensor import SensorNoise, noisy

Array16 = NDArray[np.float16]

DARKEST = 1e-3  # brightness below which a scene teaches nothing


class LiveSampling(BaseModel):
    """How samples are drawn. `cold_share` of them stand alone, the others follow up to `frames` - 1 moving frames.

    `iterations` and `live_iterations` are those that the starts are made with, one of each at random. `side` is the
    largest height and width of a scene, in px.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    side: int = Field(default=256, ge=64)
    frames: int = Field(default=6, ge=2)
    cold_share: float = Field(default=0.4, ge=0, le=1)
    iterations: tuple[PositiveInt, ...] = Field(default=(40, 80, 80), min_length=1)
    live_iterations: tuple[PositiveInt, ...] = Field(default=(2, 3, 4), min_length=1)
    bench: BenchVariation = Field(default_factory=BenchVariation)
    noise: SensorNoise = Field(default_factory=SensorNoise)


@dataclass(frozen=True, slots=True)
class LiveSample:
    """The features `(F, H, W)` of a frame, the corrections `(R, H, W)` that give its truth, and its brightness.

    Both in float16, which is 70 dB below the largest coefficient.
    """

    features: Array16
    corrections: Array16
    brightness: float


@dataclass(frozen=True, slots=True)
class SampleMaker:
    """Draws samples for a bench and the benches around it; one thread each, for processes of a loader."""

    calibration: Calibration
    curves: Curves
    clips: ClipSource
    sampling: LiveSampling = field(default_factory=LiveSampling)

    def sample(self, random: np.random.Generator) -> LiveSample:
        """A sample; the same state of `random` always gives the same one."""
        while True:
            sample = self._attempt(random)
            if sample.brightness >= DARKEST:
                return sample

    def _attempt(self, random: np.random.Generator) -> LiveSample:
        sampling = self.sampling
        _, rows, columns = self.calibration.cube_shape
        part = part_of_bench(self.calibration, min(rows, sampling.side), min(columns, sampling.side), random)
        bench = varied(part, random, sampling.bench)
        alone = random.random() < sampling.cold_share
        count = 1 if alone else int(random.integers(2, sampling.frames + 1))
        pace = Pace(int(random.choice(sampling.iterations)), int(random.choice(sampling.live_iterations)))
        _, height, width = bench.cube_shape
        clip = self.clips.clip(random, count, height, width, bench.wavelengths_nm).cpu().numpy()
        model = sensing_model(bench)
        measured = torch.from_numpy(np.stack([model.forward(np.ascontiguousarray(truth)) for truth in clip]))
        values = noisy(measured, random, sampling.noise).numpy()
        with RowPool(1) as pool:
            start = Start(bench, self.curves, pool, pace)
            for index in range(count):
                started = start.follow(values[index], index + 1)
        corrections = _corrections(clip[-1], started.features, started.brightness, self.curves, bench)
        return LiveSample(started.features.astype(np.float16), corrections.astype(np.float16), started.brightness)


def _corrections(
    truth: NDArray[np.float32], features: NDArray[np.float32], brightness: float, curves: Curves, bench: Calibration
) -> NDArray[np.float32]:
    """What is missing of the coefficients that come nearest to the truth."""
    if brightness <= 0:
        return np.zeros((curves.unit.shape[1], *truth.shape[1:]), np.float32)
    nearest = np.linalg.pinv(curves.at(bench.wavelengths_nm)).astype(np.float32)
    corrections: NDArray[np.float32] = np.tensordot(nearest, truth / np.float32(brightness), axes=1)
    known = len(curves.spread)
    corrections[:known] -= features[:known]
    return corrections
