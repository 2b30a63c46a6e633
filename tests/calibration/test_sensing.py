"""One conformance suite over every sensing model, and parity with the reference measurements."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.calibration import Calibration, CalibrationHeader, SubSteps, System, sensing_model

Array32 = NDArray[np.float32]
SHAPES = [(3, 37, 31), (1, 5, 9), (6, 11, 40)]
SHIFTS = {
    "whole": lambda bands: 2.0 * np.arange(bands),
    "fractional": lambda bands: 0.3 + 1.37 * np.arange(bands) + 0.05 * np.arange(bands) ** 2,
    "none": np.zeros,
}
CASES = list(product(System, SubSteps, SHIFTS, SHAPES))


def bench(
    system: System, sub_steps: SubSteps, shifts: NDArray[np.float64], height: int, width: int, seed: int = 1
) -> Calibration:
    rng = np.random.default_rng(seed)
    extra = 0 if system.single_disperser else int(np.ceil(shifts.max()))
    bands = len(shifts)
    return Calibration(
        CalibrationHeader(system=system, sub_steps=sub_steps),
        np.linspace(450, 650, bands + 1, dtype=np.float32)[:bands],
        rng.random((height, width + extra), dtype=np.float32),
        shifts.astype(np.float32),
        rng.uniform(0.2, 1.0, bands).astype(np.float32),
    )


@pytest.mark.parametrize(("system", "sub_steps", "shifts", "shape"), CASES)
def test_adjoint_passes_the_dot_test(system: System, sub_steps: SubSteps, shifts: str, shape: tuple[int, ...]) -> None:
    bands, height, width = shape
    model = sensing_model(bench(system, sub_steps, SHIFTS[shifts](bands), height, width))
    rng = np.random.default_rng(7)
    x = rng.standard_normal(model.cube_shape).astype(np.float32)
    r = rng.standard_normal(model.measurement_shape).astype(np.float32)
    forward, adjoint = model.forward(x), model.adjoint(r)
    assert model.cube_shape == adjoint.shape == shape
    assert forward.shape == model.measurement_shape
    assert (forward.dtype, adjoint.dtype) == (np.float32, np.float32)
    left = np.vdot(forward.astype(np.float64), r)
    right = np.vdot(x.astype(np.float64), adjoint)
    scale = np.linalg.norm(forward) * np.linalg.norm(r)
    assert abs(left - right) <= 1e-6 * scale
    assert scale > 0


@pytest.mark.parametrize(("system", "shifts", "shape"), list(product(System, SHIFTS, SHAPES)))
def test_point_model_is_the_written_equation(system: System, shifts: str, shape: tuple[int, ...]) -> None:
    """Light of one pixel lands where the equation says, split between neighbours by the fraction of the shift."""
    bands, height, width = shape
    calibration = bench(system, SubSteps.POINT, SHIFTS[shifts](bands), height, width)
    model = sensing_model(calibration)
    band, row, column = bands - 1, height - 2, width // 2
    cube = np.zeros(shape, np.float32)
    cube[band, row, column] = 2.0
    shift = float(calibration.dispersion_px[band])
    whole, part = int(np.floor(shift)), shift - np.floor(shift)
    expected = np.zeros(model.measurement_shape)
    light = 2.0 * calibration.response[band]
    mask = np.pad(calibration.mask, ((0, 0), (0, 2)))
    if system.single_disperser:
        for offset, weight in ((0, 1 - part), (1, part)):
            if weight > 1e-6:
                expected[row, column + whole + offset] += light * mask[row, column] * weight
    else:
        seen = (1 - part) * mask[row, column + whole] + part * mask[row, column + whole + 1]
        expected[row, column] = light * seen
    np.testing.assert_allclose(model.forward(cube), expected, atol=1e-6)


@pytest.mark.parametrize("system", System)
def test_a_at_is_diagonal_for_whole_shifts(system: System) -> None:
    calibration = bench(system, SubSteps.POINT, 2.0 * np.arange(4), 7, 13)
    model = sensing_model(calibration)
    rng = np.random.default_rng(3)
    weight = model.forward(model.adjoint(np.ones(model.measurement_shape, np.float32)))
    r = rng.standard_normal(model.measurement_shape).astype(np.float32)
    np.testing.assert_allclose(model.forward(model.adjoint(r)), weight * r, atol=1e-5)
    if system.single_disperser:
        squares = np.zeros(model.measurement_shape)
        for gain, shift in zip(calibration.response, (0, 2, 4, 6), strict=True):
            squares[:, shift : shift + 13] += (gain * calibration.mask) ** 2
        np.testing.assert_allclose(weight, squares, atol=1e-5)


@pytest.mark.parametrize("system", System)
def test_the_operator_is_a_plain_sum_without_hidden_scale(system: System) -> None:
    calibration = bench(system, SubSteps.POINT, np.zeros(5), 6, 9)
    cube = np.random.default_rng(4).random((5, 6, 9), dtype=np.float32)
    expected = (cube * calibration.mask * calibration.response[:, None, None]).sum(axis=0)
    np.testing.assert_allclose(sensing_model(calibration).forward(cube), expected, atol=1e-5)


def test_two_halves_is_the_mean_of_two_points_inside_the_detector() -> None:
    shifts = np.array([0.0, 1.4, 3.2])
    halves = sensing_model(bench(System.SD_CASSI, SubSteps.TWO_HALVES, shifts, 5, 12))
    here = sensing_model(bench(System.SD_CASSI, SubSteps.POINT, shifts, 5, 12))
    further = sensing_model(bench(System.SD_CASSI, SubSteps.POINT, shifts + 1, 5, 12))
    cube = np.random.default_rng(5).random((3, 5, 12), dtype=np.float32)
    mean = (here.forward(cube) + further.forward(cube)[:, :16]) / 2
    np.testing.assert_allclose(halves.forward(cube), mean, atol=1e-6)


def test_two_halves_of_fractional_shifts_on_two_dispersers() -> None:
    """Half of what the mask shows at s, half of it at s + 1; at the last column the second half at s + 2 (3.2)."""
    shifts = np.array([0.0, 1.4, 3.2])
    calibration = bench(System.DD_CASSI, SubSteps.TWO_HALVES, shifts, 5, 12)
    columns = np.arange(12.0)
    later = np.append(columns[1:], 13.0)
    known = np.arange(calibration.mask.shape[1])
    model = sensing_model(calibration)
    for band, shift in enumerate(shifts):
        seen = np.array(
            [
                (np.interp(columns + shift, known, row, right=0) + _beyond(later + shift, known, row)) / 2
                for row in calibration.mask.astype(np.float64)
            ]
        )
        cube = np.zeros(model.cube_shape, np.float32)
        cube[band] = 1
        np.testing.assert_allclose(model.forward(cube), calibration.response[band] * seen, atol=1e-6)


def _beyond(places: NDArray[np.float64], known: NDArray[np.int64], row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation where the mask goes on with zeros."""
    return np.interp(places, np.append(known, [known[-1] + 1, known[-1] + 9]), np.append(row, [0, 0]))


