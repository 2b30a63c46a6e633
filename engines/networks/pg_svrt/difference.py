"""How far two ways of computing the same cubes are apart.

The hard gates of PG-SVRT turn rounding into isolated errors, so that a maximum alone says little: the rms and the
number of outliers go with it.
"""

import math
from dataclasses import dataclass

from torch import Tensor

OUTLIER = 1e-4


@dataclass(frozen=True, slots=True)
class Difference:
    """`rms`, `largest`, and how many of all `values` differ by more than 1e-4.

    `psnr_db` is the largest magnitude of what was expected over the rms; None where nothing differs.
    """

    rms: float
    largest: float
    psnr_db: float | None
    outliers: int
    values: int


def difference(found: Tensor, expected: Tensor) -> Difference:
    """Between two tensors of one shape, on any device. Raises ValueError for different shapes."""
    if found.shape != expected.shape:
        raise ValueError(f"found {tuple(found.shape)}, expected {tuple(expected.shape)}")
    error = (found.to(expected.device, expected.dtype) - expected).abs()
    rms = math.sqrt(float(error.double().square().mean()))
    peak = float(expected.abs().max())
    return Difference(
        rms,
        float(error.max()),
        20 * math.log10(peak / rms) if rms > 0 and peak > 0 else None,
        int((error > OUTLIER).sum()),
        error.numel(),
    )
