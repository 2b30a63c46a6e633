"""The arrays that a network on the CPU reads and writes: taken once, used for every call."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from livecassi.engines.errors import EngineError
from livecassi.engines.runtimes.contract import AnyArray, TensorSpec

_LINE = 64  # bytes of a cache line, and of the longest vectors


@dataclass(frozen=True, slots=True)
class Buffers:
    """One array for each input and output, by name, aligned to the vectors of a CPU."""

    inputs: Mapping[str, AnyArray]
    outputs: Mapping[str, AnyArray]

    @classmethod
    def of(cls, inputs: Collection[TensorSpec], outputs: Collection[TensorSpec]) -> "Buffers":
        """Arrays of zeros. Raises MemoryError."""
        return cls({spec.name: _aligned(spec) for spec in inputs}, {spec.name: _aligned(spec) for spec in outputs})

    def fill(self, inputs: Mapping[str, AnyArray]) -> None:
        """Copy the inputs in, but for those that are the buffers themselves."""
        for name, array in inputs.items():
            if array is not self.inputs[name]:
                np.copyto(self.inputs[name], array)

    def results(self, wanted: Collection[str] | None) -> dict[str, AnyArray]:
        """The outputs that are wanted, all of them for None. Raises `EngineError` for one that there is not."""
        if wanted is None:
            return dict(self.outputs)
        if unknown := set(wanted) - self.outputs.keys():
            raise EngineError(f"the network gives {', '.join(self.outputs)}, not {', '.join(sorted(unknown))}")
        return {name: self.outputs[name] for name in wanted}


def _aligned(spec: TensorSpec) -> AnyArray:
    room = np.zeros(spec.nbytes + _LINE, np.uint8)
    first = -room.ctypes.data % _LINE
    return room[first : first + spec.nbytes].view(spec.dtype).reshape(spec.shape)
