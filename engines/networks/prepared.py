"""An exported network made ready for one bench and one runtime: what is kept of it, and what must be made first."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from livecassi.engines.errors import EngineUnavailableError
from livecassi.engines.exporting.registry import ExportRequest
from livecassi.engines.networks.camera_frames import CameraFrames
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_entry import DamagedEntryError, Field, Found
from livecassi.engines.runtimes.cache_folder import CacheError
from livecassi.engines.runtimes.contract import NetworkRuntime, RuntimeName
from livecassi.engines.runtimes.device.ops import DeviceOps
from livecassi.engines.runtimes.jobs import BuildPlan, CompileForOpenVino
from livecassi.engines.runtimes.network_file import read_network
from livecassi.engines.runtimes.nvidia_driver import Driver, probe_driver
from livecassi.engines.runtimes.offers import Place
from livecassi.engines.runtimes.onnx_runtime import OnnxRuntime, Provider
from livecassi.engines.runtimes.onnx_tensors import declared_tensors
from livecassi.engines.runtimes.openvino_cpu import BLOB, OpenVinoCpu
from livecassi.engines.runtimes.preparation import Progress, Unwatched
from livecassi.engines.runtimes.subprocess_preparation import export_in_child, prepare_in_child

if TYPE_CHECKING:
    from livecassi.engines.runtimes.tensorrt.frame_plan import FramePlan
    from livecassi.engines.runtimes.tensorrt.plan import PlanFacts

Loaded = TypeVar("Loaded")

NETWORK, PLAN = "network.onnx", "network.plan"
SCHEMA = 1  # of exported networks: raised where the same weights give another graph
ON_NVIDIA = (RuntimeName.TENSORRT, RuntimeName.TENSORRT_RTX)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a network is to run, and what its products are computed in."""

    runtime: RuntimeName
    precision: Precision = Precision.FP32
    threads: int | None = None
    place: Place = Place.CPU

    @property
    def exported(self) -> Precision:
        """The precision of the graph: OpenVINO rounds by itself, runtimes on a GPU do what the graph says."""
        return self.precision if self.place is Place.CUDA else Precision.FP32


