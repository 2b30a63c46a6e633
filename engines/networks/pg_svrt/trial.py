"""What benchmarks of PG-SVRT run: a drawn moving scene behind a bench of its size, and weights from a file.

Scenes and random weights come from fixed seeds. Times, and how far ways of computing are apart, need no trained
weights; cubes of random ones mean nothing and are never shown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.engines.networks.drawn import drawn_bench, drawn_scene
from livecassi.engines.networks.engine import VideoEngine, VideoSettings
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.pg_svrt.attention import FRAMES
from livecassi.engines.networks.pg_svrt.literal import literal_forward
from livecassi.engines.networks.pg_svrt.network import PGSVRT
from livecassi.engines.networks.registry import find_network
from livecassi.engines.networks.runner import Placing, Runner
from livecassi.engines.networks.torch_passes import TorchPasses

Array32 = NDArray[np.float32]

NAME = "pg-svrt"


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
        return Runner(self.network, partial(self.network.for_bench, self.calibration), placing)

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
    calibration = drawn_bench(spec, system, height, width, seed)
    model = sensing_model(calibration)
    measurements = tuple(
        Measurement(model.forward(cube), calibration.id, index)
        for index, cube in enumerate(drawn_scene(spec.bands, height, width, FRAMES, seed))
    )
    return Trial(calibration, measurements, weights, network)
