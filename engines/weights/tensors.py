"""The tensors of a network by name, as they come out of files: checked, and brought to float32 on the CPU."""

from collections import Counter
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from livecassi.engines.errors import WeightsError
from livecassi.engines.weights.fit import first_few
from livecassi.engines.weights.header import content_sha256

State = dict[str, Tensor]

WRAPPER = "module."  # what training on several GPUs puts before every name
# Types that a file of weights may hold, as safetensors calls them.
_DTYPES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL",
}  # fmt: skip


def unwrap(state: Mapping[str, Tensor]) -> State:
    """Without the leading "module." where every name has it."""
    wrapped = bool(state) and all(name.startswith(WRAPPER) for name in state)
    return {name.removeprefix(WRAPPER) if wrapped else name: tensor for name, tensor in state.items()}


def storable(state: Mapping[str, Tensor], where: object) -> State:
    """Detached, contiguous copies on the CPU. Raises `WeightsError` naming what no file of weights can hold."""
    for name, tensor in state.items():
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.dtype not in _DTYPES:
            kind = "no values" if tensor.is_meta else f"type {tensor.dtype}, layout {tensor.layout}"
            raise WeightsError(
                f"tensor '{name}' of {where} has {kind}; expected ordinary real numbers, export the weights again"
            )
    # A copy each: tensors that share memory or are views cannot be written.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def in_float32(state: Mapping[str, Tensor], where: object) -> tuple[State, tuple[str, ...]]:
    """Floating-point tensors in float32, whole numbers as they are; and a note for each type that was converted.

    Raises `WeightsError` naming the tensors that hold NaN or infinite values, in float32.
    """
    converted = {name: t.float() if t.is_floating_point() else t for name, t in storable(state, where).items()}
    others = Counter(t.dtype for t in state.values() if t.is_floating_point() and t.dtype != torch.float32)
    notes = tuple(
        f"{count} of {len(state)} tensors were {str(dtype).removeprefix('torch.')} and became float32"
        for dtype, count in others.items()
    )
    check_finite(converted, where)
    return converted, notes


def check_finite(state: Mapping[str, Tensor], where: object) -> None:
    """Raises `WeightsError` naming the tensors that hold NaN or infinite values."""
    broken = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise WeightsError(
            f"{len(broken)} of {len(state)} tensors of {where} hold NaN or infinite values ({first_few(broken)}); "
            "such weights give no cube, use another checkpoint"
        )


def state_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of storable tensors: that of the file they are written to."""

    def parts() -> Iterator[tuple[str, str, tuple[int, ...], bytes]]:
        for name, tensor in state.items():
            content = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
            yield name, _DTYPES[tensor.dtype], tuple(tensor.shape), content

    return content_sha256(parts())
