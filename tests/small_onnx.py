"""Small networks as ONNX files, for tests of runtimes; the package onnx must be there."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array32 = NDArray[np.float32]

FEATURES = (1, 5, 24, 36)  # of the input "features" of `convolution_network`
MASK = (1, 1, 24, 36)  # of its input "mask"


def convolution_network(seed: int = 3, size: tuple[int, int] = FEATURES[2:]) -> bytes:
    """`cube (1, 4, H, W)` = 3x3 convolution of `features` times `mask`, then ReLU; `sum` is that over its bands."""
    random = np.random.default_rng(seed)
    kernel = (random.normal(size=(4, 5, 3, 3)) / 5).astype(np.float32)
    bias = random.normal(size=4).astype(np.float32)
    nodes = [
        helper.make_node("Mul", ["features", "mask"], ["masked"]),
        helper.make_node("Conv", ["masked", "kernel", "bias"], ["linear"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["linear"], ["cube"]),
        helper.make_node("ReduceSum", ["cube", "axes"], ["sum"], keepdims=1),
    ]
    given = [declared("features", (1, 5, *size)), declared("mask", (1, 1, *size))]
    gives = [declared("cube", (1, 4, *size)), declared("sum", (1, 1, *size))]
    constants = [
        numpy_helper.from_array(kernel, "kernel"),
        numpy_helper.from_array(bias, "bias"),
        numpy_helper.from_array(np.array([1], np.int64), "axes"),
    ]
    return network(nodes, given, gives, constants)


def network(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto],
) -> bytes:
    """The bytes of an ONNX file of opset 18."""
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def declared(name: str, shape: tuple[int | str, ...], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output of a network."""
    return helper.make_tensor_value_info(name, kind, shape)


def expected(content: bytes, features: Array32, mask: Array32) -> Array32:
    """The `cube` of `convolution_network`, in NumPy."""
    tensors = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(content).graph.initializer
    }
    padded = np.pad(features * mask, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = features.shape[2:]
    total = np.zeros((1, 4, height, width), np.float32) + tensors["bias"][None, :, None, None]
    for i in range(3):
        for j in range(3):
            part = padded[:, :, i : i + height, j : j + width]
            total += np.einsum("oc,bchw->bohw", tensors["kernel"][:, :, i, j], part).astype(np.float32)
    return np.maximum(total, 0)
