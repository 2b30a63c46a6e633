"""The operands of torch's operators as values of a graph, for the translations in `aten.py`.

Every translation gets the writer, what torch says about the results (tensors without values), and the operator's own
arguments, of which at least one tensor is `Recorded`; it gives the results' values.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from livecassi.engines.exporting.graph import GraphWriter, Value
from livecassi.engines.exporting.recording import Recorded

Results = list[Value]
Translation = Callable[..., Results]
Number = float | int | bool


def whole(writer: GraphWriter, given: Tensor | Number) -> Value:
    """A tensor of the graph, in its own shape."""
    value = compact(writer, given)
    if isinstance(given, Tensor) and value.shape != tuple(given.shape):
        return writer.add("Expand", [value, writer.integers(*given.shape)], given.shape)
    return value


def compact(writer: GraphWriter, given: Tensor | Number) -> Value:
    """As `whole`, for operators that repeat values along an axis of length 1 themselves: constants stay as small."""
    if isinstance(given, Recorded):
        return given.value
    if not isinstance(given, Tensor):
        return writer.constant(np.array(given, np.float32))
    small = given.detach()
    for axis, (length, stride) in enumerate(zip(given.shape, given.stride(), strict=True)):
        small = small.narrow(axis, 0, 1) if stride == 0 and length > 1 else small
    return writer.constant(small.cpu().contiguous().numpy())


def shape_of(result: Tensor) -> tuple[int, ...]:
    """The shape of a result."""
    return tuple(result.shape)


def axis_of(axis: int, rank: int) -> int:
    """An axis of `rank` axes, counted from the first."""
    return axis % rank
