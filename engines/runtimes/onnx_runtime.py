"""Networks on ONNX Runtime: on the CPU, or on a GPU where the installed package brings what it takes."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livecassi.engines.errors import (
    DeviceMemoryError,
    EngineError,
    NetworkFileError,
    PreparationCancelledError,
    PreparationError,
    RuntimeUnavailableError,
)
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.buffers import Buffers
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_entry import DamagedEntryError, Field, Found
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.host_network import HostNetwork
from livecassi.engines.runtimes.processor import processor_name, usable_cores

if TYPE_CHECKING:
    import onnxruntime

GRAPH = "optimised.onnx"
SCHEMA = 1
_ERRORS_ONLY = 3  # ONNX Runtime warns that an optimised graph is for this machine, which is why it is in the cache

log = logging.getLogger(__name__)


class Provider(StrEnum):
    """Where ONNX Runtime computes. CUDA and TENSORRT were never run on a GPU by the makers of livecassi."""

    CPU = "CPUExecutionProvider"
    CUDA = "CUDAExecutionProvider"
    TENSORRT = "TensorrtExecutionProvider"


class OnnxRuntime(HostNetwork):
    """An exported network in ONNX Runtime; see `NetworkRuntime`.

    `network` is an ONNX file or its bytes, whose graph says what is computed in which precision; `threads` the number
    of cores (None: all that the process may use). With `graphs` the optimised graph is kept there, which saves two
    thirds of the time that `activate` takes. Arrays are in main memory whatever the provider.

    Raises `NetworkFileError`, and `RuntimeUnavailableError` where ONNX Runtime or the provider is not installed.
    """

    name = RuntimeName.ONNXRUNTIME

    def __init__(
        self,
        network: Path | bytes,
        precision: Precision = Precision.FP32,
        threads: int | None = None,
        provider: Provider = Provider.CPU,
        graphs: ArtefactCache | None = None,
    ) -> None:
        on_cpu = provider is Provider.CPU
        super().__init__(network, Precision.FP32 if on_cpu else precision)  # its CPU part has fp32 only
        self._version = _version(provider)
        self._provider = provider
        self._threads = threads or usable_cores()
        self._graphs = graphs if on_cpu else None  # those of GPUs cannot be written down
        self._session: onnxruntime.InferenceSession | None = None
        self._binding: onnxruntime.IOBinding | None = None

    @property
    def describes(self) -> str:
        """See `NetworkRuntime`."""
        place = self._provider.removesuffix("ExecutionProvider")
        threads = f", {self._threads} threads" if self._provider is Provider.CPU else ""
        return f"ONNX Runtime {self._version} on {place}, {self._precision}{threads}"

    @property
    def fields(self) -> dict[str, Field]:
        """What an optimised graph depends on: the fields of its entry in the cache."""
        return {
            "kind": "onnxruntime graph",
            "schema": SCHEMA,
            "network_sha256": self._network.sha256,
            "onnxruntime": self._version,
            "processor": processor_name(),
        }

    def activate(self) -> None:
        """See `NetworkRuntime`."""
        if self._session is not None:
            return
        with _translated(f"{self._network.title} cannot be made ready in ONNX Runtime"):
            buffers = Buffers.of(self.inputs, self.outputs)
            session = self._ready()
            binding = _bound(session, buffers)
        self._session, self._binding, self._buffers = session, binding, buffers

    def deactivate(self) -> None:
        """See `NetworkRuntime`."""
        self._session = self._binding = self._buffers = None

    def _compute(self) -> None:
        assert self._session is not None, "there are buffers only together with it"
        with _translated(f"{self._network.title} failed in ONNX Runtime"):
            self._session.run_with_iobinding(self._binding)

    def _ready(self) -> "onnxruntime.InferenceSession":
        """The network, its graph optimised before where that is kept."""
        if self._graphs is None:
            return self._optimised()
        just_made: list[onnxruntime.InferenceSession] = []

        def build(folder: Path) -> None:
            try:
                just_made.append(self._optimised(folder / GRAPH))
            except NetworkFileError as error:
                just_made.append(self._optimised())  # it is the network that is at fault, unless this works
                raise PreparationError(f"ONNX Runtime could not write to {folder}: {error}") from error

        try:
            return self._graphs.use(self.fields, build, lambda found: (just_made or [self._kept(found)])[-1])
        except PreparationCancelledError:
            raise
        except PreparationError as error:  # it runs all the same, and is only slower to start
            log.warning("the optimised graph is not kept: %s", error)
            return just_made[-1] if just_made else self._optimised()

    def _optimised(self, keep: Path | None = None) -> "onnxruntime.InferenceSession":
        options = self._options()
        if keep is not None:
            options.optimized_model_filepath = str(keep)
        with _translated(f"{self._network.title} cannot be read by ONNX Runtime; export it again", NetworkFileError):
            return self._opened(self._network.content, options)

    def _kept(self, found: Found) -> "onnxruntime.InferenceSession":
        import onnxruntime

        options = self._options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it is optimised
        with _translated(f"{found.folder / GRAPH} cannot be opened", DamagedEntryError):
            return self._opened(found.load(GRAPH).tobytes(), options)

    def _opened(self, content: bytes, options: "onnxruntime.SessionOptions") -> "onnxruntime.InferenceSession":
        import onnxruntime

        providers = [self._provider] if self._provider is Provider.CPU else [self._provider, Provider.CPU]
        session = onnxruntime.InferenceSession(content, options, providers=[str(name) for name in providers])
        if (used := session.get_providers()[0]) != self._provider:
            raise RuntimeUnavailableError(
                f"ONNX Runtime could not start {self._provider} and would use {used}; look at its messages, or choose "
                "another runtime"
            )
        return session

    def _options(self) -> "onnxruntime.SessionOptions":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # one block for all tensors of a pass: PG-SVRT takes twice the memory so
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores, too
        options.log_severity_level = _ERRORS_ONLY
        return options


def _version(provider: Provider) -> str:
    """The version of ONNX Runtime. Raises `RuntimeUnavailableError`: not installed, or without the provider."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at the import: nothing of a lab is sent anywhere
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"ONNX Runtime cannot be loaded here ({error}); install it with: pip install 'livecassi[onnx]'"
        ) from error
    offered = onnxruntime.get_available_providers()
    if provider not in offered:
        raise RuntimeUnavailableError(
            f"the ONNX Runtime that is installed offers {', '.join(offered)}, not {provider}; install the other with: "
            "pip uninstall onnxruntime; pip install onnxruntime-gpu"
        )
    version: str = onnxruntime.__version__
    return version


def _bound(session: "onnxruntime.InferenceSession", buffers: Buffers) -> "onnxruntime.IOBinding":
    """Has a session read and write our arrays."""
    binding = session.io_binding()
    with _translated("ONNX Runtime declares other inputs or outputs than the file", NetworkFileError):
        for name, array in buffers.inputs.items():
            binding.bind_input(name, "cpu", 0, np.dtype(array.dtype).type, array.shape, array.ctypes.data)
        for name, array in buffers.outputs.items():
            binding.bind_output(name, "cpu", 0, np.dtype(array.dtype).type, array.shape, array.ctypes.data)
    return binding


@contextmanager
def _translated(what: str, kind: type[EngineError] = EngineError) -> Iterator[None]:
    """Turns what ONNX Runtime raises, whose errors have nothing in common but their module, into one about `what`."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        text = (str(error).strip().splitlines() or ["no details"])[0]
        if isinstance(error, MemoryError) or "bad_alloc" in text or "Failed to allocate memory" in text:
            raise DeviceMemoryError(f"{what}: the memory of this machine does not hold it") from error
        if type(error).__module__.startswith("onnxruntime") or isinstance(error, RuntimeError | ValueError):
            raise kind(f"{what}: {text}") from error
        raise
