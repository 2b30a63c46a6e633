"""The torch sensing models on a GPU equal the NumPy reference."""

import numpy as np
import pytest
import torch
from fakes import small_calibration

from livecassi.calibration import System, sensing_model
from livecassi.engines.torch_sensing import TorchSensingModel

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


@pytest.mark.parametrize("system", list(System))
def test_both_directions_equal_the_reference_on_cuda(system: System) -> None:
    calibration = small_calibration(system)
    random = np.random.default_rng(1)
    cubes = random.random((2, *calibration.cube_shape), dtype=np.float32)
    frames = random.random((2, *calibration.measurement_shape), dtype=np.float32)
    reference, twin = sensing_model(calibration), TorchSensingModel(calibration, "cuda")
    measured = twin.forward(torch.from_numpy(cubes).cuda()).cpu().numpy()
    spread = twin.adjoint(torch.from_numpy(frames).cuda()).cpu().numpy()
    for i in range(2):
        np.testing.assert_allclose(measured[i], reference.forward(cubes[i]), atol=1e-5)
        np.testing.assert_allclose(spread[i], reference.adjoint(frames[i]), atol=1e-6)
