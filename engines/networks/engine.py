"""Engines whose cubes a network makes: a window of frames in, cubes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import torch

from livecassi.calibration import Calibration, Measurement
from livecassi.engines.checks import check_measurement
from livecassi.engines.cube import Cube
from livecassi.engines.engine import EngineInfo
from livecassi.engines.errors import EngineError
from livecassi.engines.networks.inputs import Brightness, check_bench, measured_columns, network_mask
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.runner import Placing, Runner, give_back_memory
from livecassi.engines.networks.sliding_window import Fetch, Frames, Output, SlidingWindow

if TYPE_CHECKING:
    from livecassi.engines.networks.pg_svrt import PGSVRT


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """How a video network works; the registry's options have the same names and explain them."""

    hop: int = 1
    output: Output = Output.LATEST
    frames: Frames = Frames.VIDEO
    brightness: float | None = None
    placing: Placing = field(default_factory=Placing)


class VideoEngine:
    """A network that reconstructs consecutive frames jointly, behind a sliding window.

    A single frame is seen as its own neighbour. Cubes have the units of the measurement: ten times the light gives ten
    times the cube. `note` is said beside the name of the weights.
    """

    def __init__(
        self, spec: NetworkSpec, weights: Path, calibration: Calibration, settings: VideoSettings, note: str = ""
    ) -> None:
        check_bench(calibration, spec)
        network = cast("PGSVRT", load_network(spec.name, weights, calibration.system))
        self._calibration = calibration
        self._brightness = Brightness(calibration, settings.brightness)
        runner = Runner(network, torch.from_numpy(network_mask(calibration).copy()), settings.placing)
        self._runner: Runner | None = runner  # None once the engine was left
        self._columns = measured_columns(calibration, spec.step_px)
        self._alone = settings.frames is Frames.STILLS
        self._window = SlidingWindow(
            self._reconstruct, spec.frames, settings.hop, settings.output, frames=settings.frames
        )
        neighbours = () if self._alone else (("hop", str(settings.hop)), ("output", str(settings.output)))
        self.info = EngineInfo(
            spec.name,
            runner.describes,
            calibration.id,
            (
                ("weights", weights.name + note),
                ("frames", str(settings.frames)),
                *neighbours,
                ("device", runner.device.type),
                ("precision", str(settings.placing.precision)),
                ("tile", str(settings.placing.tile or "off")),
                ("brightness", "auto" if settings.brightness is None else f"{settings.brightness:g}"),
            ),
            window=self._window.reach,
            hop=self._window.hop,
            latency=self._window.latency,
        )

    def reconstruct(self, measurement: Measurement) -> Cube | None:
        """The cube `(C, H, W)` that is due, see `EngineInfo.latency`.

        Raises `EngineMismatchError` for a measurement of another calibration or size, or with NaN, which is not taken;
        and `EngineError` where the network fails, after which the frames so far and their cubes are forgotten.
        """
        check_measurement(measurement, self._calibration)
        return self._window.take(measurement)

    def observe(self, measurement: Measurement) -> None:
        """Take a neighbour of the measurements to come. Raises as `reconstruct`."""
        check_measurement(measurement, self._calibration)
        self._window.observe(measurement)

    def flush(self) -> list[Cube]:
        """The cubes that are still owed."""
        cubes = self._window.flush()
        self._brightness.forget()
        return cubes

    def reset(self) -> None:
        """Forget the previous measurements."""
        self._window.reset()
        self._brightness.forget()

    def _reconstruct(self, frames: Sequence[Measurement], positions: Sequence[int]) -> list[Fetch]:
        if self._runner is None:
            raise EngineError(f"this '{self.info.name}' engine was left and gave back its memory; build it again")
        if self._alone:
            self._brightness.forget()
        self._brightness.choose(frames[-1].values)
        stacked = np.stack([frame.values[:, : self._columns] for frame in frames])[None]
        cubes = self._runner.run(torch.from_numpy(stacked).float() * self._brightness.to_network)
        back = torch.from_numpy(self._brightness.from_network).to(cubes.device)
        return [partial(self._fetch, cubes[position] * back, frames[position]) for position in positions]

    def _fetch(self, values: torch.Tensor, measurement: Measurement) -> Cube:
        return Cube(
            values.cpu().numpy(),
            self._calibration.wavelengths_nm,
            self._calibration.id,
            self.info.name,
            measurement.frame_index,
            measurement.host_time_ns,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.reset()
        if self._runner is not None:
            device, self._runner = self._runner.device, None
            give_back_memory(device)
