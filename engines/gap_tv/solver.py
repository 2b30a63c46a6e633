"""The iteration: exact data steps and total-variation steps that pull on each other until they agree.

Minimises `½ |y - A B z|² / ρ + λ TV(z)` over coefficients by the alternating direction method (ADMM), the accelerated
relative of generalised alternating projection (Yuan, ICIP 2016; Liao, Li and Carin 2014). TV is vectorial: one edge
for all coefficients of a pixel. Its dual field is kept from one iteration to the next, so that two inner steps suffice.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.gap_tv import kernels
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.gap_tv.subspace import SubspaceModel

Array32 = NDArray[np.float32]

DUAL_STEP = np.float32(0.125)  # 1/8 is the proven bound of Chambolle's iteration; larger ones oscillate
INNER_STEPS = 2
RELAXATION = np.float32(1.7)  # over-relaxation of ADMM, below 2


class TotalVariation:
    """The denoiser `argmin_u ½ |u - f|² + weight TV(u)`, nearly: a few dual steps from where it last stood."""

    def __init__(self, shape: tuple[int, int, int], pool: RowPool) -> None:
        self._pool = pool
        self._height = shape[1]
        self._dual = np.zeros((2, *shape), np.float32)
        self._next = np.zeros((2, *shape), np.float32)

    def reset(self) -> None:
        """Forget the dual field."""
        self._dual[:] = 0
        self._next[:] = 0

    def advance(self, noisy: Array32, weight: np.float32) -> None:
        """Bring the dual field nearer to that of `noisy (r, H, W)`."""
        for _ in range(INNER_STEPS):
            self._pool.run(partial(self._step, noisy, weight), self._height)
            self._dual, self._next = self._next, self._dual

    def _step(self, noisy: Array32, weight: np.float32, first: int, last: int) -> None:
        kernels.tv_dual_rows(noisy, self._dual, self._next, weight, DUAL_STEP, first, last)

    def smooth_rows(self, noisy: Array32, weight: np.float32, smooth: Array32, first: int, last: int) -> None:
        """Write the denoised rows [first, last) into `smooth`."""
        kernels.tv_primal_rows(noisy, self._dual, weight, smooth, first, last)


class Solver:
    """Holds the coefficients and the multipliers, so that the next frame can go on from the last one."""

    def __init__(self, model: SubspaceModel, cube_shape: tuple[int, int, int], pool: RowPool) -> None:
        self.model = model
        _, height, width = cube_shape
        self._pool = pool
        self._cube_shape = cube_shape
        shape = (model.basis.shape[1], height, width)
        self.z = np.zeros(shape, np.float32)
        self._multiplier = np.zeros(shape, np.float32)
        self._pulled = np.zeros(shape, np.float32)
        self._moved = np.zeros(shape, np.float32)
        self._variation = TotalVariation(shape, pool)

    def reset(self) -> None:
        """Start from nothing."""
        self.z[:] = 0
        self._multiplier[:] = 0
        self._pulled[:] = 0
        self._variation.reset()

    def misfit(self, measured: Array32) -> float:
        """`|y - A B z| / |y|` of the present coefficients; 1 for those of nothing."""
        size = float(np.linalg.norm(measured))
        return float(np.linalg.norm(self.model.residual(self.z, measured))) / size if size > 0 else 0.0

    def iterate(self, measured: Array32, weights: Iterable[float]) -> None:
        """Improve `z` for a measurement `(H, W')` whose scene has a brightness of about 1: once per TV weight."""
        height = self.z.shape[1]
        for weight in map(np.float32, weights):
            self.model.data_step(self._pulled, measured, self._moved)
            self._pool.run(self._relax, height)
            self._variation.advance(self._moved, weight)
            self._pool.run(partial(self._settle, weight), height)

    def _relax(self, first: int, last: int) -> None:
        kernels.relax_rows(self._moved, self.z, self._multiplier, RELAXATION, first, last)

    def _settle(self, weight: np.float32, first: int, last: int) -> None:
        self._variation.smooth_rows(self._moved, weight, self.z, first, last)
        kernels.settle_rows(self._moved, self.z, self._multiplier, self._pulled, first, last)

    def cube(self, scale: float) -> Array32:
        """`scale · B z`, a new array `(C, H, W)`."""
        values = np.empty(self._cube_shape, np.float32)
        basis = np.ascontiguousarray(self.model.basis * np.float32(scale))
        self._pool.run(
            lambda first, last: kernels.synthesise_rows(self.z, basis, values, first, last), self._cube_shape[1]
        )
        return values
