"""What the benchmark of `pg-svrt` finds, as it is printed and written to a file."""

from dataclasses import dataclass, field

from livecassi.engines.networks.pg_svrt.difference import Difference
from livecassi.engines.networks.pg_svrt.peak_memory import PeakMemory
from livecassi.engines.networks.pg_svrt.timing import Timing


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran. `load` is the number of programs that wanted a core, averaged over the minute before the start."""

    device: str
    torch: str
    threads: int
    cores: int
    spin_count: str  # GOMP_SPINCOUNT: how long a thread that waits spins
    load: float | None
    copy_bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Multiply-adds of one window of three frames: products alone, and as the paper counted."""

    height: int
    width: int
    parameters: int
    products: int
    published: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One window by livecassi's network and by the literal reading, timed in turn, and how far their cubes differ."""

    height: int
    width: int
    ours: Timing
    literal: Timing
    difference: Difference


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """One window at one size, fp32. `memory` is None where the system does not tell."""

    height: int
    width: int
    timing: Timing
    seconds_per_megapixel: float
    memory: PeakMemory | None


@dataclass(frozen=True, slots=True)
class Passes:
    """One window in one precision; `graph`: replayed as a CUDA graph. `difference` is to fp32 without a graph.

    `floor_share` is the least time that memory allows over the best time. The floor: 5.4 GB per window of 256 x 256 in
    16 bits, what convolutions, products, norms and softmax must at least read and write if all else is fused, by pixels
    and bytes per value, at the bandwidth of a copy. `trouble` says why there are no figures.
    """

    height: int
    width: int
    precision: str
    graph: bool
    timing: Timing | None = None
    difference: Difference | None = None
    floor_share: float | None = None
    memory: PeakMemory | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class TileFigures:
    """A frame in tiles of `tile` px, against the same frame as a whole (`tile` 0)."""

    height: int
    width: int
    tile: int
    tiles: int
    seconds: float
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class HopFigures:
    """The engine fed frame by frame: `delay_frames` later the cube of a frame comes."""

    height: int
    width: int
    hop: int
    seconds_per_frame: float
    delay_frames: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found. `weights` says whose they are."""

    weights: str
    system: str
    rounds: int
    machine: Machine
    costs: list[Cost] = field(default_factory=list)
    comparison: Comparison | None = None
    sizes: list[SizeFigures] = field(default_factory=list)
    passes: list[Passes] = field(default_factory=list)
    tiles: list[TileFigures] = field(default_factory=list)
    hops: list[HopFigures] = field(default_factory=list)
    load_after: float | None = None
