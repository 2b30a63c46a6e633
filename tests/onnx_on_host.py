"""A network that takes raw frames, run by ONNX Runtime in the memory of `HostOps`: a plan without a GPU."""

from collections.abc import Callable
from typing import Any

import onnxruntime as ort
from host_ops import HostOps

from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName, TensorSpec
from livecassi.engines.runtimes.device.ops import Buffer, Stream
from livecassi.engines.runtimes.onnx_tensors import declared_tensors


class OnnxExecutable:
    """An `Executable`; `spoil` may change what the network gives, by name, before it is written."""

    def __init__(
        self, content: bytes, ops: HostOps, spoil: Callable[[dict[str, Any]], object] = lambda found: None
    ) -> None:
        self.inputs, self.outputs = declared_tensors(content, "the network")
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._ops, self._spoil = ops, spoil
        self._bound: dict[str, int] = {}
        self.passes = 0

    def bind(self, name: str, address: int) -> None:
        self._bound[name] = address

    def enqueue(self, stream: Stream) -> None:
        bound = dict(self._bound)

        def view(spec: TensorSpec) -> Any:
            memory = self._ops.memory(Buffer(bound[spec.name], spec.nbytes))
            return memory.view(spec.dtype).reshape(spec.shape)

        def kernel() -> None:
            given = {spec.name: view(spec) for spec in self.inputs}
            found = dict(zip([spec.name for spec in self.outputs], self._session.run(None, given), strict=True))
            self._spoil(found)
            for spec in self.outputs:
                view(spec)[:] = found[spec.name]
            self.passes += 1

        self._ops.run(stream, kernel)


class NetworkOnHost:
    """A `LoadedNetwork`; counts how often it was closed."""

    name = RuntimeName.TENSORRT
    describes = "ONNX Runtime in plain memory"
    precision = Precision.FP32
    graph = False

    def __init__(self, content: bytes, ops: HostOps | None = None, **options: Any) -> None:
        self.ops = ops or HostOps()
        self.executable = OnnxExecutable(content, self.ops, **options)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1
        self.ops.close()
