"""Mixed precision written into a graph, for runtimes that compute what the graph says and nothing else.

Inputs and outputs stay fp32. Every operator belongs to one of these classes; "half" is fp16 or bf16:

- products (Conv, ConvTranspose, Gemm, MatMul) take and give half, and so do their weights;
- elementwise operators (Add, Mul, Gelu, ...) are half where everything that they are given was half already, or comes
  from a LayerNormalization or Softmax, whose results are bounded and rounded for the next product anyway;
- movement (Reshape, Transpose, Slice, ...) goes on in half where either end of it is half: it rounds nothing, and moves
  half of the bytes;
- everything else (LayerNormalization, Softmax, reductions, comparisons, Sigmoid, Exp, ...) is fp32.

Three things stay fp32 whatever their class:

- what serves nothing but decisions: all results lead to Softmax, Sigmoid or a comparison and nowhere else. These are
  attention logits with their products and temperatures, and thresholds. They may be cubic in the activations, which
  fp16 does not hold, and a rounding flips a hard gate. This stops at a product of weights with a normalised tensor:
  queries and keys are features like others, and half;
- a residual stream: a sum of two tensors that is normalised, given as a result, or added to again while other
  operators read it, so that roundings do not add up from block to block;
- an operator with a constant that half does not hold.

Tensors are cast once in each direction, and never to and fro.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.precision import Precision

if TYPE_CHECKING:
    import onnx

PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
MOVEMENT = frozenset(
    {"Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "Identity", "Pad", "Reshape", "Slice"}
    | {"SpaceToDepth", "Split", "Squeeze", "Transpose", "Unsqueeze"}
)
ELEMENTWISE = frozenset({"Add", "Div", "Erf", "Gelu", "LeakyRelu", "Max", "Min", "Mul", "Neg", "Relu", "Sub", "Where"})
BOUNDED = frozenset({"LayerNormalization", "Softmax"})
DECISIONS = frozenset({"ArgMax", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Sigmoid", "Softmax"})

LARGEST = {Precision.FP16: 65504.0, Precision.BF16: 3.38e38}
OPSET_OF_BF16 = 22  # the first whose Conv takes bf16
IR_OF_BF16 = 10


def mixed(model: "onnx.ModelProto", precision: Precision) -> "onnx.ModelProto":
    """A copy of an fp32 graph that computes in `precision` as this module says; for fp32 the graph as it is."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if precision is not Precision.FP32:
        _rewrite(copy, _Plan(copy, LARGEST[precision]), precision)
    return copy


