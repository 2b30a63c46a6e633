"""What benchmarks of PG-SVRT run: a drawn moving scene behind a bench of its size, and weights from a file.

Scenes and random weights come from fixed seeds. Times, and how far ways of computing are apart, need no trained
weights; cubes of random ones mean nothing and are never shown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from livecassi.calibration import Calibration, CalibrationHeader, Measurement, System, sensing_model
from livecassi.engines.networks.engine import VideoEngine, VideoSettings
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.pg_svrt.attention import FRAMES
from livecassi.engines.networks.pg_svrt.literal import literal_forward
from livecassi.engines.networks.pg_svrt.network import PGSVRT
from livecassi.engines.networks.registry import find_network
from livecassi.engines.networks.runner import Placing, Runner
from livecassi.engines.networks.torch_passes import TorchPasses
from livecassi.engines.weights import TrainingState, WeightsCard, save_weights

Array32 = NDArray[np.float32]

NAME = "pg-svrt"
FIRST_NM, LAST_NM = 400, 700
MOTION_PX = 3  # of the scene from frame to frame, along rows and columns
DETAIL_PX = 12  # between the random values that the scene is interpolated from


@dataclass(frozen=True, slots=True)
class Trial:
    """A bench, three consecutive measurements on it, and the network to reconstruct them with, from its file."""

    calibration: Calibration
    measurements: tuple[Measurement, ...]
    weights: Path
    network: PGSVRT = field(repr=False)

    @property
    def window(self) -> Tensor:
        """The measurements as the network takes them, `(1, 3, H, W')`."""
        return torch.from_numpy(np.stack([measurement.values for measurement in self.measurements]))[None]

    def runner(self, placing: Placing) -> Runner:
        """The network in place, ready to `run(window)`. It is the one of all runners: use one device at a time."""
        mask = torch.from_numpy(network_mask(self.calibration).copy())
        return Runner(self.network, mask, placing)

    def literal(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """The literal reading in place: from a window `(1, 3, H, W')` to cubes `(3, C, H, W)`, in fp32."""
        state = {name: tensor.to(device) for name, tensor in self.network.state_dict().items()}
        mask = torch.from_numpy(network_mask(self.calibration).copy()).to(device)

        @torch.inference_mode()
        def read(window: Tensor) -> Tensor:
            return literal_forward(state, self.calibration.system, window.to(device), mask)[0]

        return read

    def engine(self, hop: int, placing: Placing) -> VideoEngine:
        """The engine that the live view runs, with `hop` new frames per pass."""
        passes = TorchPasses(NAME, self.weights, self.calibration, placing)
        return VideoEngine(find_network(NAME), passes, self.calibration, VideoSettings(hop), self.weights.name)

    def stream(self, count: int) -> Iterable[Measurement]:
        """`count` consecutive measurements, the same three again and again."""
        for index in range(count):
            yield replace(self.measurements[index % len(self.measurements)], frame_index=index)


def load_for_trials(weights: Path, system: System) -> PGSVRT:
    """The network with the weights of a file. Raises as `load_network`."""
    network = load_network(NAME, weights, system)
    assert isinstance(network, PGSVRT)
    return network


def draw_trial(network: PGSVRT, weights: Path, height: int, width: int, seed: int = 0) -> Trial:
    """A trial of a network, loaded from `weights`, with scenes of `(height, width)` through a random mask."""
    spec, system = find_network(NAME), network.system
    largest_shift = spec.step_px * (spec.bands - 1)
    random = np.random.default_rng(seed)
    code = random.integers(0, 2, (height, width + (0 if system.single_disperser else largest_shift)))
    calibration = Calibration(
        CalibrationHeader(system=system, name=f"drawn, {height} x {width}"),
        np.linspace(FIRST_NM, LAST_NM, spec.bands, dtype=np.float32),
        (0.02 + 0.96 * code).astype(np.float32),
        spec.step_px * np.arange(spec.bands, dtype=np.float32),
        np.ones(spec.bands, np.float32),
    )
    model = sensing_model(calibration)
    measurements = tuple(
        Measurement(model.forward(cube), calibration.id, index)
        for index, cube in enumerate(_moving_scene(spec.bands, height, width, seed))
    )
    return Trial(calibration, measurements, weights, network)


def save_random_weights(path: Path, system: System, seed: int = 0) -> None:
    """Write random weights whose position biases and gates act, as they do in trained ones."""
    spec = find_network(NAME)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PGSVRT(system)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    card = WeightsCard(
        network=spec.name,
        system=system,
        bands=spec.bands,
        step_px=spec.step_px,
        created=datetime.now(UTC).replace(microsecond=0),
        state=TrainingState.UNTRAINED,
    )
    save_weights(path, card, network.state_dict())


def _moving_scene(bands: int, height: int, width: int, seed: int) -> Iterable[Array32]:
    """Cubes `(C, H, W)` in 0..1, one per frame: smooth patches with edges, smooth spectra, one diagonal motion."""
    generator = torch.Generator().manual_seed(seed)
    beyond = MOTION_PX * (FRAMES - 1)
    size = height + beyond, width + beyond
    coarse = torch.rand(4, *(-(-side // DETAIL_PX) + 1 for side in size), generator=generator)
    maps = F.interpolate(coarse[None], size, mode="bilinear", align_corners=False)[0]
    abundances = torch.where(maps[:1] > 0.5, maps[1:], maps[1:].flip(0))  # two regions, with edges between them
    places = torch.linspace(0, 1, bands)[:, None]
    spectra = torch.exp(-0.5 * ((places - torch.tensor([0.2, 0.5, 0.8])) / 0.15) ** 2)
    for frame in range(FRAMES):
        start = MOTION_PX * frame
        part = abundances[:, start : start + height, start : start + width]
        yield torch.einsum("cm,mhw->chw", 0.8 * spectra, part).clamp(0, 1).numpy()
