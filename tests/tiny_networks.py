"""Small networks as ONNX, made without torch: they build in a fraction of a second."""

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.helper import make_tensor_value_info

OPSET, IR = 18, 10


def _model(
    nodes: list[onnx.NodeProto], ends: tuple[list[object], list[object]], constants: dict[str, object]
) -> ModelProto:
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", ends[0], ends[1], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    return model


def video_network(length: int, height: int, width: int, bands: int, step: int) -> ModelProto:
    """`measurement` (1, T, H, W') to `cubes` (1, T, C, H, W): bands shifted back, mixed in space, bands and time."""
    random = np.random.default_rng(7)
    columns = width + step * (bands - 1)
    constants: dict[str, object] = {
        "kernel": random.normal(0, 0.2, (bands, bands, 3, 3)).astype(np.float32),
        "gain": random.uniform(0.5, 1, (1, bands, 1, 1)).astype(np.float32),  # a name that frame graphs use, too
        "mix": random.uniform(0, 0.5, (length, length)).astype(np.float32),
        "axis": np.array([3]),
        "band_axis": np.array([2]),
        "stills": np.array([length, bands, height, width]),
        "flat": np.array([length, bands * height * width]),
        "video": np.array([1, length, bands, height, width]),
    }
    nodes = []
    for band in range(bands):
        constants |= {f"from{band}": np.array([band * step]), f"to{band}": np.array([band * step + width])}
        nodes.append(helper.make_node("Slice", ["measurement", f"from{band}", f"to{band}", "axis"], [f"s{band}"]))
        nodes.append(helper.make_node("Unsqueeze", [f"s{band}", "band_axis"], [f"u{band}"]))
    nodes += [
        helper.make_node("Concat", [f"u{band}" for band in range(bands)], ["bands"], axis=2),
        helper.make_node("Reshape", ["bands", "stills"], ["stills_in"]),
        helper.make_node("Conv", ["stills_in", "kernel"], ["mixed"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["mixed", "gain"], ["offset"]),
        helper.make_node("Relu", ["offset"], ["lit"]),
        helper.make_node("Reshape", ["lit", "flat"], ["flattened"]),
        helper.make_node("MatMul", ["mix", "flattened"], ["in_time"]),
        helper.make_node("Reshape", ["in_time", "video"], ["cubes"]),
    ]
    measurement = make_tensor_value_info("measurement", TensorProto.FLOAT, [1, length, height, columns])
    cubes = make_tensor_value_info("cubes", TensorProto.FLOAT, [1, length, bands, height, width])
    return _model(nodes, ([measurement], [cubes]), constants)


def mixed_precision_network() -> ModelProto:
    """`x` (1, 3, 12, 20) to `y` (1, 4, 12, 20): a convolution in fp16, a norm in fp32."""
    random = np.random.default_rng(8)
    constants = {
        "kernel": random.normal(0, 0.2, (4, 3, 3, 3)).astype(np.float16),
        "scale": np.ones(20, np.float32),
        "bias": np.zeros(20, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["half", "kernel"], ["convolved"], pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["convolved"], ["full"], to=TensorProto.FLOAT),
        helper.make_node("LayerNormalization", ["full", "scale", "bias"], ["y"], name="the_norm"),
    ]
    x = make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 12, 20])
    y = make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 12, 20])
    return _model(nodes, ([x], [y]), constants)


def unsupported_network() -> ModelProto:
    """With a determinant, which NVIDIA's parsers do not know."""
    x = make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 3])
    y = make_tensor_value_info("y", TensorProto.FLOAT, [2])
    return _model([helper.make_node("Det", ["x"], ["y"], name="the_determinant")], ([x], [y]), {})
