"""A plan that is loaded: checked against what is known of it, bound to addresses, put into streams."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livecassi.engines.errors import EngineError, PreparationError
from livecassi.engines.runtimes.cache_entry import DamagedEntryError
from livecassi.engines.runtimes.contract import TensorSpec
from livecassi.engines.runtimes.device.ops import Stream
from livecassi.engines.runtimes.files import write_prepared
from livecassi.engines.runtimes.tensorrt.api import (
    NUMPY_NAMES,
    Engine,
    ExecutionContext,
    Runtime,
    RuntimeCache,
    shape_of,
)
from livecassi.engines.runtimes.tensorrt.flavour import Flavour
from livecassi.engines.runtimes.tensorrt.native_log import SMALLER, failure, native_log
from livecassi.engines.runtimes.tensorrt.plan import PlanFacts, check_plan

log = logging.getLogger(__name__)


class LoadedPlan:
    """An `Executable`. Made, used and closed inside `with ops`, after the driver was asked.

    `kernels` is the file where TensorRT-RTX keeps what it compiles on loading; without it every start compiles anew.
    Raises `DamagedEntryError` for a plan that the library refuses: it is to be set aside and built anew, once.
    """

    def __init__(
        self, content: bytes, facts: PlanFacts, flavour: Flavour, kernels: Path | None = None, graph: bool = False
    ) -> None:
        check_plan(content, facts)
        if (facts.runtime, facts.version) != (flavour.name, flavour.version):
            raise DamagedEntryError(
                f"the plan was built by {facts.runtime} {facts.version}, {flavour.name} {flavour.version} is here; "
                "it is built anew"
            )
        self._facts, self._flavour, self._kernels = facts, flavour, kernels
        self._cache: RuntimeCache | None = None
        with self._translated(f"{flavour.name} cannot load the plan") as lines:
            runtime = flavour.api.Runtime(native_log(flavour.api).native)
            engine = runtime.deserialize_cuda_engine(content)
            if engine is None:
                raise failure(f"{flavour.name} refuses the plan", lines, "it is built anew", DamagedEntryError)
            check_tensors(engine, facts, flavour)
            context = self._context_of(engine, graph)
            if context is None:
                raise failure(f"{flavour.name} made no execution context", lines, SMALLER)
        # let go in this order: a context must not outlive its engine, nor that its runtime
        self._held: tuple[Runtime, Engine] | None = (runtime, engine)
        self._context: ExecutionContext | None = context

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """See `Executable`."""
        return self._facts.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """See `Executable`."""
        return self._facts.outputs

    def bind(self, name: str, address: int) -> None:
        """See `Executable`."""
        if not self._open().set_tensor_address(name, address):
            raise EngineError(f"{self._flavour.name} refuses the address of '{name}'; build the plan anew")

    def enqueue(self, stream: Stream) -> None:
        """See `Executable`."""
        context = self._open()
        with self._translated("the network failed on the GPU") as lines:
            if not context.execute_async_v3(stream.handle):
                raise failure("the network failed on the GPU", lines, SMALLER)

    def close(self) -> None:
        """Keep the kernels and give memory back; may be called twice."""
        self._keep_kernels()
        self._cache = self._context = None
        if self._held is not None:
            runtime, engine = self._held
            self._held = None
            del engine
            del runtime

    def _open(self) -> ExecutionContext:
        if self._context is None:
            raise EngineError("the plan was closed; load it again")
        return self._context

    def _context_of(self, engine: Engine, graph: bool) -> ExecutionContext | None:
        traits = self._flavour.traits
        if not (traits.keeps_kernels or traits.records_graphs):
            return engine.create_execution_context()
        config = engine.create_runtime_config()
        if graph and traits.records_graphs:
            config.cuda_graph_strategy = self._flavour.api.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        if self._kernels is not None and traits.keeps_kernels:
            self._cache = config.create_runtime_cache()
            try:
                if not self._cache.deserialize(self._kernels.read_bytes()):
                    log.info("the kernels in %s are of another GPU, driver or version; made anew", self._kernels)
            except OSError:
                log.debug("no kernels are kept in %s yet", self._kernels)
            config.set_runtime_cache(self._cache)
        return engine.create_execution_context(config)

    def _keep_kernels(self) -> None:
        if self._cache is None or self._kernels is None:
            return
        try:
            self._kernels.parent.mkdir(parents=True, exist_ok=True)
            write_prepared(self._kernels, bytes(self._cache.serialize()))
        except (OSError, RuntimeError, PreparationError) as error:  # they are made anew the next time
            log.warning("the kernels were not kept in %s: %s", self._kernels, error)

    @contextmanager
    def _translated(self, what: str) -> Iterator[list[str]]:
        """What the library says meanwhile; its exceptions in our words."""
        with native_log(self._flavour.api).heard() as lines:
            try:
                yield lines
            except (RuntimeError, MemoryError) as error:
                raise failure(f"{what}: {error or 'out of memory'}", [*lines, f"ERROR: {error!r}"], SMALLER) from error


def check_tensors(engine: Engine, facts: PlanFacts, flavour: Flavour) -> None:
    """Raises `DamagedEntryError` where a plan's inputs and outputs are not those that were built."""
    given = flavour.api.TensorIOMode.INPUT
    found: dict[bool, set[TensorSpec]] = {True: set(), False: set()}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        kind = engine.get_tensor_dtype(name).name
        spec = TensorSpec(name, shape_of(engine.get_tensor_shape(name)), NUMPY_NAMES.get(kind, kind))
        found[engine.get_tensor_mode(name) == given].add(spec)
    for side, specs in ((True, facts.inputs), (False, facts.outputs)):
        if found[side] != set(specs):
            raise DamagedEntryError(
                f"the plan has the {'inputs' if side else 'outputs'} {sorted(map(str, found[side]))}, expected "
                f"{sorted(map(str, specs))}; it is built anew"
            )
