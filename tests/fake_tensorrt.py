"""TensorRT 10, TensorRT 11 and TensorRT-RTX as their documentation has them, as far as they are used: anything else is
an error, and so is what the real ones answer with a crash.

A "plan" is JSON. Its network gives y = 2 x + 1, computed by the device operations that `device` names.
"""

import json
import weakref
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np
from host_ops import HostOps

from livecassi.engines.runtimes.device.ops import Buffer, Stream

SHAPE = (1, 3, 5)
NO_MEMORY = "[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)"


class Severity(IntEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class DataType(IntEnum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8 = range(6)


class TensorIOMode(IntEnum):
    NONE, INPUT, OUTPUT = range(3)


class ILogger:
    def __init__(self) -> None:
        self.ready = True


class IProgressMonitor:
    def __init__(self) -> None:
        self.ready = True


class FakeTrt:
    """A module. Its switches say what goes wrong; `ends` lists what was let go of, in order."""

    ILogger, IProgressMonitor, TensorIOMode = ILogger, IProgressMonitor, TensorIOMode
    MemoryPoolType = IntEnum("MemoryPoolType", "WORKSPACE TACTIC_DRAM", start=0)

    def __init__(self, version: str, creation_flags: str, builder_flags: str, timings: bool) -> None:
        self.__version__ = version
        self.NetworkDefinitionCreationFlag = IntEnum("NetworkDefinitionCreationFlag", creation_flags, start=0)
        self.BuilderFlag = IntEnum("BuilderFlag", builder_flags, start=0)
        self.has_timings = timings
        self.driver = True
        self.refuses = self.no_memory = self.no_context = self.fails = False
        self.parser_errors: list[Any] = []
        self.plan_shape = SHAPE
        self.device: HostOps | None = None
        self.ends: list[str] = []
        self.runs = 0
        self.runtimes = 0
        self.configs: list[Any] = []
        self.contexts: list[Any] = []
        self.measured: list[bytes] = []

    def Builder(self, logger: Any) -> "FakeBuilder":  # noqa: N802
        assert logger.ready
        assert self.driver or not self.has_timings, "TensorRT builds on a GPU"
        return FakeBuilder(self, logger)

    def OnnxParser(self, network: "FakeNetwork", logger: Any) -> "FakeParser":  # noqa: N802
        return FakeParser(self)

    def Runtime(self, logger: Any) -> "FakeRuntime":  # noqa: N802
        assert self.driver, "a Runtime without a driver may end the program"
        self.runtimes += 1
        return FakeRuntime(self, logger)

    def ended(self, what: object, name: str) -> None:
        weakref.finalize(what, self.ends.append, name)


def tensorrt_10() -> FakeTrt:
    return FakeTrt("10.13.3.9", "EXPLICIT_BATCH STRONGLY_TYPED", "FP16 BF16 INT8 TF32", timings=True)


def tensorrt_11() -> FakeTrt:
    """No weak typing, so no flag for FP16; the flag of strongly typed networks is accepted and ignored."""
    return FakeTrt("11.4.0.106", "STRONGLY_TYPED", "TF32 REFIT", timings=True)


class FakeRtx(FakeTrt):
    ComputeCapability = IntEnum("ComputeCapability", "NONE CURRENT SM75 SM80 SM86 SM89 SM120 SM121", start=0)
    CudaGraphStrategy = IntEnum("CudaGraphStrategy", "DISABLED WHOLE_GRAPH_CAPTURE", start=0)


def tensorrt_rtx() -> FakeRtx:
    return FakeRtx("1.7.1.116", "STRONGLY_TYPED", "TF32 REFIT", timings=False)


class FakeNetwork:
    num_inputs = num_outputs = 1
    num_layers = 2

    def get_input(self, index: int) -> Any:
        return SimpleNamespace(name="x", shape=SHAPE, dtype=DataType.FLOAT)

    def get_output(self, index: int) -> Any:
        return SimpleNamespace(name="y", shape=SHAPE, dtype=DataType.FLOAT)


class FakeParser:
    def __init__(self, trt: FakeTrt) -> None:
        self._trt = trt

    @property
    def num_errors(self) -> int:
        return len(self._trt.parser_errors)

    def parse(self, model: bytes) -> bool:
        assert isinstance(model, bytes)
        return not self._trt.parser_errors

    def get_error(self, index: int) -> Any:
        return self._trt.parser_errors[index]


class FakeTimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content + b"!"


class FakeConfig:
    __slots__ = ("_trt", "builder_optimization_level", "cache", "cleared", "pools", "progress_monitor")

    def __init__(self, trt: FakeTrt) -> None:
        self._trt = trt
        self.pools: dict[Any, int] = {}
        self.cleared: list[Any] = []
        self.cache: FakeTimingCache | None = None

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def clear_flag(self, flag: Any) -> None:
        self.cleared.append(flag)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> FakeTimingCache:
        assert self._trt.has_timings, "TensorRT-RTX would look for a GPU"
        return FakeTimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: FakeTimingCache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch, "times of another GPU choose the wrong kernels"
        if cache.content.startswith(b"other"):
            return False
        self.cache = cache
        self._trt.measured.append(cache.content)
        return True


class FakeRtxConfig(FakeConfig):
    __slots__ = ("num_compute_capabilities", "targets")

    def __init__(self, trt: FakeTrt) -> None:
        super().__init__(trt)
        self.num_compute_capabilities = 0
        self.targets: list[Any] = []

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool:
        assert index < self.num_compute_capabilities
        self.targets.append(compute_capability)
        return True


class FakeBuilder:
    def __init__(self, trt: FakeTrt, logger: Any) -> None:
        self._trt, self._logger = trt, logger

    def create_network(self, flags: int) -> FakeNetwork:
        assert flags == 1 << int(self._trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return FakeNetwork()

    def create_builder_config(self) -> FakeConfig:
        config = FakeConfig(self._trt) if self._trt.has_timings else FakeRtxConfig(self._trt)
        self._trt.configs.append(config)
        return config

    def build_serialized_network(self, network: FakeNetwork, config: FakeConfig) -> bytes | None:
        monitor = config.progress_monitor
        assert monitor.ready
        monitor.phase_start("Building", None, 2)
        for step in range(2):
            monitor.phase_start("Timing", "Building", 4)
            for inner in range(4):
                if not monitor.step_complete("Timing", inner):
                    return None
            monitor.phase_finish("Timing")
            monitor.step_complete("Building", step)
        monitor.phase_finish("Building")
        if self._trt.no_memory:
            self._logger.log(Severity.ERROR, NO_MEMORY)
            return None
        if self._trt.fails:
            self._logger.log(Severity.ERROR, "Could not find any implementation for node {ForeignNode[...]}")
            return None
        return json.dumps({"shape": SHAPE}).encode()


class FakeRuntime:
    def __init__(self, trt: FakeTrt, logger: Any) -> None:
        self._trt, self._logger = trt, logger
        trt.ended(self, "runtime")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "FakeEngine | None":
        if self._trt.refuses:
            self._logger.log(Severity.ERROR, "Serialization assertion stdVersionRead == kVERSION failed")
            return None
        if self._trt.no_memory:
            self._logger.log(Severity.ERROR, NO_MEMORY)
            return None
        return FakeEngine(self._trt, tuple(json.loads(serialized_engine)["shape"]))


class FakeEngine:
    num_io_tensors = 2

    def __init__(self, trt: FakeTrt, shape: tuple[int, ...]) -> None:
        self._trt = trt
        self._shape = shape if trt.plan_shape == SHAPE else trt.plan_shape
        trt.ended(self, "engine")

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return {"x": TensorIOMode.INPUT, "y": TensorIOMode.OUTPUT}[name]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shape

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType.FLOAT

    def create_runtime_config(self) -> "FakeRuntimeConfig":
        assert isinstance(self._trt, FakeRtx), "only TensorRT-RTX is asked for this"
        return FakeRuntimeConfig(self._trt)

    def create_execution_context(self, *config: "FakeRuntimeConfig") -> "FakeContext | None":
        assert len(config) == isinstance(self._trt, FakeRtx)
        if self._trt.no_context:
            return None
        self._trt.contexts.append(config[0] if config else None)
        return FakeContext(self._trt)


class FakeRuntimeConfig:
    __slots__ = ("_trt", "cache", "cuda_graph_strategy")

    def __init__(self, trt: FakeRtx) -> None:
        self._trt = trt
        self.cache: FakeRuntimeCache | None = None
        self.cuda_graph_strategy: Any = trt.CudaGraphStrategy.DISABLED

    def create_runtime_cache(self) -> "FakeRuntimeCache":
        return FakeRuntimeCache()

    def set_runtime_cache(self, cache: "FakeRuntimeCache") -> bool:
        self.cache = cache
        return True


class FakeRuntimeCache:
    def __init__(self) -> None:
        self.loaded = b""

    def deserialize(self, blob: bytes) -> bool:
        if not blob.startswith(b"kernels"):
            return False
        self.loaded = blob
        return True

    def serialize(self) -> bytes:
        return b"kernels" + self.loaded.removeprefix(b"kernels") + b"."


class FakeContext:
    def __init__(self, trt: FakeTrt) -> None:
        self._trt = trt
        self._addresses: dict[str, int] = {}
        trt.ended(self, "context")

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert memory, "a null address"
        self._addresses[name] = memory
        return name in "xy"

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert self._addresses.keys() == {"x", "y"}, "not all tensors have addresses"
        assert stream_handle, "the default stream waits for everything"
        assert self._trt.device is not None
        if self._trt.fails:
            return False
        self._trt.runs += 1
        nbytes = int(np.prod(SHAPE)) * 4
        x, y = (self._trt.device.memory(Buffer(self._addresses[name], nbytes)).view(np.float32) for name in ("x", "y"))
        self._trt.device.run(Stream(stream_handle), lambda: np.copyto(y, 2 * x + 1))
        return True
