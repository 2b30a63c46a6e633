"""Networks to export in tests: weights for each, a bench, and inputs for whatever a graph declares."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom
from weight_files import save_pg_svrt

from livecassi.app.weight_places import shipped_folder
from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.engines.exporting.registry import ExportRequest, Reference, find_export
from livecassi.engines.networks.pg_svrt.difference import difference

BANDS, STEP = 30, 2
BRIGHTNESS = {"measurement": np.float32(8)}


def weights_of(network: str, system: System, folder: Path) -> Path:
    """A file of weights of a network; one that is registered later needs a line here."""
    if network == "live":
        return shipped_folder() / f"live-{system}.safetensors"
    if network == "pg-svrt":
        return save_pg_svrt(folder / f"{network}-{system}.safetensors", system)
    raise AssertionError(f"no weights for '{network}': add them to tests/exported_networks.py")


def smallest_request(network: str, system: System, folder: Path, calibration: Calibration | None = None) -> Any:
    """A request for the smallest scene that is not square."""
    spec = find_export(network)
    height = -(-spec.smallest_side // spec.multiple) * spec.multiple
    width = height + 3 * spec.multiple
    if calibration is not None:
        height, width = spec.size_for(calibration)
    weights = weights_of(network, system, folder)
    return ExportRequest(network, weights, system, height, width, calibration=calibration)


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
