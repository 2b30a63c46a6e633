"""Networks on OpenVINO, on the CPU: compiled once for this processor and kept."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
from livecassi.engines.runtimes.cache_folder import cannot_write
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.host_network import HostNetwork
from livecassi.engines.runtimes.openvino_thread import in_a_thread_of_its_own
from livecassi.engines.runtimes.processor import usable_cores

if TYPE_CHECKING:
    import openvino as ov

BLOB = "network.blob"
SCHEMA = 1
_NATIVE = {Precision.BF16: "BF16", Precision.FP16: "FP16"}  # what a CPU is said to multiply by itself

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenVinoProcessor:
    """The CPU as OpenVINO sees it: its name, what it can, and the version of OpenVINO."""

    name: str
    capabilities: tuple[str, ...]
    version: str

    def precision(self, wanted: Precision) -> Precision:
        """The precision that is used where `wanted` is asked for: a CPU that only imitates one is slower with it."""
        return wanted if _NATIVE.get(wanted, "") in self.capabilities else Precision.FP32


class OpenVinoCpu(HostNetwork):
    """An exported network on the CPU; see `NetworkRuntime`.

    `network` is an ONNX file or its bytes, `threads` the number of cores (None: all that the process may use). With
    `blobs` the compiled network is kept there, and `activate` takes a second where it took ten. Any thread may make
    and activate it; OpenVINO itself is touched in threads that end.

    Raises `NetworkFileError`, and `RuntimeUnavailableError` where OpenVINO cannot be loaded.
    """

    name = RuntimeName.OPENVINO

    def __init__(
        self,
        network: Path | bytes,
        precision: Precision = Precision.FP32,
        threads: int | None = None,
        blobs: ArtefactCache | None = None,
    ) -> None:
        self._processor = in_a_thread_of_its_own(_processor)
        super().__init__(network, self._processor.precision(precision))
        self._threads = threads or usable_cores()
        self._blobs = blobs
        self._request: ov.InferRequest | None = None
        self._blob: NDArray[np.uint8] | None = None  # the compiled network may draw its weights from these bytes

    @property
    def describes(self) -> str:
        """See `NetworkRuntime`."""
        version = self._processor.version.split("-")[0]
        return f"OpenVINO {version} on CPU, {self._precision}, {self._threads} threads"

    @property
    def fields(self) -> dict[str, Field]:
        """What a compiled network depends on: the fields of its entry in the cache."""
        return {
            "kind": "openvino blob",
            "schema": SCHEMA,
            "network_sha256": self._network.sha256,
            "openvino": self._processor.version,
            "processor": self._processor.name,
            "capabilities": " ".join(sorted(self._processor.capabilities)),
            "precision": str(self._precision),
            "threads": self._threads,
        }

    def prepared(self) -> bool:
        """Whether the compiled network is in the cache, so that `activate` is quick."""
        try:
            return self._blobs is not None and self._blobs.find(self.fields) is not None
        except PreparationError:  # whoever prepares it is told why it cannot be kept
            return False

    def compile_to(self, blob: Path) -> None:
        """Write the compiled network to a file: for the cache, and for a process that prepares it for others.

        Raises `NetworkFileError`, `DeviceMemoryError`, `EngineError`, or `PreparationError` where it cannot be written.
        """
        content = in_a_thread_of_its_own(lambda: _exported(self._compiled()))
        try:
            blob.write_bytes(content)
        except OSError as error:
            raise cannot_write(error, blob.parent, content.nbytes) from error

    def activate(self) -> None:
        """See `NetworkRuntime`."""
        if self._request is not None:
            return
        with _translated(f"{self._network.title} cannot be made ready in OpenVINO"):
            buffers = Buffers.of(self.inputs, self.outputs)
            request = in_a_thread_of_its_own(lambda: self._ready().create_infer_request())
            _bind(request, buffers)
        self._request, self._buffers = request, buffers

    def deactivate(self) -> None:
        """See `NetworkRuntime`."""
        self._request = self._buffers = self._blob = None

    def _compute(self) -> None:
        assert self._request is not None, "there are buffers only together with it"
        with _translated(f"{self._network.title} failed in OpenVINO"):
            self._request.start_async()
            self._request.wait()

    def _ready(self) -> "ov.CompiledModel":
        """The compiled network, from the cache where that can be used."""
        if self._blobs is None:
            return self._compiled()
        just_compiled: list[ov.CompiledModel] = []

        def build(folder: Path) -> None:
            just_compiled.append(self._compiled())
            (folder / BLOB).write_bytes(_exported(just_compiled[-1]))

        try:
            return self._blobs.use(self.fields, build, lambda found: (just_compiled or [self._imported(found)])[-1])
        except PreparationCancelledError:
            raise
        except PreparationError as error:  # it runs all the same, and is only slow to start
            log.warning("the compiled network is not kept: %s", error)
            return just_compiled[-1] if just_compiled else self._compiled()

    def _compiled(self) -> "ov.CompiledModel":
        import openvino as ov

        core = ov.Core()
        with _translated(f"{self._network.title} cannot be read by OpenVINO; export it again", NetworkFileError):
            model = core.read_model(self._network.content)
        with _translated(f"{self._network.title} cannot be prepared by OpenVINO; choose another runtime"):
            return core.compile_model(model, "CPU", self._settings())

    def _imported(self, found: Found) -> "ov.CompiledModel":
        import openvino as ov

        self._blob = found.load(BLOB)
        with _translated(f"{found.folder / BLOB} cannot be imported", DamagedEntryError):
            return ov.Core().import_model(ov.Tensor(self._blob, shared_memory=True), "CPU", self._settings())

    def _settings(self) -> dict[str, object]:
        import openvino as ov

        kinds = {Precision.FP32: ov.Type.f32, Precision.BF16: ov.Type.bf16, Precision.FP16: ov.Type.f16}
        return {
            "INFERENCE_PRECISION_HINT": kinds[self._precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self._threads,
        }


def _processor() -> OpenVinoProcessor:
    """The CPU of this machine. Raises `RuntimeUnavailableError`."""
    try:
        import openvino as ov

        core = ov.Core()
        return OpenVinoProcessor(
            core.get_property("CPU", "FULL_DEVICE_NAME"),
            tuple(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
            ov.get_version(),
        )
    except (ImportError, RuntimeError) as error:
        raise RuntimeUnavailableError(
            f"OpenVINO cannot be loaded here ({error}); install it again with: pip install --force-reinstall openvino"
        ) from error


def _bind(request: "ov.InferRequest", buffers: Buffers) -> None:
    """Have a request read and write our arrays."""
    import openvino as ov

    for name, array in (*buffers.inputs.items(), *buffers.outputs.items()):
        request.set_tensor(name, ov.Tensor(array, shared_memory=True))


def _exported(compiled: "ov.CompiledModel") -> memoryview:
    with _translated("OpenVINO cannot keep a compiled network"):
        blob: memoryview = compiled.export_model().getbuffer()
    return blob


@contextmanager
def _translated(what: str, kind: type[EngineError] = EngineError) -> Iterator[None]:
    """Turns what OpenVINO raises into one error about `what`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = (str(error).strip().splitlines() or ["no details"])[-1]
        if isinstance(error, MemoryError) or "bad_alloc" in str(error):
            raise DeviceMemoryError(f"{what}: the memory of this machine does not hold it") from error
        raise kind(f"{what}: {text}") from error
