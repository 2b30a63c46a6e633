"""Candidates that torch executes, what they are compared by, and what the machine can do at most."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from livecassi.calibration import System
from livecassi.engines.errors import DeviceMemoryError
from livecassi.engines.networks.contest.candidates import Candidate, Way
from livecassi.engines.networks.contest.tasks import Task
from livecassi.engines.networks.live.curves import RANK, START_RANK, Curves
from livecassi.engines.networks.live.network import LiveNetwork, load_live
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.memory import keep_freed_memory
from livecassi.engines.networks.network import BenchNetwork
from livecassi.engines.networks.pg_svrt.cost import count_macs
from livecassi.engines.networks.pg_svrt.difference import Difference, difference
from livecassi.engines.networks.pg_svrt.timing import copy_bandwidth, time_in_turn
from livecassi.engines.networks.pg_svrt.trial import draw_trial, load_for_trials
from livecassi.engines.networks.runner import TYPES, Placing, Runner, choose_device, give_back_memory
from livecassi.engines.networks.stills.cost import count_macs as macs_of
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.precision import Precision
from livecassi.engines.weights import TrainingState, WeightsCard, save_weights

Array32 = NDArray[np.float32]

FLOOR_BYTES_PER_PIXEL = 5.4e9 / 256**2  # of a window of PG-SVRT in 16 bits: what cannot be fused away
BYTES = {Precision.FP32: 4, Precision.BF16: 2, Precision.FP16: 2}
MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
MATRIX_PRODUCTS = 5


def in_torch(task: Task, candidate: Candidate) -> "InTorch":
    """The network of a task in torch, the way that a candidate says. Raises as `load_network` and `Runner`."""
    device = choose_device(candidate.place)
    with _memory_told(candidate.title):
        work = _live(task, candidate, device) if candidate.network == "live" else _video(task, candidate, device)
    return InTorch(work, device, candidate.title)


class InTorch:
    """See `Contestant`; `work` is one pass, which gives a tensor without the first axis."""

    def __init__(self, work: Callable[[], Tensor], device: torch.device, title: str) -> None:
        where = (
            torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
        )
        self._work, self._device, self._title = work, device, title
        self.describes = f"{title} ({torch.__version__}) on {where}"

    def run(self) -> None:
        """See `Contestant`."""
        with _memory_told(self._title):
            self._work()
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)

    def result(self) -> Array32:
        """See `Contestant`."""
        with _memory_told(self._title):
            values: Array32 = self._work().float().cpu().numpy().copy()
        return values

    def close(self) -> None:
        """See `Contestant`."""
        del self._work
        give_back_memory(self._device)


def _video(task: Task, candidate: Candidate, device: torch.device) -> Callable[[], Tensor]:
    request = task.request
    if candidate.way is Way.AUTHORS:
        trial = draw_trial(load_for_trials(request.weights, request.system), request.weights, *task.size)
        return partial(trial.literal(device), trial.window)
    assert request.calibration is not None
    network = cast(BenchNetwork, load_network(request.network, request.weights, request.system))
    placing = Placing(device.type, candidate.precision, graph=candidate.way is Way.GRAPH)
    runner = Runner(network, partial(network.for_bench, request.calibration), placing)
    return partial(runner.run, torch.from_numpy(task.inputs["measurement"]))


def _live(task: Task, candidate: Candidate, device: torch.device) -> Callable[[], Tensor]:
    network = load_live(task.request.weights).to(device)
    features = torch.from_numpy(task.inputs["features"])
    if device.type == "cpu":
        keep_freed_memory()

    @torch.inference_mode()
    def run() -> Tensor:
        inside = features.to(device, non_blocking=True)
        if candidate.precision is Precision.FP32:
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                corrections: Tensor = network(inside)[0]
            return corrections
        with torch.autocast(device.type, TYPES[candidate.precision], cache_enabled=False):
            corrections = network(inside)[0]
        return corrections.float()

    return run


@contextmanager
def _memory_told(title: str) -> Iterator[None]:
    """Turns what torch raises where memory ends into a `DeviceMemoryError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not _out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold features, for as long as the error is kept
        raise DeviceMemoryError(f"{title} does not fit into the memory ({str(error).splitlines()[0]})") from error


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


# ---- comparing -------------------------------------------------------------------------------------------------------


def compare(found: Array32, expected: Array32) -> Difference:
    """How far two results are apart. Raises ValueError for different shapes."""
    return difference(torch.from_numpy(found), torch.from_numpy(expected))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device does at most: bytes per second of copies, read and written, and multiply-adds of products."""

    copy_bytes_per_s: float
    macs_per_s: dict[Precision, float]


def measure_limits(place: str, precisions: tuple[Precision, ...]) -> Limits:
    """Of copies within its memory and of large square products, the best of several each."""
    device = choose_device(place)
    with torch.inference_mode():
        return Limits(copy_bandwidth(device), {precision: _matrix_rate(device, precision) for precision in precisions})


def _matrix_rate(device: torch.device, precision: Precision) -> float:
    side = MATRIX_SIDE[device.type]
    matrix = torch.rand(side, side, device=device, dtype=TYPES[precision])
    product = torch.empty_like(matrix)
    torch.matmul(matrix, matrix, out=product)
    (timing,) = time_in_turn([lambda: torch.matmul(matrix, matrix, out=product)], MATRIX_PRODUCTS, device)
    return side**3 / timing.best_s


@dataclass(frozen=True, slots=True)
class Work:
    """What one pass must do at least: multiply-adds, and bytes read and written, None where nobody counted them."""

    macs: int
    floor_bytes: float | None


def work_of(task: Task, precision: Precision) -> Work:
    """The least that a pass costs, whatever executes it."""
    if task.request.network == "live":
        live = load_live(task.request.weights)
        return Work(_macs_of_convolutions(live, torch.from_numpy(task.inputs["features"])), None)
    height, width = task.size
    if task.request.network in still_family():
        network = load_network(task.request.network, task.request.weights, task.request.system)
        return Work(macs_of(cast(StillNetwork, network), height, width), None)
    return Work(count_macs(height, width).products, FLOOR_BYTES_PER_PIXEL * height * width * BYTES[precision] / 2)


def _macs_of_convolutions(network: nn.Module, example: Tensor) -> int:
    counts: list[int] = []

    def count(layer: nn.Module, _inputs: object, result: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        counts.append(result.numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network(example)
    return sum(counts)


def allocated_on_cuda() -> int:
    """Bytes that torch's allocator has handed out on the GPU since the start, those given back included."""
    return int(torch.cuda.memory_stats().get("allocated_bytes.all.allocated", 0))


def free_on_cuda() -> int:
    """Bytes of the GPU's memory that can be had."""
    return torch.cuda.mem_get_info()[0]


def used_on_cuda() -> int:
    """Bytes of the GPU's memory that are taken, by whomever."""
    free, total = torch.cuda.mem_get_info()
    return total - free


# ---- weights that mean nothing ---------------------------------------------------------------------------------------


def save_random_live_weights(path: Path, system: System, seed: int = 0) -> None:
    """Write random weights of the live network: curves are cosines, corrections are small."""
    wavelengths_nm = np.linspace(400, 700, 31, dtype=np.float32)
    waves = np.cos(np.pi * np.outer(np.linspace(0, 1, len(wavelengths_nm)), np.arange(RANK)))
    unit = np.ascontiguousarray(np.linalg.qr(waves)[0], np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LiveNetwork(Curves(wavelengths_nm, unit, np.ones(START_RANK, np.float32)))
        nn.init.normal_(network.leave.weight, 0, 0.01)
    card = WeightsCard(
        network="live",
        system=system,
        bands=len(wavelengths_nm),
        step_px=2,
        wavelengths_nm=tuple(map(float, wavelengths_nm)),
        created=datetime.now(UTC).replace(microsecond=0),
        state=TrainingState.UNTRAINED,
    )
    save_weights(path, card, network.state_dict())
