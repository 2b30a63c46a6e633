"""What torch's operators are in ONNX, for tensors of known shapes.

Every translation gets the writer, what torch says about the results (tensors without values), and the operator's own
arguments, of which at least one tensor is `Recorded`; it gives the results' values. Operators that torch itself puts
together from others need none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livecassi.engines.errors import PreparationError
from livecassi.engines.exporting.graph import GraphWriter, Value
from livecassi.engines.exporting.recording import Recorded

Results = list[Value]
Translation = Callable[..., Results]
Number = float | int | bool
END = np.iinfo(np.int64).max


def _whole(writer: GraphWriter, given: Tensor | Number) -> Value:
    """A tensor of the graph, in its own shape."""
    value = _compact(writer, given)
    if isinstance(given, Tensor) and value.shape != tuple(given.shape):
        return writer.add("Expand", [value, writer.integers(*given.shape)], given.shape)
    return value


def _compact(writer: GraphWriter, given: Tensor | Number) -> Value:
    """As `_whole`, for operators that repeat values along an axis of length 1 themselves: constants stay as small."""
    if isinstance(given, Recorded):
        return given.value
    if not isinstance(given, Tensor):
        return writer.constant(np.array(given, np.float32))
    small = given.detach()
    for axis, (length, stride) in enumerate(zip(given.shape, given.stride(), strict=True)):
        small = small.narrow(axis, 0, 1) if stride == 0 and length > 1 else small
    return writer.constant(small.cpu().contiguous().numpy())


def _shape(result: Tensor) -> tuple[int, ...]:
    return tuple(result.shape)


def _axis(axis: int, rank: int) -> int:
    return axis % rank


def _same(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    return [_whole(writer, given)]


def _converted(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    if results[0].dtype == given.dtype:
        return [_whole(writer, given)]
    if results[0].dtype is torch.float32 and given.dtype is torch.bool:
        return [writer.add("Cast", [_whole(writer, given)], given.shape, "float32", to=1)]
    raise PreparationError(f"{writer.place} converts {given.dtype} to {results[0].dtype}; networks compute in float32")


def _elementwise(operator: str) -> Translation:
    def translate(
        writer: GraphWriter, results: Sequence[Tensor], one: Any, other: Any, alpha: float = 1, **_: object
    ) -> Results:
        flags = [given for given in (one, other) if isinstance(given, Tensor) and given.dtype is torch.bool]
        if operator == "Mul" and len(flags) == 1:
            kept = other if flags[0] is one else one
            inputs = [_compact(writer, flags[0]), _compact(writer, kept), _compact(writer, 0.0)]
            return [writer.add("Where", inputs, _shape(results[0]), "float32")]
        second = _compact(writer, other)
        if alpha != 1:
            second = writer.add("Mul", [second, _compact(writer, alpha)], second.shape)
        dtype = str(results[0].dtype).removeprefix("torch.")
        return [writer.add(operator, [_compact(writer, one), second], _shape(results[0]), dtype)]

    return translate


def _one(operator: str, **attributes: object) -> Translation:
    def translate(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
        return [writer.add(operator, [_whole(writer, given)], _shape(results[0]), **attributes)]

    return translate


def _gelu(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, approximate: str = "none") -> Results:
    return [writer.add("Gelu", [_whole(writer, given)], _shape(results[0]), approximate=approximate)]


def _leaky_relu(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, slope: float = 0.01) -> Results:
    return [writer.add("LeakyRelu", [_whole(writer, given)], _shape(results[0]), alpha=float(slope))]


def _softmax(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int, *_: object) -> Results:
    return [writer.add("Softmax", [_whole(writer, given)], _shape(results[0]), axis=_axis(dim, given.ndim))]


def _addcmul(
    writer: GraphWriter, results: Sequence[Tensor], base: Tensor, one: Tensor, other: Tensor, value: float = 1
) -> Results:
    shape = torch.broadcast_shapes(one.shape, other.shape)
    product = writer.add("Mul", [_compact(writer, one), _compact(writer, other)], shape)
    if value != 1:
        product = writer.add("Mul", [product, _compact(writer, value)], shape)
    return [writer.add("Add", [_compact(writer, base), product], _shape(results[0]))]


def _where(writer: GraphWriter, results: Sequence[Tensor], condition: Tensor, one: Any, other: Any) -> Results:
    inputs = [_compact(writer, given) for given in (condition, one, other)]
    return [writer.add("Where", inputs, _shape(results[0]), "float32")]


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
    inputs = [_whole(writer, given), _whole(writer, scale), None if bias is None else _whole(writer, bias)]
    return [writer.add("LayerNormalization", inputs, _shape(results[0]), axis=-len(shape), epsilon=eps)]


def _linear(
    writer: GraphWriter, results: Sequence[Tensor], given: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Results:
    turned = writer.transpose(weight.value, (1, 0)) if isinstance(weight, Recorded) else _whole(writer, weight.mT)
    product = writer.add("MatMul", [_whole(writer, given), turned], _shape(results[0]))
    return [product if bias is None else writer.add("Add", [product, _compact(writer, bias)], _shape(results[0]))]


def _matmul(writer: GraphWriter, results: Sequence[Tensor], one: Tensor, other: Tensor, *_: object) -> Results:
    return [writer.add("MatMul", [_whole(writer, one), _whole(writer, other)], _shape(results[0]))]


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
    return [writer.add("Add", [product, _compact(writer, base)], _shape(results[0]))]


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

    inputs = [_whole(writer, given), _whole(writer, weight), *([] if bias is None else [_whole(writer, bias)])]
    return [
        writer.add(
            "Conv",
            inputs,
            _shape(results[0]),
            kernel_shape=list(weight.shape[2:]),
            strides=both(stride),
            pads=both(padding) * 2,
            dilations=both(dilation),
            group=groups,
        )
    ]


def _reshaped(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    return [writer.reshape(_whole(writer, given), _shape(results[0]))]


def _permute(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, order: Sequence[int]) -> Results:
    return [writer.transpose(_whole(writer, given), [_axis(axis, given.ndim) for axis in order])]


def _transpose(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, one: int, other: int) -> Results:
    order = list(range(given.ndim))
    order[one], order[other] = order[other], order[one]
    return _permute(writer, results, given, order)


def _expand(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    value, shape = _whole(writer, given), _shape(results[0])
    return [value if value.shape == shape else writer.add("Expand", [value, writer.integers(*shape)], shape)]


def _cut(writer: GraphWriter, value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    length = value.shape[axis]
    if (start, step) == (0, 1) and stop >= length:
        return value
    shape = list(value.shape)
    shape[axis] = len(range(length)[start:stop:step])
    lists = [writer.integers(number) for number in (start, stop, axis, step)]
    return writer.add("Slice", [value, *lists], shape)


def _slice(
    writer: GraphWriter,
    results: Sequence[Tensor],
    given: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Results:
    axis = _axis(dim, given.ndim)
    first, last, _ = slice(start, end).indices(given.shape[axis])
    return [_cut(writer, _whole(writer, given), axis, first, last, step)]


def _select(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int, index: int) -> Results:
    axis = _axis(dim, given.ndim)
    place = int(index) % given.shape[axis]
    part = _cut(writer, _whole(writer, given), axis, place, place + 1)
    return [writer.reshape(part, _shape(results[0]))]


def _parts(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, _: object, dim: int = 0) -> Results:
    axis, start, values = _axis(dim, given.ndim), 0, []
    whole = _whole(writer, given)
    for result in results:
        values.append(_cut(writer, whole, axis, start, start + result.shape[axis]))
        start += result.shape[axis]
    return values


def _unbind(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int = 0) -> Results:
    return [_select(writer, [result], given, dim, place)[0] for place, result in enumerate(results)]


def _cat(writer: GraphWriter, results: Sequence[Tensor], parts: Sequence[Tensor], dim: int = 0) -> Results:
    there = [part for part in parts if part.numel()]
    values = [_whole(writer, part) for part in there]
    if len(values) == 1:
        return values
    return [writer.add("Concat", values, _shape(results[0]), axis=_axis(dim, results[0].ndim))]


def _stack(writer: GraphWriter, results: Sequence[Tensor], parts: Sequence[Tensor], dim: int = 0) -> Results:
    shape = list(_shape(results[0]))
    axis = _axis(dim, len(shape))
    shape[axis] = 1
    values = [writer.reshape(_whole(writer, part), shape) for part in parts]
    return [writer.add("Concat", values, _shape(results[0]), axis=axis)]


def _roll(
    writer: GraphWriter, results: Sequence[Tensor], given: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()
) -> Results:
    value = _whole(writer, given)
    for by, dim in zip(shifts, dims, strict=True):
        length = value.shape[dim]
        if place := -by % length:
            halves = [_cut(writer, value, dim, place, length), _cut(writer, value, dim, 0, place)]
            value = writer.add("Concat", halves, value.shape, axis=_axis(dim, given.ndim))
    return [value]


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
        axes = writer.integers(*(_axis(axis, given.ndim) for axis in dims))
        return [writer.add(operator, [_whole(writer, given), axes], _shape(results[0]), keepdims=int(keepdim))]

    return translate


def _index(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, places: Sequence[Tensor | None]) -> Results:
    """Indexing of one axis by whole numbers that are known."""
    axes = [axis for axis, place in enumerate(places) if place is not None]
    where = places[axes[0]]
    if len(axes) != 1 or where is None or isinstance(where, Recorded) or where.dtype is torch.bool:
        raise PreparationError(f"{writer.place} indexes several axes, or by what it computed; it cannot be exported")
    inputs = [_whole(writer, given), _whole(writer, where)]
    return [writer.add("Gather", inputs, _shape(results[0]), axis=axes[0])]


def _gather(
    writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int, index: Tensor, **_: object
) -> Results:
    inputs = [_whole(writer, given), _whole(writer, index)]
    return [writer.add("GatherElements", inputs, _shape(results[0]), axis=_axis(dim, given.ndim))]


def _pad(
    writer: GraphWriter,
    results: Sequence[Tensor],
    given: Tensor,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Results:
    if value:
        raise PreparationError(f"{writer.place} pads with {value}; only zeros and reflections can be exported")
    before, after = [0] * given.ndim, [0] * given.ndim
    for number in range(len(pad) // 2):
        before[-1 - number], after[-1 - number] = pad[2 * number], pad[2 * number + 1]
    inputs = [_whole(writer, given), writer.integers(*before, *after)]
    return [writer.add("Pad", inputs, _shape(results[0]), mode=mode)]


TRANSLATIONS: Mapping[str, Translation] = {
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
    "view": _reshaped,
    "_unsafe_view": _reshaped,
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "unsqueeze": _reshaped,
    "flatten": _reshaped,
    "unflatten": _reshaped,
    "permute": _permute,
    "transpose": _transpose,
    "expand": _expand,
    "slice": _slice,
    "select": _select,
    "split": _parts,
    "split_with_sizes": _parts,
    "chunk": _parts,
    "unbind": _unbind,
    "cat": _cat,
    "stack": _stack,
    "roll": _roll,
    "index": _index,
    "gather": _gather,
    "pad": _pad,
    "clone": _same,
    "contiguous": _same,
    "alias": _same,
    "detach": _same,
    "_to_copy": _converted,
    "to": _converted,
}
