"""From ONNX to a plan. Takes seconds to minutes: meant for a process of its own, whose progress is shown."""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from livecassi.engines.errors import DeviceMemoryError, NetworkFileError, PreparationError
from livecassi.engines.runtimes.contract import TensorSpec
from livecassi.engines.runtimes.files import write_prepared
from livecassi.engines.runtimes.nvidia_driver import Driver, probe_driver
from livecassi.engines.runtimes.preparation import Progress, Unwatched
from livecassi.engines.runtimes.tensorrt import timing_cache
from livecassi.engines.runtimes.tensorrt.api import Builder, BuilderConfig
from livecassi.engines.runtimes.tensorrt.build_watch import BuildWatch, native_monitor
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.native_log import failure, native_log
from livecassi.engines.runtimes.tensorrt.parsing import parse, tensors_of
from livecassi.engines.runtimes.tensorrt.plan import BuildOptions, PlanFacts, facts_path

BUILD_LOG = "build.log"
INSTEAD = "choose another runtime or precision, or export the network again"

log = logging.getLogger(__name__)


def build_plan(
    onnx: Path,
    plan: Path,
    options: BuildOptions,
    progress: Progress | None = None,
    flavour: Flavour | None = None,
    ask_driver: Callable[[], Driver] = probe_driver,
) -> PlanFacts:
    """Build the network in the file `onnx` and write `plan`, its facts beside it (`facts_path`), and `build.log`.

    The same file, library and GPU give the same bytes with TensorRT-RTX; TensorRT chooses kernels by measured times.
    `ask_driver` raises `DriverError` without a driver; it is asked where building needs a GPU.
    Raises `RuntimeUnavailableError`, `NetworkFileError`, `PreparationError`, `PreparationCancelledError` and
    `DeviceMemoryError`; nothing but the log is then left.
    """
    progress = progress or Unwatched()
    flavour = flavour or find_flavour(options.runtime)
    if flavour.traits.needs_gpu_to_build:
        ask_driver()
    if options.capability:
        flavour.check_gpu(options.capability)
    try:
        model = onnx.read_bytes()
    except OSError as error:
        raise NetworkFileError(f"the network {onnx} cannot be read ({error}); export it again") from error
    started = time.monotonic()
    watch = BuildWatch(progress, f"building for {flavour.name}")
    monitor = native_monitor(flavour.api, watch)  # outlives the builder
    with native_log(flavour.api).heard() as lines:
        try:
            progress.say(f"reading the network for {flavour.name}")
            built = _build(model, flavour, options, watch, monitor, lines)
        finally:
            _write_log(plan.with_name(BUILD_LOG), lines)
    facts = PlanFacts(
        flavour.name,
        flavour.version,
        options.precision,
        built.inputs,
        built.outputs,
        len(built.content),
        hashlib.sha256(built.content).hexdigest(),
        built.layers,
        round(time.monotonic() - started, 3),
    )
    write_prepared(plan, built.content)
    try:
        write_prepared(facts_path(plan), facts.to_json().encode())
    except PreparationError:
        plan.unlink()
        raise
    return facts


@dataclass(frozen=True, slots=True)
class _Built:
    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: int


def _build(
    model: bytes, flavour: Flavour, options: BuildOptions, watch: BuildWatch, monitor: object, lines: list[str]
) -> _Built:
    try:
        builder = flavour.api.Builder(native_log(flavour.api).native)
        network = parse(model, builder, flavour)
        inputs, outputs = tensors_of(network, flavour)
        config = _configured(builder, flavour, options)
        config.progress_monitor = monitor
        timings = None
        if options.timing_cache is not None and flavour.traits.keeps_timings:
            timings = timing_cache.attach(config, options.timing_cache)
        plan = builder.build_serialized_network(network, config)
    except MemoryError as error:
        raise DeviceMemoryError(f"the memory of this machine does not hold the build; {INSTEAD}") from error
    except RuntimeError as error:  # what the bindings raise where the library throws
        raise failure(f"{flavour.name} failed: {error}", lines, INSTEAD, PreparationError) from error
    if watch.failure is not None:
        raise watch.failure
    if plan is None:
        raise failure(f"{flavour.name} {flavour.version} made no plan", lines, INSTEAD, PreparationError)
    if timings is not None and options.timing_cache is not None:
        timing_cache.keep(timings, options.timing_cache)
    return _Built(bytes(plan), inputs, outputs, network.num_layers)


def _configured(builder: Builder, flavour: Flavour, options: BuildOptions) -> BuilderConfig:
    config = builder.create_builder_config()
    config.builder_optimization_level = options.level
    config.set_memory_pool_limit(flavour.api.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    config.clear_flag(flavour.api.BuilderFlag.TF32)  # fp32 is fp32: TF32 keeps ten bits of every factor
    if not flavour.traits.needs_gpu_to_build and options.capability is not None:
        target = flavour.target(options.capability)
        if target is not None:
            config.num_compute_capabilities = 1
            if not config.set_compute_capability(target, 0):
                raise PreparationError(f"{flavour.name} {flavour.version} refuses the target {target.name}; {INSTEAD}")
    return config


def _write_log(path: Path, lines: list[str]) -> None:
    try:
        write_prepared(path, "".join(f"{line}\n" for line in lines).encode())
    except PreparationError as error:
        log.warning("the build was not logged: %s", error)