class _Plan:
    """Which operators, by their place in the graph, compute in half."""

    def __init__(self, model: "onnx.ModelProto", largest: float) -> None:
        import onnx

        graph = onnx.shape_inference.infer_shapes(model).graph
        self._nodes = list(model.graph.node)
        self._results = {value.name for value in graph.output}
        self._constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        declared = (*graph.value_info, *graph.input, *graph.output)
        self.floats = {v.name for v in declared if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
        self.floats |= {name for name, array in self._constants.items() if array.dtype == np.float32}
        self._largest = largest
        self._maker = {name: place for place, node in enumerate(self._nodes) for name in node.output}
        self._users: dict[str, list[int]] = defaultdict(list)
        for place, node in enumerate(self._nodes):
            for name in dict.fromkeys(node.input):
                self._users[name].append(place)
        self._deciding = self._serving_decisions()
        self.half = self._choose()

    def _given(self, place: int) -> list[str]:
        """The float inputs of an operator that are no constants."""
        return [name for name in self._nodes[place].input if name in self.floats and name not in self._constants]

    def _users_of(self, place: int) -> list[int]:
        return [user for name in self._nodes[place].output for user in self._users[name]]

    def _gives_result(self, place: int) -> bool:
        return not self._results.isdisjoint(self._nodes[place].output)

    def _beyond_movement(self, place: int, step: Callable[[int], list[int]]) -> list[int]:
        """Where `step` leads from an operator, through all movement."""
        found: list[int] = []
        waiting = step(place)
        while waiting:
            here = waiting.pop()
            if self._nodes[here].op_type in MOVEMENT and not self._gives_result(here):
                waiting += step(here)
            else:
                found.append(here)
        return found

    def _makers_of(self, place: int) -> list[int]:
        return [self._maker[name] for name in self._given(place) if name in self._maker]

    def _of_normalised(self, place: int) -> bool:
        """Whether an operator is a product of weights with what was normalised."""
        if self._nodes[place].op_type not in PRODUCTS or len(self._given(place)) != 1:
            return False
        makers = self._beyond_movement(place, self._makers_of)
        return bool(makers) and all(self._nodes[maker].op_type in BOUNDED for maker in makers)

    def _serving_decisions(self) -> set[int]:
        found: set[int] = set()
        for place in reversed(range(len(self._nodes))):
            users = self._users_of(place)
            if not users or self._gives_result(place) or self._of_normalised(place):
                continue
            if all(user in found or self._nodes[user].op_type in DECISIONS for user in users):
                found.add(place)
        return found

    def _sums(self, place: int) -> bool:
        return self._nodes[place].op_type == "Add" and len(self._given(place)) == 2

    def _is_residual(self, place: int) -> bool:
        if not self._sums(place):
            return False
        users = self._beyond_movement(place, self._users_of)
        if self._gives_result(place) or any(
            self._gives_result(user) or self._nodes[user].op_type == "LayerNormalization" for user in users
        ):
            return True
        return len(users) > 1 and any(self._sums(user) for user in users)

    def _fits(self, place: int) -> bool:
        constants = [self._constants[n] for n in self._nodes[place].input if n in self._constants and n in self.floats]
        return all(array.size == 0 or np.abs(array).max() <= self._largest for array in constants)

    def _choose(self) -> set[int]:
        half: set[int] = set()
        soft: set[str] = set()  # tensors that are half, or may as well be
        for place, node in enumerate(self._nodes):
            given = self._given(place)
            followed = bool(given) and soft.issuperset(given)
            allowed = place not in self._deciding and self._fits(place)
            if node.op_type in PRODUCTS:
                chosen = allowed
            elif node.op_type in ELEMENTWISE:
                chosen = allowed and followed and not self._is_residual(place) and not self._gives_result(place)
            else:
                chosen = False
            if chosen:
                half.add(place)
            if chosen or node.op_type in BOUNDED or (node.op_type in MOVEMENT and followed):
                soft.update(node.output)
        movement = [p for p, node in enumerate(self._nodes) if node.op_type in MOVEMENT and self._may_be_half(p)]
        for place in reversed(movement):
            if (users := self._users_of(place)) and half.issuperset(users):
                half.add(place)
        for place in movement:
            if (
                (makers := self._makers_of(place))
                and len(makers) == len(self._given(place))
                and half.issuperset(makers)
            ):
                half.add(place)
        return half

    def _may_be_half(self, place: int) -> bool:
        return bool(self._given(place)) and not self._gives_result(place) and self._fits(place)


def _rewrite(model: "onnx.ModelProto", plan: _Plan, precision: Precision) -> None:
    """Casts and constants as planned; shapes are inferred anew."""
    import onnx

    kind = {Precision.FP16: onnx.TensorProto.FLOAT16, Precision.BF16: onnx.TensorProto.BFLOAT16}[precision]
    graph, full = model.graph, onnx.TensorProto.FLOAT
    constants = {tensor.name: tensor for tensor in graph.initializer}
    halved: set[str] = set()  # tensors that are half now
    made: dict[str, onnx.NodeProto | onnx.TensorProto] = {}
    nodes: list[onnx.NodeProto] = []

    def as_kind(name: str, wanted: bool) -> str:
        if name not in plan.floats or (name in halved) == wanted:
            return name
        cast = f"{name}.{precision if wanted else Precision.FP32}"
        if cast not in made:
            if name in constants:
                made[cast] = _half_constant(onnx.numpy_helper.to_array(constants[name]), cast, precision)
            else:
                made[cast] = onnx.helper.make_node("Cast", [name], [cast], name=cast, to=kind if wanted else full)
                nodes.append(made[cast])
        return cast

    for place, node in enumerate(graph.node):
        wanted = place in plan.half
        named = [as_kind(name, wanted) for name in node.input]
        nodes.append(node)
        del node.input[:]
        node.input.extend(named)
        if wanted:
            halved.update(name for name in node.output if name in plan.floats)
    _return_full(graph, nodes, halved, full)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    kept += [made[name] for name in made if isinstance(made[name], onnx.TensorProto)]
    _replace(graph.node, nodes)
    _replace(graph.initializer, kept)
    del graph.value_info[:]
    if precision is Precision.BF16:
        model.ir_version = max(model.ir_version, IR_OF_BF16)
        for imported in model.opset_import:
            imported.version = max(imported.version, OPSET_OF_BF16)
    graph.CopyFrom(onnx.shape_inference.infer_shapes(model).graph)


def _return_full(graph: "onnx.GraphProto", nodes: "list[onnx.NodeProto]", halved: set[str], full: int) -> None:
    """Results of the network that were computed in half are given in fp32 under their own names."""
    import onnx

    for result in graph.output:
        if result.name in halved:
            inner = f"{result.name}.half"
            for node in nodes:
                for names in (node.input, node.output):
                    renamed = [inner if name == result.name else name for name in names]
                    del names[:]
                    names.extend(renamed)
            nodes.append(onnx.helper.make_node("Cast", [inner], [result.name], name=f"{result.name}.cast", to=full))


def _replace(field: Any, entries: list[Any]) -> None:
    copies = [type(entry).FromString(entry.SerializeToString()) for entry in entries]
    del field[:]
    field.extend(copies)


def _half_constant(array: NDArray[np.float32], name: str, precision: Precision) -> "onnx.TensorProto":
    import onnx

    if precision is Precision.FP16:
        return onnx.numpy_helper.from_array(array.astype(np.float16), name)
    bits = np.ascontiguousarray(array).view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # to nearest, ties to even
    return onnx.helper.make_tensor(name, onnx.TensorProto.BFLOAT16, array.shape, rounded.tobytes(), raw=True)
