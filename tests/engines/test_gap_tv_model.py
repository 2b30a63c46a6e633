"""The compiled operators against the NumPy reference, and the denoiser against what total variation must satisfy."""

from collections.abc import Iterator

import numpy as np
import pytest
from fakes import random_bench

from livecassi.calibration import Calibration, SubSteps, System, sensing_model
from livecassi.engines import EngineError
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.gap_tv.solver import TotalVariation
from livecassi.engines.gap_tv.subspace import subspace_model

BANDS, HEIGHT, WIDTH, RANK = 6, 19, 27, 4
SHIFTS = {
    "whole": [0, 2, 4, 6, 8, 10],
    "fractional": [0, 1.3, 2.9, 4.1, 6.75, 9.2],
    "one for all": [3, 3, 3, 3, 3, 3],
}


@pytest.fixture
def pool() -> Iterator[RowPool]:
    made = RowPool(2)
    yield made
    made.close()


def make(system: System, sub_steps: SubSteps, shifts: list[float]) -> Calibration:
    return random_bench(system, sub_steps, shifts, height=HEIGHT, width=WIDTH, seed=2)


every_bench = pytest.mark.parametrize(
    ("system", "sub_steps", "shifts"),
    [
        pytest.param(system, sub_steps, shifts, id=f"{system}, {sub_steps}, {name}")
        for system in System
        for sub_steps in SubSteps
        for name, shifts in SHIFTS.items()
    ],
)


@every_bench
def test_residual_is_that_of_the_reference(
    pool: RowPool, system: System, sub_steps: SubSteps, shifts: list[float]
) -> None:
    calibration = make(system, sub_steps, shifts)
    random = np.random.default_rng(4)
    basis = random.standard_normal((BANDS, RANK)).astype(np.float32)
    z = random.standard_normal((RANK, HEIGHT, WIDTH)).astype(np.float32)
    measured = random.random(calibration.measurement_shape).astype(np.float32)
    cube = np.tensordot(basis, z, axes=1)
    expected = measured - sensing_model(calibration).forward(cube)
    found = subspace_model(calibration, basis, pool).residual(z, measured)
    np.testing.assert_allclose(found, expected, atol=2e-4)


@every_bench
def test_data_step_solves_the_ridge_problem(
    pool: RowPool, system: System, sub_steps: SubSteps, shifts: list[float]
) -> None:
    """The step must satisfy `(A B)ᵀ (y - A B z⁺) = ρ (z⁺ - z)`, the normal equations of the ridge problem."""
    calibration = make(system, sub_steps, shifts)
    random = np.random.default_rng(6)
    basis = np.linalg.qr(random.standard_normal((BANDS, RANK)))[0].astype(np.float32)
    z = random.standard_normal((RANK, HEIGHT, WIDTH)).astype(np.float32)
    measured = random.random(calibration.measurement_shape).astype(np.float32)
    model = subspace_model(calibration, basis, pool)
    model.set_ridge(0.05)
    moved = np.empty_like(z)
    model.data_step(z, measured, moved)
    reference = sensing_model(calibration)
    left = measured - reference.forward(np.tensordot(basis, moved, axes=1))
    pull = np.tensordot(basis.T, reference.adjoint(left), axes=1)
    change = moved - z
    ridge = float((pull * change).sum() / (change**2).sum())
    assert ridge > 0
    np.testing.assert_allclose(pull, ridge * change, atol=2e-4 * np.abs(pull).max() + 1e-6)


