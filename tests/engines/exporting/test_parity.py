"""Every exported network computes what it computes in torch, and NVIDIA's parser takes it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from exported_networks import decibels, random_inputs, run, smallest_request
from numpy.typing import NDArray

from livecassi.calibration import System
from livecassi.engines.exporting.export import exported
from livecassi.engines.exporting.mixed_precision import mixed
from livecassi.engines.exporting.registry import ExportRequest, export_specs
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.onnx_tensors import declared_tensors
from livecassi.engines.runtimes.preparation import Unwatched

pytest.importorskip("onnx", reason="networks are exported with onnx")
pytest.importorskip("onnxruntime", reason="exported networks are run by ONNX Runtime")

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


def test_onnx_runtime_computes_what_torch_computes(exported_network: Exported) -> None:
    found = run(exported_network.model, exported_network.inputs)
    assert exported_network.expected.std() > 1e-3
    assert decibels(found, exported_network.expected) >= FP32_DB


def test_in_fp16_little_is_lost(exported_network: Exported) -> None:
    halved = mixed(exported_network.model, Precision.FP16)
    assert len(halved.SerializeToString()) < 0.8 * len(exported_network.model.SerializeToString())
    found = run(halved, exported_network.inputs, as_written=True)
    assert HALF_DB <= decibels(found, exported_network.expected) < 120


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
