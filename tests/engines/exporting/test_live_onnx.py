"""The graph of the live network: foreign tensors and sizes are refused in words. What it computes: test_parity.py."""

from collections.abc import Callable

import numpy as np
import pytest
from exported_networks import weights_of
from numpy.typing import NDArray

from livecassi.calibration import System
from livecassi.engines.errors import WeightsError
from livecassi.engines.networks.live.curves import CURVES
from livecassi.engines.networks.live.onnx_graph import live_onnx
from livecassi.engines.weights import load_arrays

pytest.importorskip("onnx", reason="the graph is made with onnx")

Tensors = dict[str, NDArray[np.float32]]


@pytest.fixture
def tensors(tmp_path: object) -> Tensors:
    _, arrays = load_arrays(weights_of("live", System.DD_CASSI, None))  # type: ignore[arg-type]
    return {name: values for name, values in arrays.items() if name not in CURVES}


def changed(name: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {**tensors, name: change(tensors[name])}


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: values for key, values in tensors.items() if key != name}


def test_its_ends_are_those_of_the_network(tensors: Tensors) -> None:
    graph = live_onnx(tensors, (21, 16, 40)).graph
    ends = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert ends == {"features": [1, 21, 16, 40], "corrections": [1, 12, 16, 40]}
    assert {node.op_type for node in graph.node} == {"Add", "Conv", "DepthToSpace", "Identity", "Relu"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("enter.weight"), "no tensor 'enter.weight'"),
        (without("feature_scale"), "no tensor 'feature_scale'"),
        (without("middle.1.second.bias"), "no tensor 'middle.1.second.bias'"),
        (lambda tensors: {**tensors, "surprise": np.ones(2, np.float32)}, "does not know: surprise"),
        (changed("result_scale", lambda values: values[1:]), "other shapes"),
        (changed("feature_scale", lambda values: values[1:]), "other shapes"),
        (changed("down.0.weight", lambda values: values[:, 1:]), "other shapes"),
        (changed("up.1.weight", lambda values: values[1:]), "other shapes"),
        (changed("leave.bias", lambda values: values[:4]), "other shapes"),
        (changed("encode.0.0.first.weight", lambda values: values[..., 0]), "other shapes"),
    ],
)
def test_foreign_tensors_are_refused(tensors: Tensors, change: Callable[[Tensors], Tensors], words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        live_onnx(change(tensors), (21, 16, 24))


@pytest.mark.parametrize("shape", [(21, 12, 24), (21, 16, 20), (21, 0, 24)])
def test_sizes_that_are_no_multiples_of_eight_are_refused(tensors: Tensors, shape: tuple[int, int, int]) -> None:
    with pytest.raises(WeightsError, match="multiples of 8"):
        live_onnx(tensors, shape)
