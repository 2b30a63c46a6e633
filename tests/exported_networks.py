"""Networks to export in tests: weights for each, a bench, and inputs for whatever a graph declares."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom
from weight_files import save_pg_svrt

from livecassi.app.weight_places import shipped_folder
from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.engines.exporting.card import NetworkCard
from livecassi.engines.exporting.export import exported
from livecassi.engines.exporting.registry import ExportRequest, Reference
from livecassi.engines.networks import find_network
from livecassi.engines.networks.drawn import drawn_bench, save_drawn_weights
from livecassi.engines.networks.pg_svrt.difference import difference
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.runtimes.preparation import Unwatched

BANDS, STEP = 30, 2
BRIGHTNESS = {"measurement": np.float32(8)}


@dataclass(frozen=True)
class Export:
    """A network that was exported in fp32: what was asked for, the graph with its card, and the card."""

    request: ExportRequest
    model: Any
    card: NetworkCard


class Exports:
    """Exports networks for scenes of 20 x 36, or 16 x 24, each once for all tests: torch's exporter takes its time.

    `folder` holds their weights. With a mask baked in the bench is `bench(system, 20, 36)`, for still networks another.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, System, bool], Export] = {}

    def of(self, network: str, system: System, *, baked: bool = False) -> Export:
        """The network for a system, its mask baked in or an input."""
        if (network, system, baked) not in self._made:
            height, width = (20, 36) if network == "pg-svrt" else (16, 24)
            calibration = None
            if baked and network in still_family():
                calibration = drawn_bench(find_network(network), system, height, width)
            elif baked:
                calibration = bench(system, height, width)
            weights = weights_of(network, system, self._folder)
            request = ExportRequest(network, weights, system, height, width, calibration=calibration)
            self._made[network, system, baked] = Export(request, *exported(request, Unwatched()))
        return self._made[network, system, baked]


def weights_of(network: str, system: System, folder: Path) -> Path:
    """A file of weights of a network; one that is registered later needs a line here."""
    if network == "live":
        return shipped_folder() / f"live-{system}.safetensors"
    if network == "pg-svrt":
        return save_pg_svrt(folder / f"{network}-{system}.safetensors", system)
    if network in still_family():
        path = folder / f"{network}-{system}.safetensors"
        save_drawn_weights(network, path, system)
        return path
    raise AssertionError(f"no weights for '{network}': add them to tests/exported_networks.py")


def bench(system: System, height: int, width: int, largest_response: float = 1.0) -> Calibration:
    """A bench of 30 bands, 400 to 700 nm, 2 px apart, with a random mask."""
    largest_shift = 0 if system.single_disperser else STEP * (BANDS - 1)
    mask = np.random.default_rng(3).random((height, width + largest_shift)).astype(np.float32)
    return Calibration(
        CalibrationHeader(system=system, name="drawn"),
        np.linspace(410, 700, BANDS, dtype=np.float32),
        mask,
        STEP * np.arange(BANDS, dtype=np.float32),
        np.full(BANDS, largest_response, np.float32),
    )


def random_inputs(shapes: dict[str, tuple[int, ...]], seed: int = 4) -> dict[str, NDArray[np.float32]]:
    """Smooth pictures of 0..1, and measurements as bright as a sum of many bands behind a mask."""
    random = np.random.default_rng(seed)
    inputs = {}
    for name, shape in shapes.items():
        coarse = random.random((*shape[:-2], 3, 4))
        factors = (*(1 for _ in shape[:-2]), shape[-2] / 3, shape[-1] / 4)
        inputs[name] = zoom(coarse, factors, order=1).astype(np.float32) * BRIGHTNESS.get(name, 1)
    return inputs


class Session:
    """A network in ONNX Runtime on one thread of the CPU; `as_written`: operators are not fused."""

    def __init__(self, model: Any, *, as_written: bool = False) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if as_written:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: Mapping[str, NDArray[np.float32]]) -> torch.Tensor:
        return torch.from_numpy(self._session.run(None, dict(inputs))[0])


def run(model: Any, inputs: Mapping[str, NDArray[np.float32]]) -> torch.Tensor:
    """The output of a network in ONNX Runtime."""
    return Session(model)(inputs)


def decibels(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The PSNR; infinite where nothing differs."""
    compared = difference(found, expected).psnr_db
    return np.inf if compared is None else compared


def decibels_of_several(
    session: Session, reference: Reference, shapes: dict[str, tuple[int, ...]], known: Mapping[str, Any] | None = None
) -> list[float]:
    """The PSNR of several inputs, least first.

    A hard gate that falls to the other side by rounding, now and then, costs up to 60 dB in pictures as small as those
    of tests; a graph that computes something else loses them in every input.
    """
    found = []
    for seed in range(5):
        inputs = random_inputs(shapes, seed)
        expected = torch.from_numpy(reference({**inputs, **(known or {})}))
        assert expected.std() > 1e-3
        found.append(decibels(session(inputs), expected))
    return sorted(found)
