"""The engine `gap-tv`: no training, no weights, any calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, Measurement, sensing_model
from livecassi.engines.checks import check_measurement
from livecassi.engines.cube import Cube
from livecassi.engines.engine import EngineInfo
from livecassi.engines.errors import EngineError
from livecassi.engines.gap_tv import plan
from livecassi.engines.gap_tv.basis import SpectralBasis, dct_basis
from livecassi.engines.gap_tv.row_pool import RowPool, usable_cores
from livecassi.engines.gap_tv.solver import Solver
from livecassi.engines.gap_tv.subspace import subspace_model

Array32 = NDArray[np.float32]

NAME = "gap-tv"
LARGEST_FRAME_GAP = 30  # frames that may lie between two measurements of one moving scene
LARGEST_MISFIT = 0.5  # of the previous cube to the new measurement; beyond it the scene was cut
MOST_THREADS = 8
LARGEST_BRIGHTENING = 1.5  # beyond it, or its inverse, the noise is another and the next frame starts from nothing


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

    With `live` set (it may be changed at any time) a measurement that follows the previous one goes on from its
    cube with few iterations; any other measurement starts from nothing. The threads end with `__exit__` or `close`.
    """

    def __init__(self, calibration: Calibration, settings: GapTvSettings, learned: SpectralBasis | None = None) -> None:
        self.live = settings.live
        self._calibration = calibration
        self._settings = settings
        bands = calibration.bands
        rank = bands if settings.rank is None else min(settings.rank, bands)
        exponent = plan.SINGLE_EXPONENT if calibration.system.single_disperser else plan.DUAL_EXPONENT
        if settings.basis == "learned" and learned is not None and learned.covers(calibration.wavelengths_nm):
            basis, self.basis_name = learned.sampled(calibration.wavelengths_nm, rank, exponent), learned.name
        else:
            basis, self.basis_name = dct_basis(bands, rank, exponent), "dct"
        threads = settings.threads or min(usable_cores(), MOST_THREADS)
        self._pool = RowPool(threads)
        self._solver = Solver(subspace_model(calibration, basis, self._pool), calibration.cube_shape, self._pool)
        self._light = float(sensing_model(calibration).forward(np.ones(calibration.cube_shape, np.float32)).mean())
        self._previous: int | None = None
        self._brightness = 0.0
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
        values = np.ascontiguousarray(measurement.values, np.float32)
        brightness = float(values.mean(dtype=np.float64)) / self._light
        if brightness <= 0:
            self.reset()
            return self._wrap(np.zeros(self._calibration.cube_shape, np.float32), measurement)
        measured = values / np.float32(brightness)
        if self._follows(measurement, brightness) and self._solver.misfit(measured) < LARGEST_MISFIT:
            self._solver.iterate(measured, plan.live_weights(self._settings.live_iterations, self._settings.weight))
        else:
            self._start(measured)
            self._brightness = brightness
        self._previous = measurement.frame_index
        return self._wrap(self._solver.cube(brightness), measurement)

    def _start(self, measured: Array32) -> None:
        """From nothing: half the iterations with much room for noise, then with the noise that they revealed.

        With a dual disperser neighbouring pixels share no light, noise hardly spreads and one ridge suits all.
        """
        solver, settings = self._solver, self._settings
        single = self._calibration.system.single_disperser
        weights = plan.cold_weights(settings.iterations, settings.weight)
        solver.reset()
        if settings.noise is not None or not single or len(weights) < plan.FEWEST_FOR_NOISE:
            known = settings.noise is not None and single
            solver.model.set_ridge(plan.ridge_for(settings.noise or 0.0) if known else plan.FIRST_RIDGE)
            solver.iterate(measured, weights)
            return
        quarter, half = len(weights) // 4, len(weights) // 2
        solver.model.set_ridge(plan.FIRST_RIDGE)
        solver.iterate(measured, weights[:quarter])
        early = solver.misfit(measured)
        solver.iterate(measured, weights[quarter:half])
        solver.model.set_ridge(plan.ridge_for(plan.noise_behind(early, solver.misfit(measured))))
        solver.iterate(measured, weights[half:])

    def _follows(self, measurement: Measurement, brightness: float) -> bool:
        if not self.live or self._previous is None:
            return False
        change = brightness / self._brightness
        near = 1 / LARGEST_BRIGHTENING <= change <= LARGEST_BRIGHTENING
        return near and 0 < measurement.frame_index - self._previous <= LARGEST_FRAME_GAP

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
