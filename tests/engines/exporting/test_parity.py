"""Every exported network computes what it computes in torch, and NVIDIA's parser takes it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_networks import bench, random_inputs, smallest_request
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn
from weight_files import save_pg_svrt

from livecassi.calibration import System
from livecassi.engines.exporting.export import exported
from livecassi.engines.exporting.mixed_precision import mixed
from livecassi.engines.exporting.registry import ExportRequest, export_specs
from livecassi.engines.networks import load_network
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.pg_svrt.difference import Difference, difference
from livecassi.engines.networks.pg_svrt.windows import as_graph
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.onnx_tensors import declared_tensors
from livecassi.engines.runtimes.preparation import Unwatched

onnx = pytest.importorskip("onnx", reason="networks are exported with onnx")
ort = pytest.importorskip("onnxruntime", reason="exported networks are run by ONNX Runtime")

FP32_DB, HALF_DB = 80, 45
USUAL = (System.SD_CASSI, System.DD_CASSI)  # the graphs of the other two systems differ from these by weights alone
CASES = [
    pytest.param((spec.name, system), marks=() if system in USUAL else (pytest.mark.slow,), id=f"{spec.name}-{system}")
    for spec in export_specs().values()
    for system in sorted(spec.systems)
]

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Exported:
    """A network at its smallest size, inputs for it, and what torch makes of them."""

    model: Any
    request: ExportRequest
    inputs: dict[str, NDArray[np.float32]]
    expected: torch.Tensor


@pytest.fixture(scope="module", params=CASES)
def exported_network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    network, system = request.param
    asked = smallest_request(network, system, tmp_path_factory.mktemp("weights"))
    model, _ = exported(asked, Unwatched())
    declared, _ = declared_tensors(model.SerializeToString(), network)
    inputs = random_inputs({spec.name: spec.shape for spec in declared})
    expected = export_specs()[network].reference(asked)(inputs)
    return Exported(model, asked, inputs, torch.from_numpy(expected))


def run(model: Any, inputs: dict[str, NDArray[np.float32]]) -> torch.Tensor:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, inputs)[0])


def decibels(compared: Difference) -> float:
    return np.inf if compared.psnr_db is None else compared.psnr_db


def test_onnx_runtime_computes_what_torch_computes(exported_network: Exported) -> None:
    found = run(exported_network.model, exported_network.inputs)
    assert exported_network.expected.std() > 1e-3
    assert decibels(difference(found, exported_network.expected)) >= FP32_DB


def test_in_fp16_little_is_lost(exported_network: Exported) -> None:
    halved = mixed(exported_network.model, Precision.FP16)
    assert len(halved.SerializeToString()) < 0.8 * len(exported_network.model.SerializeToString())
    found = run(halved, exported_network.inputs)
    assert HALF_DB <= decibels(difference(found, exported_network.expected)) < 120


@pytest.mark.parametrize("precision", Precision)
def test_nvidias_parser_takes_it(exported_network: Exported, precision: Precision) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="the parser comes with tensorrt-rtx")
    content = mixed(exported_network.model, precision).SerializeToString()
    logger = trt.Logger(trt.Logger.ERROR)
    network = trt.Builder(logger).create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(content), [str(parser.get_error(place)) for place in range(parser.num_errors)]
    found = [
        [(tensor.name, tuple(tensor.shape), tensor.dtype) for tensor in tensors]
        for tensors in (
            [network.get_input(place) for place in range(network.num_inputs)],
            [network.get_output(place) for place in range(network.num_outputs)],
        )
    ]
    expected = [[(s.name, s.shape, trt.float32) for s in specs] for specs in declared_tensors(content, "it")]
    assert found == expected


@pytest.mark.parametrize("system", USUAL)
def test_a_mask_that_is_part_of_the_network_is_the_mask_as_an_input(system: System, tmp_path: Path) -> None:
    calibration = bench(system, 17, 20)
    with_mask = smallest_request("pg-svrt", system, tmp_path, calibration)
    model, _ = exported(with_mask, Unwatched())
    (declared,), _ = declared_tensors(model.SerializeToString(), "it")
    inputs = random_inputs({declared.name: declared.shape})
    mask = network_mask(calibration)
    seen = np.broadcast_to(mask, (30, *mask.shape[-2:])).copy()
    without = ExportRequest("pg-svrt", with_mask.weights, system, 17, 20)
    expected = export_specs()["pg-svrt"].reference(without)({**inputs, "mask": seen})
    assert declared.name == "measurement"
    assert decibels(difference(run(model, inputs), torch.from_numpy(expected))) >= FP32_DB


@pytest.mark.parametrize("system", USUAL)
def test_onnx_runtime_gives_the_authors_outputs(system: System, shared: Path, tmp_path: Path) -> None:
    folder = shared / "golden" / ("pgsvrt_sd" if system.single_disperser else "pgsvrt_dd")
    state = load_file(folder / "weights.safetensors")
    weights = save_pg_svrt(tmp_path / "w.safetensors", system, lambda network: network.load_state_dict(state))
    with np.load(folder / "case_b64x96.npz") as case:
        mask, measurement, expected = (case[name].astype(np.float32) for name in ("mask2d", "meas", "out"))
    step = 0 if system.single_disperser else 2
    seen = np.stack([mask[:, step * band : step * band + 96] for band in range(30)])
    model, _ = exported(ExportRequest("pg-svrt", weights, system, 64, 96), Unwatched())
    found = run(model, {"measurement": measurement[None], "mask": seen})
    compared = difference(found[0], torch.from_numpy(expected))
    assert compared.rms <= 2e-6
    assert decibels(compared) >= FP32_DB


def test_every_layer_norm_is_one_operator(exported_network: Exported) -> None:
    request = exported_network.request
    if request.network != "pg-svrt":
        pytest.skip("this network has no LayerNorm")
    network = load_network("pg-svrt", request.weights, request.system)
    calls: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    with torch.inference_mode(), as_graph():
        network(*(torch.from_numpy(exported_network.inputs[name]) for name in ("measurement", "mask")))
    counts = Counter(node.op_type for node in exported_network.model.graph.node)
    assert counts["LayerNormalization"] == len(calls) > 0