class PreparedNetwork:
    """A network for one bench, in the cache or on the way there.

    `source` is what is exported, with the hash `weights_id` of the tensors, or an ONNX file that was exported before.
    With `camera` it is widened to take raw frames: `frames` then loads it, and `runtime` cannot.
    """

    def __init__(
        self,
        source: ExportRequest | Path,
        weights_id: str,
        target: Target,
        kept: ArtefactCache,
        camera: CameraFrames | None = None,
    ) -> None:
        self._source, self._weights_id, self._target, self._kept = source, weights_id, target, kept
        self._camera = camera

    @property
    def ready(self) -> bool:
        """Whether `runtime` takes about a second; may take as long to find out.

        Nothing is ready in a cache that cannot be used: the log says why, and `prepare` raises it.
        """
        try:
            path = self._exported_file()
            if path is None:
                return False
            match self._target.runtime:
                case RuntimeName.OPENVINO:
                    return self._openvino(path.read_bytes()).prepared()
                case RuntimeName.ONNXRUNTIME:
                    return True
                case _:
                    return self._plan(path) is not None
        except (CacheError, OSError) as error:  # OSError: it was just removed
            log.warning("%s", error)
            return False

    def prepare(self, progress: Progress) -> None:
        """Make what is missing, in processes of their own. Raises as `ArtefactCache.make` and `prepare_in_child`."""
        path = self._exported_file() or self._export(progress).folder / NETWORK
        if self._target.runtime is RuntimeName.OPENVINO:
            self._compile(path, progress)
        elif self._target.runtime in ON_NVIDIA:
            self._build(self._camera.widened(path, self._kept, progress) if self._camera else path, progress)

    def runtime(self) -> NetworkRuntime:
        """The network, activated; what is found damaged is made anew, once.

        Raises `EngineUnavailableError` where it was not prepared, and as `prepare` and the runtime.
        """
        return self._mended(self._activated)

    def frames(self) -> "FramePlan":
        """The network that takes raw frames, loaded on the first GPU. Raises as `runtime`."""
        return self._mended(self._loaded_frames)

    def _mended(self, load: Callable[[], Loaded]) -> Loaded:
        try:
            return load()
        except DamagedEntryError as error:
            log.warning("%s; it is made anew", error)
        self.prepare(Unwatched())
        return load()

    def _activated(self) -> NetworkRuntime:
        content = self._content()
        match self._target.runtime:
            case RuntimeName.OPENVINO:
                runtime: NetworkRuntime = self._openvino(content)
            case RuntimeName.ONNXRUNTIME:
                provider = Provider.CUDA if self._target.place is Place.CUDA else Provider.CPU
                runtime = OnnxRuntime(content, self._target.precision, self._target.threads, provider, self._kept)
            case _:
                return self._with_plan(self._active_plan)
        runtime.activate()
        return runtime

    # ---- the exported network --------------------------------------------------------------------------------------

    @property
    def _fields(self) -> dict[str, Field]:
        source = self._source
        assert isinstance(source, ExportRequest)
        return {
            "kind": "exported network",
            "schema": SCHEMA,
            "network": source.network,
            "weights": self._weights_id,
            "calibration": source.calibration.id if source.calibration is not None else "",
            "size": f"{source.height} x {source.width}",
            "precision": str(self._target.exported),
        }

    def _exported_file(self) -> Path | None:
        if isinstance(self._source, Path):
            return self._source
        found = self._kept.find(self._fields)
        return None if found is None else found.folder / NETWORK

    def _export(self, progress: Progress) -> Found:
        source, fields = self._source, self._fields
        assert isinstance(source, ExportRequest)
        written = self._kept.log_of(fields)
        return self._kept.make(
            fields, lambda folder: export_in_child(source, folder / NETWORK, progress, written), progress
        )

    def _content(self) -> bytes:
        if isinstance(self._source, Path):
            return read_network(self._source).content
        found = self._kept.find(self._fields)
        if found is None:
            raise EngineUnavailableError(
                f"'{self._source.network}' was not prepared for {self._target.runtime} and this bench yet; choose the "
                "engine again in the window, or runtime=torch"
            )
        try:
            return found.load(NETWORK).tobytes()
        except DamagedEntryError as error:
            self._kept.quarantine(found, str(error))
            raise

    # ---- OpenVINO --------------------------------------------------------------------------------------------------

    def _openvino(self, content: bytes) -> OpenVinoCpu:
        return OpenVinoCpu(content, self._target.precision, self._target.threads, self._kept)

    def _compile(self, path: Path, progress: Progress) -> None:
        fields = self._openvino(path.read_bytes()).fields
        target, written = self._target, self._kept.log_of(fields)

        def build(folder: Path) -> None:
            job = CompileForOpenVino(
                network=path, precision=target.precision, threads=target.threads, blob=folder / BLOB
            )
            prepare_in_child(job, progress, written)

        self._kept.make(fields, build, progress)

    # ---- TensorRT --------------------------------------------------------------------------------------------------

    def _plan_job(self, path: Path) -> tuple[dict[str, Field], BuildPlan]:
        """The fields of a plan for the first GPU, and the job without its place. Raises `DriverError`."""
        from livecassi.engines.runtimes.tensorrt.flavour import find_flavour
        from livecassi.engines.runtimes.tensorrt.plan import BuildOptions, plan_fields

        driver: Driver = probe_driver()
        flavour, gpu, content = find_flavour(self._target.runtime), driver.gpus[0], path.read_bytes()
        caches = self._kept.folder / "timing"
        options = BuildOptions(
            self._target.runtime,
            self._target.precision,
            workspace_bytes=gpu.memory_bytes // 4,
            capability=gpu.capability if self._target.runtime is RuntimeName.TENSORRT_RTX else None,
            timing_cache=None
            if self._target.runtime is RuntimeName.TENSORRT_RTX
            else caches / f"{flavour.version}-{hashlib.sha256(gpu.name.encode()).hexdigest()[:8]}.timing",
        )
        inputs, outputs = declared_tensors(content, str(path))
        digest = hashlib.sha256(content).hexdigest()
        fields = plan_fields(digest, flavour, driver.cuda, gpu, options, (*inputs, *outputs))
        return fields, BuildPlan(network=path, options=options, plan=Path(PLAN))

    def _build(self, path: Path, progress: Progress) -> None:
        fields, job = self._plan_job(path)
        written = self._kept.log_of(fields)
        self._kept.make(
            fields,
            lambda folder: prepare_in_child(job.model_copy(update={"plan": folder / PLAN}), progress, written),
            progress,
        )

    def _plan(self, path: Path) -> Found | None:
        """The plan of the exported network in `path`, if it was built."""
        network = path if self._camera is None else self._camera.find(path, self._kept)
        return None if network is None else self._kept.find(self._plan_job(network)[0])

    def _with_plan(self, load: "Callable[[bytes, PlanFacts, Path], Loaded]") -> Loaded:
        """What `load(content, facts, kernels)` makes of the plan; one that it refuses is set aside."""
        from livecassi.engines.runtimes.tensorrt.plan import read_plan

        path = self._exported_file()
        assert path is not None, "its content was read before"
        found = self._plan(path)
        if found is None:
            raise EngineUnavailableError(
                f"no plan of {self._target.runtime} was built for this bench and GPU yet; choose the engine again in "
                "the window, or runtime=torch"
            )
        try:
            return load(*read_plan(found.folder / PLAN), self._kept.folder / "kernels" / found.key)
        except DamagedEntryError as error:
            self._kept.quarantine(found, str(error))
            raise

    def _active_plan(self, content: bytes, facts: "PlanFacts", kernels: Path) -> NetworkRuntime:
        from livecassi.engines.runtimes.tensorrt.runtime import TensorRtRuntime

        runtime = TensorRtRuntime(content, facts, device_ops, kernels=kernels, graph=True)
        runtime.activate()
        return runtime

    def _loaded_frames(self) -> "FramePlan":
        from livecassi.engines.runtimes.tensorrt.frame_plan import load_frame_plan

        self._content()  # raises where it is missing or damaged
        return self._with_plan(
            lambda content, facts, kernels: load_frame_plan(content, facts, device_ops, kernels=kernels)
        )


def device_ops() -> DeviceOps:
    """The first GPU: by torch where it is installed with CUDA, else by pycuda. Raises `RuntimeUnavailableError`."""
    from livecassi.engines.runtimes.device.pycuda_ops import PycudaOps
    from livecassi.engines.runtimes.offers import Installed

    if Installed().cuda_of_torch() is None:
        return PycudaOps()
    from livecassi.engines.runtimes.device.torch_ops import TorchOps

    return TorchOps()
