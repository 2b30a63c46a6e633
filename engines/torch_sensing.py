"""The sensing models A and Aᵀ in torch: differentiable, batched, on any device; equal to the NumPy reference.

The equations are those of `livecassi.calibration.sensing`. Shifts are a gather with indices that are fixed per
calibration, so that no loop runs over bands; the taps of fractional shifts and half steps (at most 3) are looped.
"""

from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from livecassi.calibration import Calibration
from livecassi.calibration.sensing import shift_taps, shifted_mask
from livecassi.engines.errors import EngineMismatchError


class TorchSensingModel:
    """A and Aᵀ of a calibration for cubes `(..., C, H, W)` and measurements `(..., H, W')` in float32 or float64."""

    def __init__(self, calibration: Calibration, device: torch.device | str = "cpu") -> None:
        self.cube_shape = calibration.cube_shape
        self.measurement_shape = calibration.measurement_shape
        self.device = torch.device(device)
        self._single = calibration.system.single_disperser
        response = torch.from_numpy(calibration.response.copy())[:, None, None]
        if self._single:
            mask = torch.from_numpy(calibration.mask.copy()) * response
            taps = shift_taps(calibration.dispersion_px, calibration.header.sub_steps)
            self._reach = int(taps.columns.max()) + self.cube_shape[2]
            # where scene column j of band c falls, and which scene column falls on detector column n: (K, C, ...)
            place = taps.columns.T[:, :, None] + np.arange(self.cube_shape[2])
            origin = np.arange(self._reach) - taps.columns.T[:, :, None]
            outside = (origin < 0) | (origin >= self.cube_shape[2])
            self._place = torch.from_numpy(place).to(self.device)
            self._origin = torch.from_numpy(np.where(outside, self.cube_shape[2], origin)).to(self.device)
            self._weights = torch.from_numpy(np.ascontiguousarray(taps.weights.T)).to(self.device)
        else:
            mask = torch.from_numpy(shifted_mask(calibration)) * response
        self._pattern = mask.to(self.device)

    def forward(self, cube: Tensor) -> Tensor:
        """A x: the noise-free measurement `(..., H, W')`. Raises `EngineMismatchError` for another shape."""
        if cube.ndim < 3 or tuple(cube.shape[-3:]) != self.cube_shape:
            self._refuse("cube", cube, self.cube_shape)
        coded = cube * self._pattern.to(cube.dtype)
        if not self._single:
            return coded.sum(dim=-3)
        padded = torch.nn.functional.pad(coded, (0, 1))
        measured = coded.new_zeros((*coded.shape[:-3], coded.shape[-2], self._reach))
        for origin, weight in zip(self._origin, self._weights, strict=True):
            index = origin[:, None, :].expand(*padded.shape[:-1], self._reach)
            shifted = torch.gather(padded, -1, index)
            measured = measured + (weight.to(cube.dtype)[:, None, None] * shifted).sum(dim=-3)
        return measured[..., : self.measurement_shape[1]]

    def adjoint(self, measurement: Tensor) -> Tensor:
        """Aᵀ y: `(..., C, H, W)`. Raises `EngineMismatchError` for another shape."""
        if measurement.ndim < 2 or tuple(measurement.shape[-2:]) != self.measurement_shape:
            self._refuse("measurement", measurement, self.measurement_shape)
        pattern = self._pattern.to(measurement.dtype)
        if not self._single:
            return pattern * measurement.unsqueeze(-3)
        beyond = self._reach - self.measurement_shape[1]
        wide = torch.nn.functional.pad(measurement, (0, max(beyond, 0))).unsqueeze(-3)
        bands, height, width = self.cube_shape
        wide = wide.expand(*measurement.shape[:-2], bands, height, wide.shape[-1])
        cube = torch.zeros((*measurement.shape[:-2], *self.cube_shape), dtype=wide.dtype, device=wide.device)
        for place, weight in zip(self._place, self._weights, strict=True):
            index = place[:, None, :].expand(*wide.shape[:-1], width)
            cube = cube + weight.to(wide.dtype)[:, None, None] * torch.gather(wide, -1, index)
        return cube * pattern

    def _refuse(self, what: str, found: Tensor, expected: tuple[int, ...]) -> NoReturn:
        sizes = ", ".join(map(str, expected))
        raise EngineMismatchError(
            f"the {what} has shape {tuple(found.shape)}, this sensing model expects (..., {sizes}); "
            "use the calibration that belongs to it"
        )
