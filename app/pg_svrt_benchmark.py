"""The benchmark of `pg-svrt`: time beside a literal reading of the paper, memory, precision, tiles and hops."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from livecassi.app.pg_svrt_figures import (
    Comparison,
    Cost,
    HopFigures,
    Machine,
    Passes,
    Report,
    SizeFigures,
    TileFigures,
)
from livecassi.app.timed_runs import load_average
from livecassi.calibration import System
from livecassi.engines import EngineError
from livecassi.engines.networks import find_network
from livecassi.engines.networks.drawn import save_drawn_weights
from livecassi.engines.networks.pg_svrt.cost import count_macs
from livecassi.engines.networks.pg_svrt.difference import difference
from livecassi.engines.networks.pg_svrt.network import SMALLEST_SIDE
from livecassi.engines.networks.pg_svrt.peak_memory import PeakMemory, peak_in_fresh_process, with_peak_on_cuda
from livecassi.engines.networks.pg_svrt.timing import copy_bandwidth, on_threads, time_in_turn, time_once
from livecassi.engines.networks.pg_svrt.trial import NAME, Trial, draw_trial, load_for_trials
from livecassi.engines.networks.runner import Placing, choose_device
from livecassi.engines.networks.tiles import GRID, SMALLEST, stretches
from livecassi.engines.precision import Precision

LARGEST_SIDE = 4096
PUBLISHED_SIDE = 256  # the size that papers give costs and times for
FLOOR_BYTES_PER_PIXEL = 5.4e9 / PUBLISHED_SIDE**2  # in 16 bits, see `Passes`
BYTES = {Precision.FP32: 4, Precision.BF16: 2, Precision.FP16: 2}
TIMED_PASSES = 2  # of the engine at each hop

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: scenes of `sizes` (H, W), `tiles` in px; `weights` None: random ones; `threads` of the CPU."""

    sizes: tuple[Size, ...]
    tiles: tuple[int, ...]
    rounds: int = 3
    device: str = "auto"
    system: System = System.DD_CASSI
    weights: Path | None = None
    threads: int = 2

    @property
    def main_size(self) -> Size:
        """The size of what is measured at one size only: the largest up to 256 x 256, or else the smallest."""
        usual = [size for size in self.sizes if size[0] * size[1] <= PUBLISHED_SIDE**2]
        return max(usual, key=_pixels) if usual else min(self.sizes, key=_pixels)

    @property
    def largest_size(self) -> Size:
        """The size at which tiles are tried."""
        return max(self.sizes, key=_pixels)


def usual_sizes(device: str) -> str:
    """The sizes that are measured where none are given. Raises `EngineUnavailableError`."""
    return "256,512,1024" if choose_device(device).type == "cuda" else "128,256,512"


def parse_sizes(text: str) -> tuple[Size, ...]:
    """Sides or H x W in px, as in "128,256" or "96x160". Raises `EngineError`."""
    sizes = []
    for word in text.split(","):
        sides = word.strip().split("x")
        if not all(side.isdecimal() for side in sides) or len(sides) > 2:
            raise EngineError(f"sizes '{text}': '{word}' is no size; expected sides in px such as 128,256 or 96x160")
        height, width = int(sides[0]), int(sides[-1])
        if not SMALLEST_SIDE <= min(height, width) <= max(height, width) <= LARGEST_SIDE:
            raise EngineError(
                f"sizes '{text}': {height} x {width} px; {NAME} takes {SMALLEST_SIDE} to {LARGEST_SIDE} px a side"
            )
        sizes.append((height, width))
    return tuple(dict.fromkeys(sizes))


def parse_tiles(text: str) -> tuple[int, ...]:
    """Sides of tiles in px, as in "128,256"; "off" for none. Raises `EngineError`."""
    if text.strip() == "off":
        return ()
    words = [word.strip() for word in text.split(",")]
    if wrong := [word for word in words if not word.isdecimal() or int(word) % GRID or int(word) < SMALLEST]:
        raise EngineError(
            f"tiles '{text}': {', '.join(wrong) or 'nothing'} cannot be the side of a tile; expected multiples of "
            f"{GRID} from {SMALLEST} px on such as 128,256, or off"
        )
    return tuple(dict.fromkeys(int(word) for word in words))


def run_benchmark(plan: Plan, say: Callable[[str], object] = lambda _: None) -> Report:
    """Measure all of the plan; `say` hears what is under way. Raises `LivecassiError` where the plan cannot be run."""
    with TemporaryDirectory(prefix="livecassi-") as folder, on_threads(plan.threads):
        weights = plan.weights
        if weights is None:
            weights = Path(folder) / "random.safetensors"
            save_drawn_weights(NAME, weights, plan.system)
        return _Benchmark(plan, weights, say).report()


