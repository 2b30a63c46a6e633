"""Writing an ONNX graph operator by operator, with the shapes that come about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

OPSET = 20
IR_VERSION = 9
PRODUCER = "livecassi"


@dataclass(frozen=True, slots=True)
class Value:
    """A float32 tensor of the graph: its name and shape."""

    name: str
    shape: tuple[int, ...]


class GraphWriter:
    """Collects operators and constants; `model` makes a network of them.

    `place` is put before the names of operators, so that errors can say where they are.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[Value] = []
        self.place = ""

    def input(self, name: str, shape: Sequence[int]) -> Value:
        """An input of the network."""
        value = Value(name, tuple(shape))
        self._inputs.append(value)
        return value

    def constant(self, array: NDArray[np.float32]) -> Value:
        """Numbers that are part of the network."""
        from onnx.numpy_helper import from_array

        value = Value(f"constant_{len(self._constants)}", array.shape)
        self._constants.append(from_array(np.ascontiguousarray(array, np.float32), value.name))
        return value

    def add(self, operator: str, inputs: Sequence[Value], shape: Sequence[int], **attributes: Any) -> Value:
        """An operator with one output of that shape."""
        from onnx.helper import make_node

        result = Value(f"{operator.lower()}_{len(self._nodes)}", tuple(shape))
        name = f"{self.place}/{operator}_{len(self._nodes)}"
        self._nodes.append(
            make_node(operator, [value.name for value in inputs], [result.name], name=name, **attributes)
        )
        return result

    def model(self, outputs: Mapping[str, Value]) -> "onnx.ModelProto":
        """The network with these outputs by name."""
        from onnx import helper

        ends = [helper.make_node("Identity", [value.name], [name], name=name) for name, value in outputs.items()]
        graph = helper.make_graph(
            [*self._nodes, *ends],
            self._name,
            [_described(value.name, value) for value in self._inputs],
            [_described(name, value) for name, value in outputs.items()],
            self._constants,
        )
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name=PRODUCER
        )
        return model


def _described(name: str, value: Value) -> "onnx.ValueInfoProto":
    from onnx import TensorProto, helper

    described: onnx.ValueInfoProto = helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
    return described
