"""The engine `live`: a few iterations of total variation from frame to frame, mended by a small network on the CPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, Measurement
from livecassi.engines.checks import check_measurement
from livecassi.engines.cube import Cube
from livecassi.engines.engine import EngineInfo
from livecassi.engines.errors import WeightsError
from livecassi.engines.gap_tv import kernels
from livecassi.engines.gap_tv.engine import MOST_THREADS
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.gap_tv.tracker import Pace
from livecassi.engines.networks.live.curves import CURVES, Curves
from livecassi.engines.networks.live.graph import LiveGraph
from livecassi.engines.networks.live.start import GRID, PACE, Start, feature_count
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.processor import usable_cores
from livecassi.engines.weights import load_arrays

Array32 = NDArray[np.float32]

NAME = "live"


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How the engine works; the registry's options have the same names and explain them."""

    iterations: int = PACE.iterations
    live_iterations: int = PACE.live_iterations
    live: bool = True
    precision: Precision = Precision.BF16
    threads: int | None = None
    runtime: RuntimeName | None = None


class LiveEngine:
    """Total variation carried from frame to frame, and one pass of the live network for each.

    Cubes have the units of the measurement. `note` is said beside the name of the weights; what a runtime makes of the
    network is kept in `kept`.
    """

    def __init__(
        self,
        weights: Path,
        calibration: Calibration,
        settings: LiveSettings,
        note: str = "",
        kept: ArtefactCache | None = None,
    ) -> None:
        _, tensors = load_arrays(weights)
        curves, network = _split(tensors, weights)
        _, height, width = calibration.cube_shape
        self._known = len(curves.spread)  # coefficients of the start; the network adds the others
        threads = settings.threads or min(usable_cores(), MOST_THREADS)
        padded = -(-height // GRID) * GRID, -(-width // GRID) * GRID
        self._calibration = calibration
        self._margins = padded[0] - height, padded[1] - width
        shape = feature_count(self._known), *padded
        self._graph = LiveGraph(network, shape, settings.precision, threads, settings.runtime, kept)
        self._pool = RowPool(threads)
        pace = Pace(settings.iterations, settings.live_iterations)
        inside = self._graph.features[:, :height, :width]
        self._start = Start(calibration, curves, self._pool, pace, settings.live, inside)
        self._unit = curves.at(calibration.wavelengths_nm)
        self._coefficients = np.zeros((curves.unit.shape[1], height, width), np.float32)
        self.info = EngineInfo(
            NAME,
            self._graph.runtime.describes,
            calibration.id,
            (
                ("weights", weights.name + note),
                ("iterations", str(settings.iterations)),
                ("live_iterations", str(settings.live_iterations)),
                ("live", "on" if settings.live else "off"),
                ("runtime", str(self._graph.runtime.name)),
                ("precision", str(self._graph.runtime.precision)),
                ("threads", str(threads)),
            ),
        )

    def reconstruct(self, measurement: Measurement) -> Cube:
        """The cube `(C, H, W)`. Raises `EngineMismatchError` for another calibration or size, or with NaN."""
        check_measurement(measurement, self._calibration)
        started = self._start.follow(measurement.values, measurement.frame_index)
        if started.brightness > 0:
            self._mend(started.features)
        else:
            self._coefficients[:] = 0
        return Cube(
            self._cube(started.brightness),
            self._calibration.wavelengths_nm,
            self._calibration.id,
            NAME,
            measurement.frame_index,
            measurement.host_time_ns,
        )

    def _mend(self, start: Array32) -> None:
        """The start's coefficients and the network's corrections of them."""
        _, height, width = start.shape
        below, beside = self._margins
        if below:
            self._graph.features[:, height:, :width] = start[:, -1:]
        if beside:
            self._graph.features[:, :, width:] = self._graph.features[:, :, width - 1 : width]
        corrections = self._graph.run()[:, :height, :width]
        known = self._known
        np.add(start[:known], corrections[:known], out=self._coefficients[:known])
        self._coefficients[known:] = corrections[known:]

    def _cube(self, brightness: float) -> Array32:
        values = np.empty(self._calibration.cube_shape, np.float32)
        basis = np.ascontiguousarray(self._unit * np.float32(brightness))
        self._pool.run(
            lambda first, last: kernels.synthesise_rows(self._coefficients, basis, values, first, last),
            values.shape[1],
        )
        return values

    def observe(self, measurement: Measurement) -> None:
        """A cube that nobody wants is not made; the next one starts from the last that was."""

    def flush(self) -> list[Cube]:
        """No cube is ever owed."""
        self.reset()
        return []

    def reset(self) -> None:
        """Forget the previous measurements: the next one stands alone."""
        self._start.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()
        self._graph.close()


def _split(tensors: Mapping[str, Array32], where: Path) -> tuple[Curves, dict[str, Array32]]:
    """The curves among the tensors, and those of the network."""
    if absent := [name for name in CURVES if name not in tensors]:
        raise WeightsError(f"{where} holds no tensor '{absent[0]}'; it is no file of weights of the live network")
    curves = Curves(*(tensors[name] for name in CURVES))
    network = {name: values for name, values in tensors.items() if name not in CURVES}
    length, rank = curves.unit.shape if curves.unit.ndim == 2 else (0, 0)
    scales = network.get("result_scale", np.ones(rank, np.float32))  # where it is absent the graph says so
    agree = curves.wavelengths_nm.shape == (length,) and scales.shape == (rank,) and curves.spread.ndim == 1
    if not agree or not 0 < len(curves.spread) <= rank:
        raise WeightsError(
            f"the curves in {where} have shape {curves.unit.shape}, which does not suit {curves.wavelengths_nm.size} "
            f"wavelengths, {curves.spread.size} spreads and {scales.size} result scales; choose other weights, see "
            "'livecassi weights list'"
        )
    return curves, network
