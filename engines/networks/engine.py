"""Engines whose cubes a network makes: a window of frames in, cubes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import numpy as np

from livecassi.calibration import Calibration, Measurement
from livecassi.engines.checks import check_measurement
from livecassi.engines.cube import Cube
from livecassi.engines.engine import EngineInfo
from livecassi.engines.errors import EngineError
from livecassi.engines.networks.inputs import Brightness, check_shown, measured_columns
from livecassi.engines.networks.passes import FetchValues, Passes
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.sliding_window import Frames, Output, SlidingWindow


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """How a video network works; the registry's options have the same names and explain them."""

    hop: int = 1
    output: Output = Output.LATEST
    frames: Frames = Frames.VIDEO
    brightness: float | None = None


class VideoEngine:
    """A network behind a sliding window of consecutive frames, which it reconstructs jointly; or of one frame.

    A frame alone is seen as its own neighbour. Cubes have the units of the measurement: ten times the light gives ten
    times the cube. `passes` belong to the engine, which closes them; `weights` is what is said of where they are from.
    """

    def __init__(
        self, spec: NetworkSpec, passes: Passes, calibration: Calibration, settings: VideoSettings, weights: str
    ) -> None:
        check_shown(calibration, spec)
        self._calibration = calibration
        self._brightness = Brightness(calibration, settings.brightness)
        self._passes: Passes | None = passes  # None once the engine was left
        self._columns = measured_columns(calibration, spec)
        self._alone = settings.frames is Frames.STILLS
        self._window = SlidingWindow[Measurement, Cube](
            self._reconstruct, spec.frames, settings.hop, settings.output, frames=settings.frames
        )
        neighbours = () if self._alone else (("hop", str(settings.hop)), ("output", str(settings.output)))
        in_time = (("frames", str(settings.frames)), *neighbours) if spec.frames > 1 else ()
        self.info = EngineInfo(
            spec.name,
            passes.describes,
            calibration.id,
            (
                ("weights", weights),
                *in_time,
                *passes.options,
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

    def _reconstruct(self, frames: Sequence[Measurement], positions: Sequence[int]) -> list[Callable[[], Cube]]:
        if self._passes is None:
            raise EngineError(f"this '{self.info.name}' engine was left and gave back its memory; build it again")
        if self._alone:
            self._brightness.forget()
        self._brightness.choose(frames[-1].values)
        stacked = np.stack([frame.values[:, : self._columns] for frame in frames])
        stacked *= np.float32(self._brightness.to_network)
        fetches = self._passes.run(stacked, positions, self._brightness.from_network)
        return [
            partial(self._fetch, fetch, frames[position]) for fetch, position in zip(fetches, positions, strict=True)
        ]

    def _fetch(self, fetch: FetchValues, measurement: Measurement) -> Cube:
        made = fetch()
        return Cube(
            made.values,
            self._calibration.wavelengths_nm,
            self._calibration.id,
            self.info.name,
            measurement.frame_index,
            measurement.host_time_ns,
            spread=made.spread,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.reset()
        passes, self._passes = self._passes, None
        if passes is not None:
            passes.close()
