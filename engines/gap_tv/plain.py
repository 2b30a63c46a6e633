"""Plain GAP-TV in NumPy, as the literature writes it: the yardstick of the benchmark, not an engine.

Cosine basis of 5 curves, λ = 0.3 for scenes in [0, 1], vectorial total variation by Chambolle's iteration with
τ = 0.125 and 5 inner steps that go on from the last dual field, accelerated data step `y₁ += y - A x`,
`x += Aᵀ((y₁ - A x) / A(Aᵀ1))` (Liao, Li and Carin 2014; Yuan, ICIP 2016).
"""

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, sensing_model

Array32 = NDArray[np.float32]

RANK = 5
WEIGHT = 0.3
INNER_STEPS = 5
STEP = 0.125


def plain_gap_tv(calibration: Calibration, measured: Array32, iterations: int = 80) -> Array32:
    """The cube `(C, H, W)` of a measurement `(H, W')`, every iteration spelled out."""
    model = sensing_model(calibration)
    bands, height, width = calibration.cube_shape
    c, k = np.arange(bands)[:, None], np.arange(min(RANK, bands))
    basis = np.cos(np.pi * (c + 0.5) * k / bands).astype(np.float32)
    basis /= np.linalg.norm(basis, axis=0)
    reach = model.forward(model.adjoint(np.ones(calibration.measurement_shape, np.float32)))
    reach[reach <= 0] = 1.0
    z = np.zeros((basis.shape[1], height, width), np.float32)
    dual = np.zeros((2, *z.shape), np.float32)
    target = np.zeros_like(measured)
    for _ in range(iterations):
        cube = np.tensordot(basis, z, axes=1)
        seen = model.forward(cube)
        target += measured - seen
        cube += model.adjoint((target - seen) / reach)
        z, dual = _denoised(np.tensordot(basis.T, cube, axes=1), dual)
    values: Array32 = np.tensordot(basis, z, axes=1)
    return values


def _denoised(noisy: Array32, dual: Array32) -> tuple[Array32, Array32]:
    for _ in range(INNER_STEPS):
        slope = _gradient(_divergence(dual) - noisy / WEIGHT)
        dual = (dual + STEP * slope) / (1 + STEP * np.sqrt((slope**2).sum(axis=(0, 1))))
    return noisy - WEIGHT * _divergence(dual), dual


def _gradient(picture: Array32) -> Array32:
    slope = np.zeros((2, *picture.shape), np.float32)
    slope[0, :, :-1] = np.diff(picture, axis=1)
    slope[1, :, :, :-1] = np.diff(picture, axis=2)
    return slope


def _divergence(dual: Array32) -> Array32:
    total: Array32 = dual[0] + dual[1]
    total[:, 1:] -= dual[0, :, :-1]
    total[:, :, 1:] -= dual[1, :, :, :-1]
    return total
