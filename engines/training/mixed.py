"""Clips from several sources in turn, drawn by lot."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from livecassi.engines.training.clips import ClipSource
from livecassi.engines.training.errors import TrainingDataError


class MixedScenes:
    """A `ClipSource` that asks one of several: `(source, share)`, each as often as its share of all shares.

    Raises `TrainingDataError` without sources, or where a share is below 0 or all are 0.
    """

    def __init__(self, sources: Sequence[tuple[ClipSource, float]]) -> None:
        shares = np.array([share for _, share in sources], np.float64)
        if shares.size == 0 or not np.isfinite(shares).all() or shares.min() < 0 or shares.sum() <= 0:
            raise TrainingDataError(
                f"the shares of the sources of scenes are {shares.tolist()}, expected at least one source, no share "
                "below 0 and one above; correct the shares"
            )
        self._sources = [source for source, _ in sources]
        self._shares = shares / shares.sum()

    def clip(
        self,
        random: np.random.Generator,
        frames: int,
        height: int,
        width: int,
        wavelengths_nm: NDArray[np.floating],
    ) -> Tensor:
        """A clip `(T, C, H, W)` of one of the sources."""
        chosen = int(random.choice(len(self._sources), p=self._shares))
        return self._sources[chosen].clip(random, frames, height, width, wavelengths_nm)
