"""Every exported network computes what it computes in torch, and NVIDIA's parser takes it."""

from dataclasses import dataclass
from math import prod
from typing import Any

import pytest
from exported_networks import Exports, Session, decibels_of_several

from livecassi.calibration import System
from livecassi.engines.exporting.mixed_precision import mixed
from livecassi.engines.exporting.registry import Reference, export_specs
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.onnx_tensors import declared_tensors

TensorProto = pytest.importorskip("onnx", reason="networks are exported with onnx").TensorProto
pytest.importorskip("onnxruntime", reason="exported networks are run by ONNX Runtime")

FP32_DB, HALF_DB = 80, 45
LEAST_DB = {"bisrnet": 30}  # rounding turns some of its signs
USUAL = (System.SD_CASSI, System.DD_CASSI)  # the graphs of the other two systems differ from these by weights alone
# Larger sizes of a still network, and priors in others, are made of the same parts.
# For SD-CASSI, PG-SVRT is held to its authors' outputs in test_pg_svrt_export.
ALIKE = {name for name in still_family() if name not in ("hsra-s", "hsra-s+sdp", "hsra-dum-3", "mst-s", "bisrnet")}
ELSEWHERE = {("hsra-s+sdp", System.DD_CASSI), ("hsra-dum-3", System.DD_CASSI), ("pg-svrt", System.SD_CASSI)}
CASES = [
    pytest.param((spec.name, system), id=f"{spec.name}-{system}")
    for spec in export_specs().values()
    if spec.name not in ALIKE
    for system in sorted(spec.systems.intersection(USUAL) or spec.systems)
    if (spec.name, system) not in ELSEWHERE
]

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Exported:
    """A network at its smallest size, the shapes of its inputs, and the same in torch."""

    name: str
    model: Any
    shapes: dict[str, tuple[int, ...]]
    reference: Reference


@pytest.fixture(scope="module", params=CASES)
def exported_network(request: pytest.FixtureRequest, exports: Exports) -> Exported:
    network, system = request.param
    export = exports.of(network, system)
    declared, _ = declared_tensors(export.model.SerializeToString(), network)
    shapes = {spec.name: spec.shape for spec in declared}
    return Exported(network, export.model, shapes, export_specs()[network].reference(export.request))


def test_onnx_runtime_computes_what_torch_computes(exported_network: Exported) -> None:
    session = Session(exported_network.model)
    found = decibels_of_several(session, exported_network.reference, exported_network.shapes)
    assert found[-1] >= FP32_DB
    assert found[0] >= HALF_DB


def test_in_fp16_little_is_lost(exported_network: Exported) -> None:
    halved = mixed(exported_network.model, Precision.FP16)
    in_half, in_products = _weights_in_half(halved), _weights_of_products(exported_network.model)
    smaller = halved.ByteSize() < 0.8 * exported_network.model.ByteSize()
    assert smaller or in_half >= 0.8 * in_products > 0, (
        "of HSRA constants of attention, which stay, are the larger part"
    )
    session = Session(halved, as_written=True)
    found = decibels_of_several(session, exported_network.reference, exported_network.shapes)
    assert LEAST_DB.get(exported_network.name, HALF_DB) <= found[0] <= found[-1] < 120


def _weights_in_half(model: Any) -> int:
    return sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT16)


def _weights_of_products(model: Any) -> int:
    """How many numbers convolutions and matrix products are given by the file."""
    taken = {
        name for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul") for name in node.input[1:2]
    }
    return sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.name in taken)


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
