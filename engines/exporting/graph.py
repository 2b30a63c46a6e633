"""Writing an ONNX graph operator by operator: names, shapes, constants that are kept once, nothing that is not used."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

OPSET = 20  # the first with Gelu as one operator
IR_VERSION = 9  # the one of that opset
PRODUCER = "livecassi"

AnyArray = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph: its name, shape, and NumPy type."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


class GraphWriter:
    """Collects operators and constants; `model` gives what the outputs need of them.

    `place` is put before the names of operators, so that errors can say where they are.
    """

    def __init__(self, name: str) -> None:
        import onnx

        self._onnx = onnx
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._maker: dict[str, onnx.NodeProto] = {}
        self._constants: dict[str, AnyArray] = {}
        self._inputs: list[Value] = []
        self._known: dict[str, Value] = {}
        self._done: dict[tuple[object, ...], Value] = {}
        self.place = ""

    def input(self, name: str, shape: Sequence[int]) -> Value:
        """An input of the network, float32."""
        value = Value(name, tuple(shape))
        self._inputs.append(value)
        self._known[name] = value
        return value

    def constant(self, array: AnyArray) -> Value:
        """A constant; the same values are kept once."""
        content = np.ascontiguousarray(array)
        mark = hashlib.sha256(f"{content.dtype} {array.shape}".encode() + content.tobytes()).hexdigest()[:16]
        value = Value(f"constant_{mark}", tuple(array.shape), str(content.dtype))
        self._constants.setdefault(value.name, content.reshape(array.shape))
        self._known[value.name] = value
        return value

    def integers(self, *values: int) -> Value:
        """A constant list of whole numbers."""
        return self.constant(np.array(values, np.int64))

    def add(
        self, operator: str, inputs: Sequence[Value], shape: Sequence[int], dtype: str = "", **attributes: object
    ) -> Value:
        """An operator with one output of that shape; its type is that of the first input where none is given.

        What was computed before from the same inputs is not computed again.
        """
        same = operator, *inputs, tuple(shape), str(sorted(attributes.items()))
        if same not in self._done:
            result = Value(f"{operator.lower()}_{len(self._nodes)}", tuple(shape), dtype or inputs[0].dtype)
            self._append(operator, inputs, result, attributes)
            self._known[result.name] = self._done[same] = result
        return self._done[same]

    def _append(self, operator: str, inputs: Sequence[Value], result: Value, attributes: Mapping[str, Any]) -> None:
        name = f"{self.place}/{operator}_{len(self._nodes)}"
        names = [value.name for value in inputs]
        self._nodes.append(self._onnx.helper.make_node(operator, names, [result.name], name=name, **attributes))
        self._maker[result.name] = self._nodes[-1]

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """The same values in another shape; one operator for several in a row."""
        maker = self._maker.get(value.name)
        if maker is not None and maker.op_type == "Reshape":
            value = self._known[maker.input[0]]
        if tuple(shape) == value.shape:
            return value
        return self.add("Reshape", [value, self.integers(*shape)], shape)

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """Axes in another order."""
        if list(order) == list(range(len(order))):
            return value
        return self.add("Transpose", [value], [value.shape[axis] for axis in order], perm=list(order))

    def model(self, outputs: Mapping[str, Value]) -> "onnx.ModelProto":
        """The network with these outputs by name."""
        helper = self._onnx.helper
        self.place = ""
        for name, value in outputs.items():
            self._append("Identity", [value], Value(name, value.shape, value.dtype), {})
        nodes = self._needed(set(outputs))
        used = {name for node in nodes for name in node.input}
        made = {name for node in nodes for name in node.output}
        graph = helper.make_graph(
            nodes,
            self._name,
            [self._described(value, value.name) for value in self._inputs],
            [self._described(value, name) for name, value in outputs.items()],
            [self._onnx.numpy_helper.from_array(a, name) for name, a in self._constants.items() if name in used],
            value_info=[self._described(value, name) for name, value in self._known.items() if name in made],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=PRODUCER
        )
        return model

    def _needed(self, wanted: set[str]) -> "list[onnx.NodeProto]":
        """The operators that the wanted tensors depend on, in order."""
        kept = []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted |= set(node.input)
        return kept[::-1]

    def _described(self, value: Value, name: str) -> "onnx.ValueInfoProto":
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, value.shape)
