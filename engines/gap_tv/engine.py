"""The engine `gap-tv`: no training, no weights, any calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, Measurement, sensing_model
from livecassi.engines.cube import Cube
from livecassi.engines.engine import EngineInfo
from livecassi.engines.errors import EngineError, EngineMismatchError
from livecassi.engines.gap_tv.basis import SpectralBasis, dct_basis
from livecassi.engines.gap_tv.row_pool import RowPool, usable_cores
from livecassi.engines.gap_tv.solver import Solver
from livecassi.engines.gap_tv.subspace import subspace_model

Array32 = NDArray[np.float32]

NAME = "gap-tv"
LARGEST_FRAME_GAP = 30  # frames that may lie between two measurements of one moving scene
LARGEST_MISFIT = 0.5  # of the previous cube to the new measurement; beyond it the scene was cut
MOST_THREADS = 8
RIDGE = 1e-3  # of the mean diagonal of (A B)(A B)ᵀ
AUTO_WEIGHT = 4.0  # in units of the mean brightness of the scene; chosen on training scenes


@dataclass(frozen=True, slots=True)
class GapTvSettings:
    """How gap-tv works; the registry's options have the same names and explain them."""

    iterations: int = 80
    live_iterations: int = 10
    live: bool = True
    rank: int | None = 8
    weight: float | None = None
    basis: str = "learned"
    threads: int | None = None


class GapTv:
    """Total-variation reconstruction on a spectral basis, warm-started from the previous frame.

    With `live` set (it may be changed at any time) a measurement that follows the previous one goes on from its
    cube with few iterations; any other measurement starts from nothing. The threads end with `__exit__` or `close`.
    """

    def __init__(self, calibration: Calibration, settings: GapTvSettings, learned: SpectralBasis | None = None) -> None:
        self.live = settings.live
        self._calibration = calibration
        self._settings = settings
        self._weight = AUTO_WEIGHT if settings.weight is None else settings.weight
        bands = calibration.bands
        rank = bands if settings.rank is None else min(settings.rank, bands)
        if settings.basis == "learned" and learned is not None and learned.covers(calibration.wavelengths_nm):
            basis, self.basis_name = learned.sampled(calibration.wavelengths_nm, rank), learned.name
        else:
            basis, self.basis_name = dct_basis(bands, rank), "dct"
        threads = settings.threads or min(usable_cores(), MOST_THREADS)
        self._pool = RowPool(threads)
        self._solver = Solver(subspace_model(calibration, basis, RIDGE, self._pool), calibration.cube_shape, self._pool)
        self._light = float(sensing_model(calibration).forward(np.ones(calibration.cube_shape, np.float32)).mean())
        self._previous: int | None = None
        self.info = EngineInfo(
            NAME,
            f"numba, {threads} threads",
            calibration.id,
            (
                ("iterations", str(settings.iterations)),
                ("live_iterations", str(settings.live_iterations)),
                ("live", "on" if settings.live else "off"),
                ("rank", str(rank)),
                ("weight", f"{self._weight:g}"),
                ("basis", self.basis_name),
                ("threads", str(threads)),
            ),
        )

    def reconstruct(self, measurement: Measurement) -> Cube:
        """The cube `(C, H, W)`, in the units of the measurement: ten times the light gives ten times the cube.

        Raises `EngineMismatchError` for a measurement of another calibration or size, or with NaN.
        """
        self._check(measurement)
        values = np.ascontiguousarray(measurement.values, np.float32)
        brightness = float(values.mean(dtype=np.float64)) / self._light
        if brightness <= 0:
            self.reset()
            return self._wrap(np.zeros(self._calibration.cube_shape, np.float32), measurement)
        measured = values / np.float32(brightness)
        warm = self._follows(measurement) and self._solver.misfit(measured) < LARGEST_MISFIT
        if not warm:
            self._solver.reset()
        count = self._settings.live_iterations if warm else self._settings.iterations
        self._solver.iterate(measured, count, self._weight)
        self._previous = measurement.frame_index
        return self._wrap(self._solver.cube(brightness), measurement)

    def _follows(self, measurement: Measurement) -> bool:
        if not self.live or self._previous is None:
            return False
        return 0 < measurement.frame_index - self._previous <= LARGEST_FRAME_GAP

    def _check(self, measurement: Measurement) -> None:
        expected = self._calibration
        name = expected.header.name or expected.id[:8]
        if measurement.calibration_id != expected.id:
            raise EngineMismatchError(
                f"the measurement was corrected with calibration {measurement.calibration_id[:8]}, this engine was "
                f"built for '{name}' ({expected.id[:8]}); build the engine again for the calibration in use"
            )
        if measurement.values.shape != expected.measurement_shape:
            raise EngineMismatchError(
                f"the measurement has shape {measurement.values.shape}, calibration '{name}' ({expected.system}) "
                f"expects {expected.measurement_shape}; choose the calibration of this camera and region"
            )
        if not np.isfinite(measurement.values).all():
            bad = int((~np.isfinite(measurement.values)).sum())
            raise EngineMismatchError(
                f"measurement {measurement.frame_index} holds {bad} values that are NaN or infinite, expected finite "
                "numbers; repair or leave out this frame"
            )

    def _wrap(self, values: Array32, measurement: Measurement) -> Cube:
        return Cube(
            values,
            self._calibration.wavelengths_nm,
            self._calibration.id,
            NAME,
            measurement.frame_index,
            measurement.host_time_ns,
        )

    def reset(self) -> None:
        """Forget the previous measurements: the next one stands alone."""
        self._previous = None
        self._solver.reset()

    def close(self) -> None:
        """End the threads; the engine cannot be used any more."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def build(calibration: Calibration, options: Mapping[str, object], learned: SpectralBasis | None) -> GapTv:
    """The engine from parsed options (see `livecassi.engines.gap_tv.spec`)."""
    known = set(GapTvSettings.__dataclass_fields__)
    if unknown := set(options) - known:
        raise EngineError(f"gap-tv has no option {sorted(unknown)}; its options are {sorted(known)}")
    return GapTv(calibration, GapTvSettings(**options), learned)  # type: ignore[arg-type]
