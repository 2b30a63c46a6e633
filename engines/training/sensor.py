"""What a sensor adds to a measurement: photon noise, read noise and steps."""

from typing import Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor


class SensorNoise(BaseModel):
    """The cameras that training meets. Ranges are (least, most).

    `electrons` at the brightest pixel, log-uniform; `read_noise` electrons, standard deviation; `bits` of the
    digitiser; `filled`: which part of its range the brightest pixel fills; `noise_free_share` of the measurements stay
    as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    electrons: tuple[float, float] = (3_000.0, 50_000.0)
    read_noise: tuple[float, float] = (1.0, 6.0)
    bits: int = Field(default=12, ge=1, le=24)
    filled: tuple[float, float] = (0.5, 1.0)
    noise_free_share: float = Field(default=0.35, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, least in (("electrons", 1.0), ("read_noise", 0.0), ("filled", 0.01)):
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ValueError(f"{name} is ({low:g}, {high:g}), expected (least, most) from {least:g} upwards")
        if self.filled[1] > 1:
            raise ValueError(f"filled reaches {self.filled[1]:g}, expected at most 1")
        return self


def noisy(measurement: Tensor, random: np.random.Generator, noise: SensorNoise | None = None) -> Tensor:
    """The measurement `(..., H, W')` as a camera would give it, in the same units, float32 on the same device.

    One camera and one exposure for the whole tensor: call it per clip. Values below 0, from read noise, are kept. The
    same state of `random` gives the same noise on the same kind of device.
    """
    cameras = noise or SensorNoise()
    exact = random.random() < cameras.noise_free_share
    electrons = float(np.exp(random.uniform(*np.log(cameras.electrons))))
    read_noise = random.uniform(*cameras.read_noise)
    filled = random.uniform(*cameras.filled)
    seed = int(random.integers(2**62))
    brightest = float(measurement.max())
    if exact or brightest <= 0:
        return measurement.float()
    generator = torch.Generator(measurement.device).manual_seed(seed)
    gain = electrons / brightest
    counted = torch.poisson(measurement.float().clamp(min=0) * gain, generator=generator)
    counted += read_noise * torch.randn(counted.shape, generator=generator, device=counted.device)
    highest = 2**cameras.bits - 1
    step = electrons / filled / highest
    given: Tensor = (counted / step).round().clamp(max=highest) * (step / gain)
    return given
