import numpy as np
import pytest
import torch
from fakes import random_bench

from livecassi.calibration import Calibration, SubSteps, System, sensing_model
from livecassi.engines import EngineMismatchError
from livecassi.engines.torch_sensing import TorchSensingModel

HEIGHT, WIDTH = 13, 23
SHIFTS = {"whole": [0, 2, 4, 6, 8], "fractional": [0.4, 1.7, 2.0, 5.25, 7.9]}


def make(system: System, sub_steps: SubSteps, shifts: list[float]) -> Calibration:
    return random_bench(system, sub_steps, shifts, height=HEIGHT, width=WIDTH, seed=9)


every_bench = pytest.mark.parametrize(
    "calibration",
    [
        pytest.param(make(system, sub_steps, shifts), id=f"{system}, {sub_steps}, {name}")
        for system in System
        for sub_steps in SubSteps
        for name, shifts in SHIFTS.items()
    ],
)


@every_bench
def test_both_directions_equal_the_reference(calibration: Calibration) -> None:
    random = np.random.default_rng(1)
    cubes = random.random((2, 3, *calibration.cube_shape)).astype(np.float32)
    frames = random.random((2, 3, *calibration.measurement_shape)).astype(np.float32)
    reference, twin = sensing_model(calibration), TorchSensingModel(calibration, "cpu")
    measured, spread = twin.forward(torch.from_numpy(cubes)), twin.adjoint(torch.from_numpy(frames))
    assert measured.shape == frames.shape
    assert spread.shape == cubes.shape
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(measured[i].numpy(), reference.forward(cubes[i]), atol=1e-5)
        np.testing.assert_allclose(spread[i].numpy(), reference.adjoint(frames[i]), atol=1e-6)


@every_bench
def test_dot(calibration: Calibration) -> None:
    generator = torch.Generator().manual_seed(3)
    twin = TorchSensingModel(calibration)
    cube = torch.randn(calibration.cube_shape, generator=generator, dtype=torch.float64)
    frame = torch.randn(calibration.measurement_shape, generator=generator, dtype=torch.float64)
    left, right = (twin.forward(cube) * frame).sum(), (cube * twin.adjoint(frame)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-10)


@every_bench
def test_gradient_of_the_forward_model_is_the_adjoint(calibration: Calibration) -> None:
    generator = torch.Generator().manual_seed(4)
    twin = TorchSensingModel(calibration)
    cube = torch.randn(calibration.cube_shape, generator=generator, dtype=torch.float64, requires_grad=True)
    frame = torch.randn(calibration.measurement_shape, generator=generator, dtype=torch.float64)
    (twin.forward(cube) * frame).sum().backward()
    assert cube.grad is not None
    torch.testing.assert_close(cube.grad, twin.adjoint(frame))


@pytest.mark.parametrize("shape", [(5, 13, 22), (13, 23), (1, 4, 13, 23)])
def test_another_cube_is_refused(shape: tuple[int, ...]) -> None:
    twin = TorchSensingModel(make(System.SD_CASSI, SubSteps.POINT, SHIFTS["whole"]))
    with pytest.raises(EngineMismatchError, match=r"cube has shape .*expects \(\.\.\., 5, 13, 23\)"):
        twin.forward(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(13, 23), (31,)])
def test_another_measurement_is_refused(shape: tuple[int, ...]) -> None:
    twin = TorchSensingModel(make(System.SD_CASSI, SubSteps.POINT, SHIFTS["whole"]))
    with pytest.raises(EngineMismatchError, match=r"measurement has shape .*expects \(\.\.\., 13, 31\)"):
        twin.adjoint(torch.zeros(shape))
