# ruff: noqa: D102 - NVIDIA documents these methods
"""The part of NVIDIA's Python API that is used, written down because the packages bring no types.

It is the same in TensorRT 10.7 to 11.4 and TensorRT-RTX 1.7, but where it says otherwise.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class EnumMember(Protocol):
    """A member of one of NVIDIA's enumerations."""

    @property
    def name(self) -> str: ...
    def __int__(self) -> int: ...


class Dims(Protocol):
    """A shape."""

    def __iter__(self) -> Iterator[int]: ...


class Memory(Protocol):
    """Memory that the library allocated; speaks the buffer protocol."""

    @property
    def nbytes(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...


class Tensor(Protocol):
    """An input or output of a network that is not built yet."""

    name: str

    @property
    def dtype(self) -> EnumMember: ...
    @property
    def shape(self) -> Dims: ...


class Network(Protocol):
    """A network definition."""

    @property
    def num_inputs(self) -> int: ...
    @property
    def num_outputs(self) -> int: ...
    @property
    def num_layers(self) -> int: ...
    def get_input(self, index: int) -> Tensor: ...
    def get_output(self, index: int) -> Tensor: ...


class ParserError(Protocol):
    """What the parser of ONNX did not understand; `node` is -1 for the file as a whole."""

    def code(self) -> EnumMember: ...
    def desc(self) -> str: ...
    def node(self) -> int: ...
    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...


class Parser(Protocol):
    """The parser of ONNX."""

    @property
    def num_errors(self) -> int: ...
    def parse(self, model: bytes) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class TimingCache(Protocol):
    """How long kernels took (TensorRT only)."""

    def serialize(self) -> Memory: ...


class BuilderConfig(Protocol):
    """How a network is built."""

    builder_optimization_level: int
    progress_monitor: object
    num_compute_capabilities: int  # TensorRT-RTX only

    def set_memory_pool_limit(self, pool: EnumMember, pool_size: int) -> None: ...
    def clear_flag(self, flag: EnumMember) -> None: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache | None: ...
    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool: ...
    def set_compute_capability(self, compute_capability: EnumMember, index: int) -> bool: ...  # TensorRT-RTX only


class Builder(Protocol):
    """Makes plans out of networks."""

    def create_network(self, flags: int) -> Network: ...
    def create_builder_config(self) -> BuilderConfig: ...
    def build_serialized_network(self, network: Network, config: BuilderConfig) -> Memory | None: ...


class RuntimeCache(Protocol):
    """Kernels that were compiled when a plan was loaded (TensorRT-RTX only)."""

    def deserialize(self, blob: bytes) -> bool: ...
    def serialize(self) -> Memory: ...


class RuntimeConfig(Protocol):
    """How a plan is executed (TensorRT-RTX only)."""

    cuda_graph_strategy: EnumMember

    def create_runtime_cache(self) -> RuntimeCache: ...
    def set_runtime_cache(self, cache: RuntimeCache) -> bool: ...


class ExecutionContext(Protocol):
    """A plan with the memory to run it."""

    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...


class Engine(Protocol):
    """A plan that was loaded."""

    @property
    def num_io_tensors(self) -> int: ...
    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> EnumMember: ...
    def get_tensor_shape(self, name: str) -> Dims: ...
    def get_tensor_dtype(self, name: str) -> EnumMember: ...
    def create_execution_context(self, *config: RuntimeConfig) -> ExecutionContext | None: ...
    def create_runtime_config(self) -> RuntimeConfig: ...  # used with TensorRT-RTX only


class Runtime(Protocol):
    """Loads plans. Never made without a driver: what it then gives may end the program."""

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None: ...


class Members(Protocol):
    """One of NVIDIA's enumerations, its members by name."""

    def __getattr__(self, name: str) -> EnumMember: ...


class Api(Protocol):
    """The module tensorrt or tensorrt_rtx."""

    __version__: str
    ILogger: type[Any]  # to be subclassed: __init__() and log(severity, message)
    IProgressMonitor: type[Any]  # to be subclassed: phase_start, step_complete, phase_finish
    BuilderFlag: Members
    MemoryPoolType: Members
    NetworkDefinitionCreationFlag: Members
    TensorIOMode: Members
    ComputeCapability: Members  # TensorRT-RTX only
    CudaGraphStrategy: Members  # TensorRT-RTX only

    def __hash__(self) -> int: ...
    def Builder(self, logger: object) -> Builder: ...  # noqa: N802
    def OnnxParser(self, network: Network, logger: object) -> Parser: ...  # noqa: N802
    def Runtime(self, logger: object) -> Runtime: ...  # noqa: N802


NUMPY_NAMES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "UINT8": "uint8",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}  # by the names of NVIDIA's data types; those that NumPy lacks are not for inputs and outputs


def shape_of(dims: Dims | Sequence[int]) -> tuple[int, ...]:
    """A shape as a tuple."""
    return tuple(int(size) for size in dims)
