"""What a still network is told of a bench: the sensing model A in torch, at the calibrated shifts.

On the masks Φ in scene coordinates no wide cube is needed (hsra.md, 5.1): with a single disperser

    (A x)[i, n] = Σ_c L_{s_c}(Φ_c x_c)[i, n]        (Aᵀ r)_c[i, j] = Φ_c[i, j] · (L_{s_c}ᵀ r)[i, j]

with L_s linear interpolation at the shift s, and with a dual one A x = Σ_c Φ_c x_c. The response of the bands is left
out: networks reconstruct what it was multiplied with (`livecassi.engines.networks.inputs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from livecassi.calibration import SubSteps
from livecassi.calibration.sensing import shift_taps

Taps = tuple[tuple[tuple[int, float], ...], ...]  # of each band: columns, and how much falls on them


@dataclass(frozen=True, slots=True)
class StillBench:
    """A bench as `StillNetwork.prepare` makes it.

    `mask (C, H, W)` is what each band sees, or `(B, C, H, W)` where every sample has its own; `taps` how each band is
    shifted, none with a dual disperser; measurements are `columns` wide.
    """

    mask: Tensor
    taps: Taps
    columns: int
    density: Tensor  # A Aᵀ 1, `(H, W')` or `(B, H, W')`, 1 where no light falls: what residuals are divided by

    @property
    def size(self) -> tuple[int, int]:
        """`(H, W)` of the scene."""
        return self.mask.shape[-2], self.mask.shape[-1]

    @property
    def bands(self) -> int:
        """How many there are."""
        return self.mask.shape[-3]

    def part(self, rows: slice, columns: slice) -> "StillBench":
        """The same for a part of the scene, which knows nothing of what lies beyond."""
        mask = self.mask[..., rows, columns]
        return still_bench(mask, self.taps, self.columns - self.size[1] + mask.shape[-1])

    @property
    def distinct_masks(self) -> Tensor:
        """`(B, C, H, W)`, with B 1 where all samples share one."""
        return self.mask if self.mask.ndim == 4 else self.mask.unsqueeze(0)

    def masks(self, count: int) -> Tensor:
        """The mask of each of `count` samples, `(B, C, H, W)`."""
        return self.mask.expand(count, *self.mask.shape[-3:])

    def forward(self, cube: Tensor) -> Tensor:
        """A x: `(B, C, H, W)` to `(B, H, W')`."""
        return _summed(cube * self.mask, self.taps, self.columns)

    def adjoint(self, measurement: Tensor) -> Tensor:
        """Aᵀ y: `(B, H, W')` to `(B, C, H, W)`."""
        return self.mask * self.shifted_back(measurement)

    def shifted_back(self, measurement: Tensor) -> Tensor:
        """What of a measurement `(B, H, W')` falls together with each band: `(B, C, H, W)`."""
        return _shifted_back(measurement, self.taps, self.bands, self.size[1])

    def first_estimate(self, measurement: Tensor) -> Tensor:
        """H0, the measurement shifted back and divided by half the number of bands: `(B, C, H, W)`."""
        return self.shifted_back(measurement * 2 / self.bands)  # in this order it rounds as the published code does


def still_bench(mask: Tensor, taps: Taps, columns: int) -> StillBench:
    """The bench of a mask `(C, H, W)` or `(B, C, H, W)`; see `StillBench`."""
    seen = _shifted_back(
        torch.ones_like(mask[..., 0, :, :1]).expand(*mask.shape[:-3], -1, columns), taps, mask.shape[-3], mask.shape[-1]
    )
    density = _summed(mask * mask * seen, taps, columns)
    return StillBench(mask, taps, columns, torch.where(density > 0, density, torch.ones_like(density)))


def band_taps(shifts_px: Sequence[float]) -> Taps:
    """The taps of bands that are shifted by so many columns, whole or not."""
    found = shift_taps(np.asarray(shifts_px, np.float32), SubSteps.POINT)
    return tuple(
        tuple((int(column), float(weight)) for column, weight in zip(*band, strict=True) if weight > 1e-6)
        for band in zip(found.columns, found.weights, strict=True)
    )


def _summed(coded: Tensor, taps: Taps, columns: int) -> Tensor:
    if not taps:
        return coded.sum(-3)
    beyond = columns - coded.shape[-1]
    parts = [
        _times(F.pad(coded[..., band, :, :], (column, beyond - column)), weight)
        for band, falls_on in enumerate(taps)
        for column, weight in falls_on
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _shifted_back(measurement: Tensor, taps: Taps, bands: int, width: int) -> Tensor:
    if not taps:
        return measurement.unsqueeze(-3).expand(*measurement.shape[:-2], bands, -1, -1)
    reach = max(column for falls_on in taps for column, _ in falls_on) + width
    wide = F.pad(measurement, (0, max(reach - measurement.shape[-1], 0)))
    seen = []
    for falls_on in taps:
        parts = [_times(wide[..., column : column + width], weight) for column, weight in falls_on]
        seen.append(parts[0] if len(parts) == 1 else parts[0] + parts[1])
    return torch.stack(seen, -3)


def _times(values: Tensor, weight: float) -> Tensor:
    return values if weight == 1.0 else values * weight
