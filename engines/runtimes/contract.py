"""The contract of every runtime: a network made ready for one machine, arrays in, arrays out."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineError
from livecassi.engines.precision import Precision

AnyArray = NDArray[Any]


class RuntimeName(StrEnum):
    """The programs that can execute a network."""

    TORCH = "torch"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a network: `name`, `shape`, and `dtype` as NumPy names it ("float32", "uint8")."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def nbytes(self) -> int:
        """Bytes of one such array."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class NetworkRuntime(Protocol):
    """One network on one runtime, used from one thread at a time.

    `activate` takes the memory it needs and may take seconds, `infer` takes none, `deactivate` gives all of it back
    and may be called twice. Everything else can be read at any time.
    """

    @property
    def name(self) -> RuntimeName:
        """The program that executes it."""
        ...

    @property
    def describes(self) -> str:
        """In words: program, device, precision."""
        ...

    @property
    def precision(self) -> Precision:
        """What products are computed in, which may be finer than what was asked for."""
        ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What `infer` takes."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What `infer` can give."""
        ...

    def activate(self) -> None:
        """Make ready. Raises `EngineUnavailableError` or `EngineError`."""
        ...

    def infer(self, inputs: Mapping[str, AnyArray], wanted: Collection[str] | None = None) -> dict[str, AnyArray]:
        """The outputs that are wanted, all of them for None; the next call overwrites them.

        Every input is given by name, in the declared shape and dtype. Raises `EngineError` for others, and where the
        runtime fails.
        """
        ...

    def deactivate(self) -> None:
        """Give memory back."""
        ...


class HostRuntime(NetworkRuntime, Protocol):
    """A runtime whose inputs lie in main memory, where they can be written in place."""

    def buffer(self, name: str) -> AnyArray:
        """The array that the input `name` is read from, once activated: give it to `infer` and nothing is copied."""
        ...


AnyRuntime = TypeVar("AnyRuntime", bound=NetworkRuntime)


@contextmanager
def active(runtime: AnyRuntime) -> Iterator[AnyRuntime]:
    """The runtime made ready, until the block ends."""
    runtime.activate()
    try:
        yield runtime
    finally:
        runtime.deactivate()


def check_inputs(specs: Collection[TensorSpec], inputs: Mapping[str, AnyArray], network: str) -> None:
    """Raises `EngineError` where names, shapes or types are not those that the network declares."""
    declared = {spec.name: spec for spec in specs}
    if declared.keys() != inputs.keys():
        raise EngineError(
            f"{network} takes the inputs {', '.join(sorted(declared))}, found {', '.join(sorted(inputs)) or 'none'}; "
            "export the network again"
        )
    for name, array in inputs.items():
        spec = declared[name]
        if array.shape != spec.shape or array.dtype != np.dtype(spec.dtype):
            raise EngineError(
                f"input '{name}' of {network} has shape {array.shape} and type {array.dtype}, expected {spec.shape} "
                f"and {spec.dtype}; export the network for this size"
            )
