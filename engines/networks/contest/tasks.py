"""What all candidates of a network compute: one input of one size, drawn from fixed seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import System, sensing_model
from livecassi.engines.errors import EngineUnavailableError
from livecassi.engines.exporting.registry import ExportRequest
from livecassi.engines.networks.loading import require_torch
from livecassi.engines.networks.registry import find_network
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.weights import load_arrays, read_card

Array32 = NDArray[np.float32]
Size = tuple[int, int]

NETWORKS = ("pg-svrt", "live")  # where none is chosen


@dataclass(frozen=True, slots=True)
class Task:
    """A network for one bench, as it is exported in fp32, and its inputs by name, with a first axis of length 1.

    A pass reconstructs `frames` frames.
    """

    request: ExportRequest
    weights_id: str
    inputs: Mapping[str, Array32]
    frames: int

    @property
    def size(self) -> Size:
        """Rows and columns of the scene."""
        return self.request.height, self.request.width


def draw_task(network: str, weights: Path, system: System, size: Size) -> Task:
    """The task of a network at a size.

    Raises `EngineUnavailableError` (nothing is drawn for such a network, or torch is missing, which draws the scenes of
    video networks), and as `load_network` or `load_arrays`.
    """
    if network == "live":
        return _features(weights, system, size)
    if network == "pg-svrt":
        require_torch(network)
        return _window(weights, system, size)
    if network in still_family():
        require_torch(network)
        return _still(network, weights, system, size)
    known = ", ".join((*NETWORKS, *still_family()))
    raise EngineUnavailableError(f"nothing is drawn for network '{network}'; choose one of: {known}")


def save_untrained(network: str, path: Path, system: System) -> None:
    """Write random weights of a network: times need no trained ones. Raises `EngineUnavailableError` without torch."""
    require_torch(network)
    if network == "live":
        from livecassi.engines.networks.contest.in_torch import save_random_live_weights

        save_random_live_weights(path, system)
    else:
        from livecassi.engines.networks.drawn import save_drawn_weights

        save_drawn_weights(network, path, system)


def _features(weights: Path, system: System, size: Size) -> Task:
    """Random features, as large as those that the network was trained on."""
    card, tensors = load_arrays(weights)
    scale = tensors["feature_scale"]
    noise = np.random.default_rng(0).standard_normal((1, len(scale), *size), np.float32)
    inputs = {"features": noise * scale[:, None, None]}
    return Task(ExportRequest("live", weights, system, *size), card.tensors_sha256, inputs, frames=1)


def _still(network: str, weights: Path, system: System, size: Size) -> Task:
    """A drawn scene, seen through a random mask."""
    from livecassi.engines.networks.drawn import drawn_bench, drawn_scene

    bench = drawn_bench(find_network(network), system, *size)
    (scene,) = drawn_scene(bench.bands, *size, frames=1)
    measurement = sensing_model(bench).forward(scene)
    request = ExportRequest(network, weights, system, *size, calibration=bench)
    return Task(request, read_card(weights).tensors_sha256, {"measurement": measurement[None, None]}, frames=1)


def _window(weights: Path, system: System, size: Size) -> Task:
    """A moving scene, seen through a random mask."""
    from livecassi.engines.networks.pg_svrt.trial import draw_trial, load_for_trials

    trial = draw_trial(load_for_trials(weights, system), weights, *size)
    request = ExportRequest("pg-svrt", weights, system, *size, calibration=trial.calibration)
    inputs = {"measurement": trial.window.numpy()}
    return Task(request, read_card(weights).tensors_sha256, inputs, frames=len(trial.measurements))
