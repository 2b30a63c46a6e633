"""Where training takes its scenes from: short clips of a moving scene, drawn at random."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class ClipSource(Protocol):
    """An endless supply of clips. The same state of `random` always gives the same clip."""

    def clip(
        self,
        random: np.random.Generator,
        frames: int,
        height: int,
        width: int,
        wavelengths_nm: NDArray[np.floating],
    ) -> Tensor:
        """A clip `(T, C, H, W)` float32 of full scale 1 (at most 1, at least 0) at the band centres `(C,)`, nm."""
        ...
