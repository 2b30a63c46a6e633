"""Recording what a torch network does with its inputs as an ONNX graph.

The network is run once on tensors that have a shape but no values. What is computed from them is written down, one
operator of torch at a time (`aten.py`); what is computed from parameters and other known tensors alone is really
computed, and becomes a constant of the graph. That takes seconds where torch's own exporter takes minutes for a network
of thousands of operators, and leaves nothing to fold.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.utils import _pytree as tree

from livecassi.engines.errors import PreparationError
from livecassi.engines.exporting.graph import GraphWriter, Value

if TYPE_CHECKING:
    import onnx


class Recorded(Tensor):
    """A tensor that is known by its shape only: `value` is its name in the graph, `shape_only` torch's idea of it."""

    writer: GraphWriter
    value: Value
    shape_only: Tensor

    @staticmethod
    def __new__(cls, writer: GraphWriter, value: Value, shape_only: Tensor) -> "Recorded":
        """A tensor as torch sees it, without memory."""
        made: Recorded = Tensor._make_wrapper_subclass(
            cls, shape_only.shape, strides=shape_only.stride(), dtype=shape_only.dtype, device=torch.device("cpu")
        )
        return made

    def __init__(self, writer: GraphWriter, value: Value, shape_only: Tensor) -> None:
        self.writer, self.value, self.shape_only = writer, value, shape_only

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"Recorded({self.value})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # the signature is torch's
        cls, operator: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _record(operator, args, dict(kwargs or {}))


def record(
    network: nn.Module,
    run: Callable[..., Tensor],
    inputs: Mapping[str, Sequence[int]],
    output: str,
    name: str,
) -> "onnx.ModelProto":
    """The graph of `run(*inputs)`, whose `inputs` are float32 of these shapes and whose result is called `output`.

    `run` calls `network`, whose modules name the operators. Raises `PreparationError` where it does what cannot be
    written down.
    """
    writer = GraphWriter(name)
    hooks = _placing_hooks(network, writer)
    try:
        with torch.inference_mode():  # torch's operators arrive whole then: a linear map is one, not three
            shapes = {key: torch.empty(*shape, device="meta") for key, shape in inputs.items()}
            result = run(*(Recorded(writer, writer.input(key, inputs[key]), shape) for key, shape in shapes.items()))
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(result, Recorded):
        raise PreparationError(
            f"'{name}' gave a result that depends on none of its inputs {', '.join(inputs)}; it cannot be exported"
        )
    return writer.model({output: result.value})


def _shapes_only(tensors: Any) -> Any:
    """Arguments of a torch operator with tensors that have no values."""
    return tree.tree_map_only(Tensor, lambda t: t.shape_only if isinstance(t, Recorded) else t.to("meta"), tensors)


def _record(operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from livecassi.engines.exporting.aten import TRANSLATIONS

    writer = next(t.writer for t in tree.tree_leaves((args, kwargs)) if isinstance(t, Recorded))
    translate = TRANSLATIONS.get(operator.overloadpacket.__name__)
    if translate is None:
        simpler = operator.decompose(*args, **kwargs)
        if simpler is NotImplemented:
            raise PreparationError(
                f"{writer.place or 'the network'} uses torch's operator {operator}, which has no translation to ONNX; "
                "write it with others, or add one to livecassi.engines.exporting.aten"
            )
        return simpler
    try:
        expected = operator(*_shapes_only(args), **_shapes_only(kwargs))
    except NotImplementedError as error:
        raise PreparationError(
            f"{writer.place or 'the network'} indexes by flags, or does something else whose result has a shape that "
            f"depends on values ({operator}); it cannot be exported"
        ) from error
    several = isinstance(expected, (list, tuple))
    shapes = cast(list[Tensor], list(expected) if several else [expected])
    values = translate(writer, shapes, *args, **kwargs)
    results = [Recorded(writer, value, shape) for value, shape in zip(values, shapes, strict=True)]
    for result in results:
        assert result.value.shape == tuple(result.shape), (operator, result.value, result.shape)
    return results if several else results[0]


def _placing_hooks(network: nn.Module, writer: GraphWriter) -> list[Any]:
    """Operators are named after the module that is being run."""
    outer: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        def entered(*_: object) -> None:
            outer.append(writer.place)
            writer.place = name

        return entered

    def leave(*_: object) -> None:
        writer.place = outer.pop()

    hooks: list[Any] = []
    for name, module in network.named_modules():
        hooks += [module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave)]
    return hooks
