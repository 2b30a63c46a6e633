"""What runtimes on the CPU have in common: a network in memory, and arrays that are taken once and read and written."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path

from livecassi.engines.errors import EngineError
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.buffers import Buffers
from livecassi.engines.runtimes.contract import AnyArray, TensorSpec, check_inputs
from livecassi.engines.runtimes.network_file import read_network


class HostNetwork(ABC):
    """The part of a `HostRuntime` that is the same for all: `_compute` makes a pass over the buffers.

    `network` is an ONNX file or its bytes. Raises `NetworkFileError`.
    """

    def __init__(self, network: Path | bytes, precision: Precision) -> None:
        self._network = read_network(network)
        self._precision = precision
        self._buffers: Buffers | None = None  # None until it is activated

    @property
    def precision(self) -> Precision:
        """See `NetworkRuntime`."""
        return self._precision

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """See `NetworkRuntime`."""
        return self._network.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """See `NetworkRuntime`."""
        return self._network.outputs

    def infer(self, inputs: Mapping[str, AnyArray], wanted: Collection[str] | None = None) -> dict[str, AnyArray]:
        """See `NetworkRuntime`. An input that was written to its `buffer` is not copied."""
        buffers = self._ready_buffers()
        check_inputs(self.inputs, inputs, self._network.title)
        buffers.fill(inputs)
        self._compute()
        return buffers.results(wanted)

    def buffer(self, name: str) -> AnyArray:
        """See `HostRuntime`."""
        return self._ready_buffers().inputs[name]

    @abstractmethod
    def _compute(self) -> None:
        """One pass from the input buffers to the output buffers. Raises `EngineError`."""

    def _ready_buffers(self) -> Buffers:
        if self._buffers is None:
            raise EngineError(f"{self._network.title} is not ready to compute; activate it first")
        return self._buffers
