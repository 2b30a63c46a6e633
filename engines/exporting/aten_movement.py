"""What torch's operators that only move values are in ONNX, see `operands.py`. All shapes are known."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from livecassi.engines.errors import PreparationError
from livecassi.engines.exporting.graph import GraphWriter, Value
from livecassi.engines.exporting.operands import Results, Translation, axis_of, shape_of, whole
from livecassi.engines.exporting.recording import Recorded


def _same(writer: GraphWriter, _results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    return [whole(writer, given)]


def _reshaped(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    return [writer.reshape(whole(writer, given), shape_of(results[0]))]


def _permute(writer: GraphWriter, _results: Sequence[Tensor], given: Tensor, order: Sequence[int]) -> Results:
    return [writer.transpose(whole(writer, given), [axis_of(axis, given.ndim) for axis in order])]


def _transpose(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, one: int, other: int) -> Results:
    order = list(range(given.ndim))
    order[one], order[other] = order[other], order[one]
    return _permute(writer, results, given, order)


def _expand(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, *_: object, **__: object) -> Results:
    value, shape = whole(writer, given), shape_of(results[0])
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
    _results: Sequence[Tensor],
    given: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Results:
    axis = axis_of(dim, given.ndim)
    first, last, _ = slice(start, end).indices(given.shape[axis])
    return [_cut(writer, whole(writer, given), axis, first, last, step)]


def _select(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int, index: int) -> Results:
    axis = axis_of(dim, given.ndim)
    place = int(index) % given.shape[axis]
    part = _cut(writer, whole(writer, given), axis, place, place + 1)
    return [writer.reshape(part, shape_of(results[0]))]


def _parts(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, _: object, dim: int = 0) -> Results:
    axis, start, values = axis_of(dim, given.ndim), 0, []
    value = whole(writer, given)
    for result in results:
        values.append(_cut(writer, value, axis, start, start + result.shape[axis]))
        start += result.shape[axis]
    return values


def _unbind(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int = 0) -> Results:
    return [_select(writer, [result], given, dim, place)[0] for place, result in enumerate(results)]


def _cat(writer: GraphWriter, results: Sequence[Tensor], parts: Sequence[Tensor], dim: int = 0) -> Results:
    there = [part for part in parts if part.numel()]
    values = [whole(writer, part) for part in there]
    if len(values) == 1:
        return values
    return [writer.add("Concat", values, shape_of(results[0]), axis=axis_of(dim, results[0].ndim))]


def _stack(writer: GraphWriter, results: Sequence[Tensor], parts: Sequence[Tensor], dim: int = 0) -> Results:
    shape = list(shape_of(results[0]))
    axis = axis_of(dim, len(shape))
    shape[axis] = 1
    values = [writer.reshape(whole(writer, part), shape) for part in parts]
    return [writer.add("Concat", values, shape_of(results[0]), axis=axis)]


def _roll(
    writer: GraphWriter, _results: Sequence[Tensor], given: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()
) -> Results:
    value = whole(writer, given)
    for by, dim in zip(shifts, dims, strict=True):
        length = value.shape[dim]
        if place := -by % length:
            halves = [_cut(writer, value, dim, place, length), _cut(writer, value, dim, 0, place)]
            value = writer.add("Concat", halves, value.shape, axis=axis_of(dim, given.ndim))
    return [value]


def _index(writer: GraphWriter, results: Sequence[Tensor], given: Tensor, places: Sequence[Tensor | None]) -> Results:
    """Indexing of one axis by whole numbers that are known."""
    axes = [axis for axis, place in enumerate(places) if place is not None]
    where = places[axes[0]]
    if len(axes) != 1 or where is None or isinstance(where, Recorded) or where.dtype is torch.bool:
        raise PreparationError(f"{writer.place} indexes several axes, or by what it computed; it cannot be exported")
    inputs = [whole(writer, given), whole(writer, where)]
    return [writer.add("Gather", inputs, shape_of(results[0]), axis=axes[0])]


def _gather(
    writer: GraphWriter, results: Sequence[Tensor], given: Tensor, dim: int, index: Tensor, **_: object
) -> Results:
    inputs = [whole(writer, given), whole(writer, index)]
    return [writer.add("GatherElements", inputs, shape_of(results[0]), axis=axis_of(dim, given.ndim))]


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
    inputs = [whole(writer, given), writer.integers(*before, *after)]
    return [writer.add("Pad", inputs, shape_of(results[0]), mode=mode)]


MOVEMENT: Mapping[str, Translation] = {
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
}
