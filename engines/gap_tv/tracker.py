"""From frame to frame: when the iteration goes on from where it stands, and when it starts from nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, sensing_model
from livecassi.engines.gap_tv import plan
from livecassi.engines.gap_tv.solver import Solver

Array32 = NDArray[np.float32]

LARGEST_FRAME_GAP = 30  # frames that may lie between two measurements of one moving scene
LARGEST_MISFIT = 0.5  # of the previous cube to the new measurement; beyond it the scene was cut
LARGEST_BRIGHTENING = 1.5  # beyond it, or its inverse, the noise is another and the next frame starts from nothing


@dataclass(frozen=True, slots=True)
class Pace:
    """How many iterations a measurement gets that stands alone, and one that follows another; how strongly they smooth.

    `noise` is relative to the measurement, None where a cold start is to find it out.
    """

    iterations: int
    live_iterations: int
    weight: float = 1.0
    noise: float | None = None


class Tracker:
    """Brings a solver to one measurement after another.

    With `live` set a measurement that follows the previous one goes on from its coefficients with few iterations; any
    other measurement starts from nothing. `light` is the mean measurement of a white scene of brightness 1.
    """

    def __init__(self, calibration: Calibration, solver: Solver, pace: Pace, live: bool = True) -> None:
        self.solver = solver
        self._live = live
        self._single = calibration.system.single_disperser
        self._pace = pace
        white = sensing_model(calibration).forward(np.ones(calibration.cube_shape, np.float32))
        self.light = float(white.mean()) or 1.0  # 1 for a bench that lets nothing through
        self._previous: int | None = None
        self._brightness = 0.0

    def follow(self, values: Array32, frame_index: int) -> tuple[Array32, float]:
        """Iterate for a measurement `(H, W')`: it, divided by the scene's mean brightness, and that brightness.

        The solver's coefficients are those of a scene of brightness 1. For a dark measurement they are zero.
        """
        values = np.ascontiguousarray(values, np.float32)
        brightness = float(values.mean(dtype=np.float64)) / self.light
        if brightness <= 0:
            self.reset()
            return np.zeros_like(values), 0.0
        measured: Array32 = values / np.float32(brightness)
        if self._follows(frame_index, brightness) and self.solver.misfit(measured) < LARGEST_MISFIT:
            self.solver.iterate(measured, plan.live_weights(self._pace.live_iterations, self._pace.weight))
        else:
            self._start(measured)
            self._brightness = brightness
        self._previous = frame_index
        return measured, brightness

    def reset(self) -> None:
        """Forget the previous measurements: the next one stands alone."""
        self._previous = None
        self.solver.reset()

    def _start(self, measured: Array32) -> None:
        """From nothing: half the iterations with much room for noise, then with the noise that they revealed.

        With a dual disperser neighbouring pixels share no light, noise hardly spreads and one ridge suits all.
        """
        solver, noise = self.solver, self._pace.noise
        weights = plan.cold_weights(self._pace.iterations, self._pace.weight)
        solver.reset()
        if noise is not None or not self._single or len(weights) < plan.FEWEST_FOR_NOISE:
            known = noise is not None and self._single
            solver.model.set_ridge(plan.ridge_for(noise or 0.0) if known else plan.FIRST_RIDGE)
            solver.iterate(measured, weights)
            return
        quarter, half = len(weights) // 4, len(weights) // 2
        solver.model.set_ridge(plan.FIRST_RIDGE)
        solver.iterate(measured, weights[:quarter])
        early = solver.misfit(measured)
        solver.iterate(measured, weights[quarter:half])
        solver.model.set_ridge(plan.ridge_for(plan.noise_behind(early, solver.misfit(measured))))
        solver.iterate(measured, weights[half:])

    def _follows(self, frame_index: int, brightness: float) -> bool:
        if not self._live or self._previous is None:
            return False
        near = 1 / LARGEST_BRIGHTENING <= brightness / self._brightness <= LARGEST_BRIGHTENING
        return near and 0 < frame_index - self._previous <= LARGEST_FRAME_GAP