@every_bench
def test_without_ridge_the_measurement_is_explained(
    pool: RowPool, system: System, sub_steps: SubSteps, shifts: list[float]
) -> None:
    calibration = make(system, sub_steps, shifts)
    random = np.random.default_rng(8)
    basis = np.linalg.qr(random.standard_normal((BANDS, RANK)))[0].astype(np.float32)
    measured = np.ascontiguousarray(
        sensing_model(calibration).forward(
            np.tensordot(basis, random.random((RANK, HEIGHT, WIDTH)), axes=1).astype(np.float32)
        )
    )
    model = subspace_model(calibration, basis, pool)
    model.set_ridge(1e-5)
    moved = np.zeros((RANK, HEIGHT, WIDTH), np.float32)
    for _ in range(30):
        model.data_step(moved.copy(), measured, moved)
    assert np.linalg.norm(model.residual(moved, measured)) < 0.02 * np.linalg.norm(measured)


def test_a_closed_mask_is_survived(pool: RowPool) -> None:
    open_one = make(System.SD_CASSI, SubSteps.POINT, SHIFTS["fractional"])
    mask = open_one.mask.copy()
    mask[4:9] = 0
    calibration = Calibration(open_one.header, open_one.wavelengths_nm, mask, open_one.dispersion_px, open_one.response)
    model = subspace_model(calibration, np.eye(BANDS, RANK, dtype=np.float32), pool)
    model.set_ridge(1e-3)
    moved = np.empty((RANK, HEIGHT, WIDTH), np.float32)
    model.data_step(np.zeros_like(moved), np.ones(calibration.measurement_shape, np.float32), moved)
    assert np.isfinite(moved).all()
    assert not moved[:, 4:9].any()


def variation(z: np.ndarray) -> float:
    down, right = np.zeros_like(z), np.zeros_like(z)
    down[:, :-1], right[:, :, :-1] = np.diff(z, axis=1), np.diff(z, axis=2)
    return float(np.sqrt((down**2 + right**2).sum(axis=0)).sum())


def denoise(noisy: np.ndarray, weight: float, rounds: int, pool: RowPool) -> np.ndarray:
    denoiser = TotalVariation(noisy.shape, pool)
    smooth = np.empty_like(noisy)
    for _ in range(rounds):
        denoiser.advance(noisy, np.float32(weight))
    denoiser.smooth_rows(noisy, np.float32(weight), smooth, 0, noisy.shape[1])
    return smooth


@pytest.mark.parametrize("weight", [0.05, 0.6, 3.0])
def test_the_denoiser_closes_the_duality_gap(pool: RowPool, weight: float) -> None:
    """At the optimum `½|u - f|² + w TV(u)` equals `½|f|² - ½|u|²`; a dual step that oscillates never gets there."""
    noisy = np.random.default_rng(1).standard_normal((3, 21, 34)).astype(np.float32)
    smooth = denoise(noisy, weight, 1500, pool)
    primal = 0.5 * float(((smooth - noisy) ** 2).sum()) + weight * variation(smooth)
    dual = 0.5 * float((noisy**2).sum() - (smooth**2).sum())
    assert abs(primal - dual) < 2e-3 * primal


def test_the_denoiser_keeps_the_mean_and_flattens_with_a_large_weight(pool: RowPool) -> None:
    noisy = np.random.default_rng(1).standard_normal((2, 13, 22)).astype(np.float32)
    smooth = denoise(noisy, 50.0, 6000, pool)
    np.testing.assert_allclose(smooth.mean(axis=(1, 2)), noisy.mean(axis=(1, 2)), atol=1e-4)
    assert smooth.std(axis=(1, 2)).max() < 0.02


def test_every_row_is_worked_on_once() -> None:
    for threads, rows in ((1, 5), (3, 10), (4, 2), (2, 0)):
        pool = RowPool(threads)
        counts = np.zeros(rows, int)

        def count(first: int, last: int, counts: np.ndarray = counts) -> None:
            counts[first:last] += 1

        pool.run(count, rows)
        pool.close()
        assert (counts == 1).all()


def test_an_error_in_a_block_reaches_the_caller(pool: RowPool) -> None:
    def fail(first: int, last: int) -> None:
        if first > 0:
            raise EngineError("second block")

    with pytest.raises(EngineError, match="second block"):
        pool.run(fail, 8)
