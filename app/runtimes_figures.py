"""What the benchmark of runtimes finds, as it is printed and written to a file."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran. `load`: how many programs wanted a core, averaged over the minute before the start.

    `versions` are those of the runtimes, by name and place.
    """

    processor: str
    cores: int
    threads: int
    spin_count: str  # GOMP_SPINCOUNT: how long a thread of torch that waits spins
    versions: dict[str, str]
    load: float | None
    gpu: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """Seconds until passes can begin.

    `export_s` and `build_s` are paid once on a machine: writing the network, and what the runtime makes of it. With
    both kept, `start_s` is from construction to the first result, and `fresh_start_s` the same in a process that loads
    the libraries first. None: nothing of the kind is needed, or it was not measured.
    """

    export_s: float | None = None
    build_s: float | None = None
    start_s: float | None = None
    fresh_start_s: float | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one pass: median, extremes, median distance to the median; `cpu_ms` of all threads together.

    `frames_per_s` by hop, the new frames of a pass.
    """

    passes: int
    median_ms: float
    best_ms: float
    worst_ms: float
    spread_ms: float
    cpu_ms: float
    frames_per_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Ratios:
    """How many times as fast as torch eager in fp32, and as the authors' way, where these were run."""

    to_eager: float | None = None
    to_authors: float | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """From torch eager in fp32: rms, largest, and PSNR, None where nothing differs."""

    rms: float
    largest: float
    psnr_db: float | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a process takes for the candidate alone: at most, and before it; on a GPU what is taken there, too."""

    peak: int | None
    before: int | None
    device: int | None


@dataclass(frozen=True, slots=True)
class Steady:
    """Bytes of Python and NumPy for each pass: `held` after it, `passing` at most at one time within it.

    `device`: what torch's allocator hands out on the GPU for a pass.
    """

    held: float
    passing: int
    device: float | None


@dataclass(frozen=True, slots=True)
class Shares:
    """Multiply-adds per second, and the shares of what the device was measured to do.

    `of_products`: of the rate of large matrix products in this precision. `of_copies`: the least time that the memory
    allows a pass, at the bandwidth of a copy, over its time; None where nobody counted what a pass must move.
    """

    macs_per_s: float
    of_products: float | None
    of_copies: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate at one size. `trouble` says what stopped it; what was measured before that is still there."""

    network: str
    height: int
    width: int
    place: str
    runtime: str
    way: str
    precision: str
    title: str
    describes: str = ""
    ready: Ready = field(default_factory=Ready)
    times: Times | None = None
    ratios: Ratios = field(default_factory=Ratios)
    apart: Apart | None = None
    memory: Memory | None = None
    steady: Steady | None = None
    shares: Shares | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Flat:
    """The resident set in bytes before, in the middle and at the end of many passes of the quickest candidate."""

    network: str
    height: int
    width: int
    place: str
    title: str
    passes: int
    start: int | None = None
    middle: int | None = None
    end: int | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Duel:
    """Milliseconds of one pass, medians, of the quickest candidates of two networks that were timed in turn."""

    networks: tuple[str, str]
    titles: tuple[str, str]
    median_ms: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Limit:
    """What a place does at most: bytes per second of copies, multiply-adds per second of products by precision."""

    place: str
    copy_bytes_per_s: float
    macs_per_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found. `weights` says whose they are, by network."""

    system: str
    rounds: int
    machine: Machine
    weights: dict[str, str] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    flat: list[Flat] = field(default_factory=list)
    duels: list[Duel] = field(default_factory=list)
    load_after: float | None = None