class _Benchmark:
    """One run of a plan with a file of weights."""

    def __init__(self, plan: Plan, weights: Path, say: Callable[[str], object]) -> None:
        self._plan, self._weights, self._say = plan, weights, say
        self._network = load_for_trials(weights, plan.system)
        self._device = choose_device(plan.device)
        self._placing = Placing(self._device.type)
        self._bandwidth = copy_bandwidth(self._device)

    def report(self) -> Report:
        plan = self._plan
        named = "random weights of a fixed seed" if plan.weights is None else f"the weights {plan.weights.name}"
        report = Report(named, plan.system, plan.rounds, self._machine(), self._costs(), self._comparison())
        report.sizes.extend(self._at(size) for size in plan.sizes)
        for size in plan.sizes if self._on_cuda else (plan.main_size,):
            report.passes.extend(self._precisions(size))
        report.tiles.extend(self._tiles())
        report.hops.extend(self._hop(hop) for hop in range(1, find_network(NAME).frames + 1))
        return replace(report, load_after=load_average())

    @property
    def _on_cuda(self) -> bool:
        return self._device.type == "cuda"

    def _trial(self, size: Size) -> Trial:
        return draw_trial(self._network, self._weights, *size)

    def _machine(self) -> Machine:
        return Machine(
            self._trial((SMALLEST_SIDE, SMALLEST_SIDE)).runner(self._placing).describes,
            version("torch"),
            self._plan.threads,
            os.cpu_count() or 1,
            os.environ.get("GOMP_SPINCOUNT", "not set"),
            load_average(),
            self._bandwidth,
        )

    def _costs(self) -> list[Cost]:
        parameters = sum(values.numel() for values in self._network.parameters())
        sizes = dict.fromkeys([(PUBLISHED_SIDE, PUBLISHED_SIDE), *self._plan.sizes])
        costs = ((size, count_macs(*size)) for size in sizes)
        return [Cost(*size, parameters, macs.products, macs.published) for size, macs in costs]

    def _comparison(self) -> Comparison:
        size = self._plan.main_size
        self._say(f"{_words(size)}: the literal reading beside it")
        trial = self._trial(size)
        window, runner, literal = trial.window, trial.runner(self._placing), trial.literal(self._device)
        apart = difference(runner.run(window), literal(window))
        ours, theirs = time_in_turn(
            [lambda: runner.run(window), lambda: literal(window)], self._plan.rounds, self._device
        )
        return Comparison(*size, ours, theirs, apart)

    def _at(self, size: Size) -> SizeFigures:
        self._say(f"{_words(size)}: time and memory")
        trial = self._trial(size)
        window = trial.window
        memory = self._memory(size, trial)
        runner = trial.runner(self._placing)
        runner.run(window)
        (timing,) = time_in_turn([lambda: runner.run(window)], self._plan.rounds, self._device)
        return SizeFigures(*size, timing, timing.best_s / _pixels(size) * 1e6, memory)

    def _memory(self, size: Size, trial: Trial) -> PeakMemory | None:
        if self._on_cuda:
            return with_peak_on_cuda(lambda: trial.runner(self._placing).run(trial.window), self._device)[1]
        plan = self._plan
        return peak_in_fresh_process(plan.system, *size, self._weights, Precision.FP32, plan.threads)

    def _precisions(self, size: Size) -> Iterator[Passes]:
        """Every precision that the device has, on CUDA without and with a graph."""
        trial, exact = self._trial(size), None
        for precision in Precision if self._on_cuda else (Precision.FP32, Precision.BF16):
            for graph in (False, True) if self._on_cuda else (False,):
                self._say(f"{_words(size)}: {precision}{' as a graph' if graph else ''}")
                placing = replace(self._placing, precision=precision, graph=graph)
                work = partial(trial.runner(placing).run, trial.window)  # frees the one before, and its graph
                passes = Passes(*size, precision, graph)
                try:
                    cubes, memory = with_peak_on_cuda(work, self._device)  # a graph takes its memory in the first pass
                    cubes = cubes.clone()  # and overwrites in each what it gave before
                    (timing,) = time_in_turn([work], self._plan.rounds, self._device)
                except EngineError as error:  # too large for this device or precision: the others still count
                    yield replace(passes, trouble=str(error))
                else:
                    apart = None if exact is None else difference(cubes, exact)
                    exact = cubes if exact is None else exact
                    share = self._floor_s(size, precision) / timing.best_s
                    yield replace(passes, timing=timing, difference=apart, floor_share=share, memory=memory)

    def _floor_s(self, size: Size, precision: Precision) -> float:
        return FLOOR_BYTES_PER_PIXEL * _pixels(size) * BYTES[precision] / 2 / self._bandwidth

    def _tiles(self) -> Iterator[TileFigures]:
        size = self._plan.largest_size
        tiles = [tile for tile in self._plan.tiles if tile < max(size)]
        if not tiles:
            return
        trial = self._trial(size)
        window, whole = trial.window, None
        for tile in (0, *tiles):
            self._say(f"{_words(size)}: {f'tiles of {tile} px' if tile else 'as a whole, beside tiles'}")
            runner = trial.runner(replace(self._placing, tile=tile))
            cubes = runner.run(window).clone()
            seconds, _ = time_once(partial(runner.run, window), self._device)
            whole = cubes if whole is None else whole
            count = len(stretches(size[0], tile)) * len(stretches(size[1], tile)) if tile else 1
            yield TileFigures(*size, tile, count, seconds, difference(cubes, whole) if tile else None)

    def _hop(self, hop: int) -> HopFigures:
        size = self._plan.main_size
        self._say(f"{_words(size)}: hop {hop}")
        trial = self._trial(size)
        with trial.engine(hop, self._placing) as engine:
            frames = TIMED_PASSES * hop
            measurements = list(trial.stream(hop + frames))
            for measurement in measurements[:hop]:  # the first pass, unseen
                engine.reconstruct(measurement)
            seconds, _ = time_once(lambda: [engine.reconstruct(each) for each in measurements[hop:]], self._device)
            return HopFigures(*size, hop, seconds / frames, engine.info.latency)


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _words(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