def dynaspec(system: System, mask: NDArray[np.uint8]) -> Calibration:
    header = CalibrationHeader(system=system, sub_steps=SubSteps.TWO_HALVES)
    bands = np.arange(30, dtype=np.float32)
    return Calibration(header, 410 + 10 * bands, mask.astype(np.float32), 2 * bands, np.ones(30, np.float32))


@pytest.mark.parametrize(
    ("system", "name"),
    [(System.DD_CASSI, "dd"), (System.NDSSI, "ndssi"), (System.SD_CASSI, "sd"), (System.PMVIS, "pmvis")],
)
def test_parity_with_small_reference_measurements(shared: Path, system: System, name: str) -> None:
    golden = np.load(shared / "golden" / "sensing" / "small48.npz")
    model = sensing_model(dynaspec(system, golden[f"mask_{name}"]))
    for cube, expected in zip(golden["cube"], golden[f"meas_{name}"], strict=True):
        np.testing.assert_allclose(model.forward(cube), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("system", "name"), [(System.DD_CASSI, "dd"), (System.NDSSI, "ndssi"), (System.PMVIS, "pmvis")]
)
def test_parity_with_full_size_reference_measurements(shared: Path, system: System, name: str) -> None:
    golden = np.load(shared / "golden" / "sensing" / "full256.npz")
    c, y, x = np.ogrid[:30, :256, :256]
    cube = (((7919 * c + 10473 * y + 12997 * x) % 1009) / 1009).astype(np.float32)
    model = sensing_model(dynaspec(system, golden[f"mask_{name}"]))
    np.testing.assert_allclose(model.forward(cube), golden[f"meas_{name}"][0], rtol=0, atol=1e-5)
