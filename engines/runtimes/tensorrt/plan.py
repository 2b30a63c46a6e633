"""What is known of a plan besides its bytes: a file beside it, because a plan tells nothing where there is no GPU."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from livecassi.engines.errors import EngineError
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache_entry import DamagedEntryError
from livecassi.engines.runtimes.contract import RuntimeName, TensorSpec
from livecassi.engines.runtimes.nvidia_driver import Gpu, words
from livecassi.engines.runtimes.tensorrt.flavour import Flavour

SCHEMA = 1  # of plans: a plan that was made under another number is made anew
FACTS_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How a plan is built. `capability` of the GPU it is for, where TensorRT-RTX is to name one.

    `timing_cache` is a file of TensorRT's measurements, one for each of its versions and each GPU.
    """

    runtime: RuntimeName
    precision: Precision
    level: int = 3  # higher ones take many times longer for little
    workspace_bytes: int = 4 << 30
    capability: tuple[int, int] | None = None
    timing_cache: Path | None = None


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """Which library made a plan, of which precision, its tensors, size and hash, and how long it took."""

    runtime: RuntimeName
    version: str
    precision: Precision
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    nbytes: int
    sha256: str
    layers: int
    seconds: float

    def to_json(self) -> str:
        """The file beside the plan."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "PlanFacts":
        """Raises `DamagedEntryError` for what is no such file."""
        try:
            given = dict(json.loads(text))
            if given.pop("schema") != SCHEMA:
                raise ValueError(f"its schema is not {SCHEMA}")
            for side in ("inputs", "outputs"):
                given[side] = tuple(TensorSpec(one["name"], tuple(one["shape"]), one["dtype"]) for one in given[side])
            return cls(
                **{**given, "runtime": RuntimeName(given["runtime"]), "precision": Precision(given["precision"])}
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedEntryError(f"the facts of a plan cannot be read ({error}); it is built anew") from error


def facts_path(plan: Path) -> Path:
    """The file beside a plan."""
    return plan.with_suffix(FACTS_SUFFIX)


def read_plan(plan: Path) -> tuple[bytes, PlanFacts]:
    """A plan and its facts. Raises `DamagedEntryError` where they are missing or do not belong together."""
    try:
        content, text = plan.read_bytes(), facts_path(plan).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedEntryError(f"the plan {plan} cannot be read ({error}); it is built anew") from error
    facts = PlanFacts.from_json(text)
    check_plan(content, facts)
    return content, facts


def check_plan(content: bytes, facts: PlanFacts) -> None:
    """Raises `DamagedEntryError` where the bytes are not those that were built."""
    if len(content) != facts.nbytes or hashlib.sha256(content).hexdigest() != facts.sha256:
        raise DamagedEntryError(
            f"a plan of {len(content)} bytes is not the one of {facts.nbytes} bytes that was built; it is built anew"
        )


def plan_fields(
    onnx_sha256: str,
    flavour: Flavour,
    cuda: tuple[int, int],
    gpu: Gpu,
    options: BuildOptions,
    tensors: Collection[TensorSpec],
) -> dict[str, str | int | float]:
    """What the cache knows a plan by: all that its bytes, or whether it can be loaded, may depend on.

    `cuda` is the newest that the driver serves; `tensors` are the inputs and outputs of the network.
    """
    if options.runtime is not flavour.name:
        raise EngineError(f"options for {options.runtime} were given to {flavour.name}; give those of one library")
    return {
        "kind": "tensorrt plan",
        "schema": SCHEMA,
        "onnx": onnx_sha256,
        "runtime": str(flavour.name),
        "version": flavour.version,
        "cuda": words(cuda),
        "gpu": gpu.name,
        "capability": words(gpu.capability),
        "memory": gpu.memory_bytes,
        "precision": str(options.precision),
        "tensors": "; ".join(f"{spec.name} {spec.dtype} {'x'.join(map(str, spec.shape))}" for spec in tensors),
        "level": options.level,
        "workspace": options.workspace_bytes,
        "target": words(options.capability) if options.capability else "any",
    }
