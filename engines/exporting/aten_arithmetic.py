"""What torch's operators that compute are in ONNX, see `operands.py`."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from livecassi.engines.errors import PreparationError
from livecassi.engines.exporting.graph import GraphWriter
from livecassi.engines.exporting.operands import Results, Translation, axis_of, compact, shape_of, whole
from livecassi.engines.exporting.recording import Recorded


def _converted(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    if results[0].dtype == given.dtype:
        return [whole(writer, given)]
    if results[0].dtype is torch.float32 and given.dtype is torch.bool:
        return [writer.add("Cast", [whole(writer, given)], given.shape, "float32", to=1)]
    raise PreparationError(f"{writer.place} converts {given.dtype} to {results[0].dtype}; networks compute in float32")


def _elementwise(operator: str) -> Translation:
    def translate(
        writer: GraphWriter, results: Sequence[Tensor], one: Any, other: Any, alpha: float = 1, **_: object
    ) -> Results:
        flags = [given for given in (one, other) if isinstance(given, Tensor) and given.dtype is torch.bool]
        if operator == "Mul" and len(flags) == 1:
            kept = other if flags[0] is one else one
            inputs = [compact(writer, flags[0]), compact(writer, kept), compact(writer, 0.0)]
            return [writer.add("Where", inputs, shape_of(results[0]), "float32")]
        second = compact(writer, other)
        if alpha != 1:
            second = writer.add("Mul", [second, compact(writer, alpha)], second.shape)
        dtype = str(results[0].dtype).removeprefix("torch.")
        return [writer.add(operator, [compact(writer, one), second], shape_of(results[0]), dtype)]

    return translate


def _one(operator: str) -> Translation:
    def translate(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
        return [writer.add(operator, [whole(writer, given)], shape_of(results[0]))]

    return translate


def _gelu(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, approximate: str = "none") -> Results:
    return [writer.add("Gelu", [whole(writer, given)], shape_of(results[0]), approximate=approximate)]


def _leaky_relu(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, slope: float = 0.01) -> Results:
    return [writer.add("LeakyRelu", [whole(writer, given)], shape_of(results[0]), alpha=float(slope))]


def _softmax(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int, *_: object) -> Results:
    return [writer.add("Softmax", [whole(writer, given)], shape_of(results[0]), axis=axis_of(dim, given.ndim))]


def _addcmul(
    writer: GraphWriter, results: Sequence[Tensor], base: Tensor, one: Tensor, other: Tensor, value: float = 1
) -> Results:
    shape = torch.broadcast_shapes(one.shape, other.shape)
    product = writer.add("Mul", [compact(writer, one), compact(writer, other)], shape)
    if value != 1:
        product = writer.add("Mul", [product, compact(writer, value)], shape)
    return [writer.add("Add", [compact(writer, base), product], shape_of(results[0]))]


def _where(writer: GraphWriter, results: Sequence[Tensor], condition: Tensor, one: Any, other: Any) -> Results:
    inputs = [compact(writer, given) for given in (condition, one, other)]
    return [writer.add("Where", inputs, shape_of(results[0]), "float32")]


def _layer_norm(
    writer: GraphWriter,
    results: Sequence[Tensor],
    given: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Results:
    scale = torch.ones(*shape) if weight is None else weight
    inputs = [whole(writer, given), whole(writer, scale), *([] if bias is None else [whole(writer, bias)])]
    return [writer.add("LayerNormalization", inputs, shape_of(results[0]), axis=-len(shape), epsilon=eps)]


def _linear(
    writer: GraphWriter, results: Sequence[Tensor], given: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Results:
    turned = writer.transpose(weight.value, (1, 0)) if isinstance(weight, Recorded) else whole(writer, weight.mT)
    product = writer.add("MatMul", [whole(writer, given), turned], shape_of(results[0]))
    return [product if bias is None else writer.add("Add", [product, compact(writer, bias)], shape_of(results[0]))]


def _matmul(writer: GraphWriter, results: Sequence[Tensor], one: Tensor, other: Tensor, *_: object) -> Results:
    return [writer.add("MatMul", [whole(writer, one), whole(writer, other)], shape_of(results[0]))]


def _baddbmm(
    writer: GraphWriter,
    results: Sequence[Tensor],
    base: Tensor,
    one: Tensor,
    other: Tensor,
    beta: float = 1,
    alpha: float = 1,
    **_: object,
) -> Results:
    if beta != 1 or alpha != 1:
        raise PreparationError(f"{writer.place} scales a product while it is added; write the factors before it")
    (product,) = _matmul(writer, results, one, other)
    return [writer.add("Add", [product, compact(writer, base)], shape_of(results[0]))]


def _conv2d(
    writer: GraphWriter,
    results: Sequence[Tensor],
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Results:
    def both(values: Sequence[int]) -> list[int]:
        return [int(value) for value in values] * (2 // len(values))

    inputs = [whole(writer, given), whole(writer, weight), *([] if bias is None else [whole(writer, bias)])]
    return [
        writer.add(
            "Conv",
            inputs,
            shape_of(results[0]),
            kernel_shape=list(weight.shape[2:]),
            strides=both(stride),
            pads=both(padding) * 2,
            dilations=both(dilation),
            group=groups,
        )
    ]


def _reduced(operator: str) -> Translation:
    def translate(
        writer: GraphWriter,
        results: Sequence[Tensor],
        given: Tensor,
        dim: int | Sequence[int] | None = None,
        keepdim: bool = False,
        **_: object,
    ) -> Results:
        dims = range(given.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
        axes = writer.integers(*(axis_of(axis, given.ndim) for axis in dims))
        return [writer.add(operator, [whole(writer, given), axes], shape_of(results[0]), keepdims=int(keepdim))]

    return translate


ARITHMETIC: Mapping[str, Translation] = {
    "add": _elementwise("Add"),
    "sub": _elementwise("Sub"),
    "mul": _elementwise("Mul"),
    "div": _elementwise("Div"),
    "gt": _elementwise("Greater"),
    "lt": _elementwise("Less"),
    "addcmul": _addcmul,
    "where": _where,
    "gelu": _gelu,
    "relu": _one("Relu"),
    "leaky_relu": _leaky_relu,
    "sigmoid": _one("Sigmoid"),
    "exp": _one("Exp"),
    "sqrt": _one("Sqrt"),
    "softmax": _softmax,
    "_softmax": _softmax,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "matmul": _matmul,
    "bmm": _matmul,
    "mm": _matmul,
    "baddbmm": _baddbmm,
    "conv2d": _conv2d,
    "sum": _reduced("ReduceSum"),
    "mean": _reduced("ReduceMean"),
    "_to_copy": _converted,
    "to": _converted,
}
