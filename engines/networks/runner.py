"""Running a network in torch: on which device, in which precision, whole or in tiles, as a captured CUDA graph."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from livecassi.engines.errors import EngineError, EngineUnavailableError
from livecassi.engines.networks.memory import fits, free_memory, give_back_freed_memory, keep_freed_memory
from livecassi.engines.networks.network import BenchNetwork, PreparedBench
from livecassi.engines.networks.tiles import SMALLEST, in_tiles
from livecassi.engines.precision import Precision

SMALL_TILE = 256
Prepare = Callable[[torch.device], PreparedBench]  # what the network makes of a bench, on a device
TYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}


@dataclass(frozen=True, slots=True)
class Placing:
    """Where and how a network runs: `device` auto, cpu or cuda; `tile` the side of a tile in px, 0 for whole frames.

    `graph`: passes over whole frames on CUDA are captured once and replayed.
    """

    device: str = "auto"
    precision: Precision = Precision.FP32
    tile: int = 0
    graph: bool = True


def choose_device(wanted: str) -> torch.device:
    """The device of that name; auto is a CUDA device where torch finds one. Raises `EngineUnavailableError`."""
    if wanted != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    if wanted == "cuda":
        raise EngineUnavailableError(
            "device=cuda was asked for, torch finds no CUDA device here; see 'livecassi doctor', or choose device=cpu"
        )
    return torch.device("cpu")


def fitting_tile(device: str, size: tuple[int, ...], frames: int) -> int:
    """0 where `frames` of `size` (H, W) fit whole into the free memory there, else the side of tiles that do."""
    where = choose_device(device)
    free = torch.cuda.mem_get_info(where)[0] if where.type == "cuda" else free_memory()
    return 0 if fits(size, frames, where.type, free) else SMALL_TILE


def give_back_memory(device: torch.device) -> None:
    """Give the system what is kept for tensors to come, once a network is no longer used."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    else:
        give_back_freed_memory()


class Runner:
    """A network and its bench on one device; `run` takes measurements `(1, T, H, W')` and gives `(T, C, H, W)`."""

    def __init__(self, network: BenchNetwork, prepare: Prepare, placing: Placing) -> None:
        self.device = choose_device(placing.device)
        self.precision, self.tile = placing.precision, placing.tile
        self._captures = placing.graph and self.device.type == "cuda"
        if self.device.type == "cpu":
            if self.precision is Precision.FP16:
                raise EngineUnavailableError(
                    "precision=fp16 was asked for on a CPU, which is slower than fp32; choose fp32, bf16 or device=cuda"
                )
            keep_freed_memory()
        self._network = network.to(self.device)
        with torch.inference_mode():
            self._bench = prepare(self.device)
        self._graph: _Graph | None = None

    @property
    def describes(self) -> str:
        """In words: device, precision, tiles."""
        where = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        tiles = f", tiles of {self.tile} px" if self.tile else ""
        return f"torch on {where}, {self.precision}{tiles}"

    @torch.inference_mode()
    def run(self, measurement: Tensor) -> Tensor:
        """The cubes on the device, float32. Raises `EngineError` where they are not finite or memory ran out."""
        measurement = measurement.to(self.device, non_blocking=True)
        try:
            cubes = self._in_tiles(measurement) if self.tile else self._whole(measurement)
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold features, for as long as the error is kept
            raise EngineError(self._too_large(measurement, error)) from error
        if not torch.isfinite(cubes).all():
            raise EngineError(
                f"the network gave NaN or infinite values in {self.precision}"
                + (
                    ": its numbers grew beyond what the precision holds; choose precision=bf16 or fp32"
                    if self.precision is Precision.FP16
                    else "; check the weights and the measurement"
                )
            )
        return cubes[0]

    def _too_large(self, measurement: Tensor, error: RuntimeError) -> str:
        side = self.tile or max(self._bench.size)
        ways = [f"tile={smaller}" for smaller in (SMALL_TILE, SMALLEST) if smaller < side][:1]
        ways += ["device=cpu"] if self.device.type == "cuda" else []
        return (
            f"the memory of {self.describes} does not hold frames of {measurement.shape[-2]} x "
            f"{measurement.shape[-1]} px ({error}); choose {', or '.join(ways) or 'a smaller region of the sensor'}"
        )

    def _whole(self, measurement: Tensor) -> Tensor:
        if not self._captures:
            return self._pass(measurement, self._bench)
        if self._graph is None:
            self._graph = _Graph(lambda still: self._pass(still, self._bench), measurement)
        return self._graph.replay(measurement)

    def _in_tiles(self, measurement: Tensor) -> Tensor:
        beyond = measurement.shape[-1] - self._bench.size[1]

        def one(rows: slice, columns: slice) -> Tensor:
            seen = measurement[..., rows, columns.start : columns.stop + beyond]
            return self._pass(seen, self._bench.part(rows, columns))

        return in_tiles(one, *self._bench.size, self.tile)

    def _pass(self, measurement: Tensor, bench: PreparedBench) -> Tensor:
        if self.precision is Precision.FP32:
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                cubes: Tensor = self._network(measurement, bench)
            return cubes.float()
        with torch.autocast(self.device.type, TYPES[self.precision], cache_enabled=False):
            cubes = self._network(measurement, bench)
        return cubes.float()


class _Graph:
    """A whole pass captured as one CUDA graph: thousands of small kernels are launched by one call."""

    def __init__(self, work: Callable[[Tensor], Tensor], example: Tensor) -> None:
        self._input = example.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries choose their kernels before anything is captured
            for _ in range(3):
                work(self._input)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        # thread_local: another engine may be built on the same GPU meanwhile
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._output = work(self._input)

    def replay(self, measurement: Tensor) -> Tensor:
        """The output, which the next call overwrites."""
        self._input.copy_(measurement)
        self._graph.replay()
        return self._output
