"""The engine `gap-tv`: no training, no weights, any calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, Measurement
from livecassi.engines.checks import check_measurement
from livecassi.engines.cube import Cube
from livecassi.engines.engine import EngineInfo
from livecassi.engines.errors import EngineError
from livecassi.engines.gap_tv import plan
from livecassi.engines.gap_tv.basis import SpectralBasis, dct_basis
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.gap_tv.solver import Solver
from livecassi.engines.gap_tv.subspace import subspace_model
from livecassi.engines.gap_tv.tracker import Pace, Tracker
from livecassi.engines.runtimes.processor import usable_cores

Array32 = NDArray[np.float32]

NAME = "gap-tv"
MOST_THREADS = 8


@dataclass(frozen=True, slots=True)
class GapTvSettings:
    """How gap-tv works; the registry's options have the same names and explain them."""

    iterations: int = 80
    live_iterations: int = 10
    live: bool = True
    rank: int | None = 8
    weight: float = 1.0
    noise: float | None = None
    basis: str = "learned"
    threads: int | None = None


class GapTv:
    """Total-variation reconstruction on a spectral basis, warm-started from the previous frame.

    With `live` set a measurement that follows the previous one goes on from its cube with few iterations; any other
    measurement starts from nothing. The threads end with `__exit__` or `close`.
    """

    def __init__(self, calibration: Calibration, settings: GapTvSettings, learned: SpectralBasis | None = None) -> None:
        self._calibration = calibration
        bands = calibration.bands
        rank = bands if settings.rank is None else min(settings.rank, bands)
        exponent = plan.SINGLE_EXPONENT if calibration.system.single_disperser else plan.DUAL_EXPONENT
        if settings.basis == "learned" and learned is not None and learned.covers(calibration.wavelengths_nm):
            basis, self.basis_name = learned.sampled(calibration.wavelengths_nm, rank, exponent), learned.name
        else:
            basis, self.basis_name = dct_basis(bands, rank, exponent), "dct"
        threads = settings.threads or min(usable_cores(), MOST_THREADS)
        self._pool = RowPool(threads)
        solver = Solver(subspace_model(calibration, basis, self._pool), calibration.cube_shape, self._pool)
        pace = Pace(settings.iterations, settings.live_iterations, settings.weight, settings.noise)
        self._tracker = Tracker(calibration, solver, pace, settings.live)
        self.info = EngineInfo(
            NAME,
            f"numba, {threads} threads",
            calibration.id,
            (
                ("iterations", str(settings.iterations)),
                ("live_iterations", str(settings.live_iterations)),
                ("live", "on" if settings.live else "off"),
                ("rank", str(rank)),
                ("weight", f"{settings.weight:g}"),
                ("noise", "auto" if settings.noise is None else f"{settings.noise:g}"),
                ("basis", self.basis_name),
                ("threads", str(threads)),
            ),
        )

    def reconstruct(self, measurement: Measurement) -> Cube:
        """The cube `(C, H, W)`, in the units of the measurement: ten times the light gives ten times the cube.

        Raises `EngineMismatchError` for a measurement of another calibration or size, or with NaN.
        """
        check_measurement(measurement, self._calibration)
        _, brightness = self._tracker.follow(measurement.values, measurement.frame_index)
        return self._wrap(self._tracker.solver.cube(brightness), measurement)

    def _wrap(self, values: Array32, measurement: Measurement) -> Cube:
        return Cube(
            values,
            self._calibration.wavelengths_nm,
            self._calibration.id,
            NAME,
            measurement.frame_index,
            measurement.host_time_ns,
        )

    def observe(self, measurement: Measurement) -> None:
        """A cube that nobody wants is not made; the next one starts from the last that was."""

    def flush(self) -> list[Cube]:
        """No cube is ever owed."""
        self.reset()
        return []

    def reset(self) -> None:
        """Forget the previous measurements: the next one stands alone."""
        self._tracker.reset()

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
