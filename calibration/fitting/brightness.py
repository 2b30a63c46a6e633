"""How bright a picture of the mask is: gain, its slow change over the field, and background."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Brightness:
    """`picture = gain · (1 + slow change) · mask + background`.

    `slow`: coefficients of u, v, u², uv, v² over the picture (u, v = -1..1).
    """

    gain: float = 1.0
    background: float = 0.0
    slow: tuple[float, ...] = (0.0,) * 5

    def surface(self, shape: tuple[int, ...]) -> Array32:
        """The gain in every pixel `(H, W')`."""
        total = np.ones(shape, np.float32)
        for coefficient, change in zip(self.slow, _changes(shape), strict=True):
            if coefficient:
                total += np.float32(coefficient) * change
        return np.float32(self.gain) * total

    def apply(self, mask: Array32) -> Array32:
        """The picture of what is seen of the mask, `(H, W')`."""
        return np.asarray(self.surface(mask.shape) * mask + np.float32(self.background), np.float32)

    def scaled(self, factor: float) -> "Brightness":
        """For a mask that was divided by `factor`."""
        return replace(self, gain=self.gain * factor)


def fit_brightness(picture: Array32, seen: Array32, counts: NDArray[np.bool_], *, slow: bool) -> Brightness:
    """Least squares of a picture against the mask as it is `seen` there, both `(H, W')`, where it `counts`."""
    columns = [seen, *(seen * change for change in _changes(seen.shape))] if slow else [seen]
    rows = [column[counts].astype(np.float64) for column in columns] + [np.ones(int(counts.sum()))]
    normal = np.array([[a @ b for b in rows] for a in rows])
    wanted = np.array([row @ picture[counts].astype(np.float64) for row in rows])
    found: Floats = np.linalg.lstsq(normal, wanted, rcond=1e-10)[0]
    gain = float(found[0]) or 1e-12
    return Brightness(gain, float(found[-1]), tuple(map(float, found[1:-1] / gain)) if slow else (0.0,) * 5)


def even(fitted: Sequence[Brightness]) -> tuple[list[Brightness], float]:
    """The same without what all have in common: mean slow change and median background belong to the mask.

    Beside them that background, in units of the mask, to be added to it.
    """
    slow = np.mean([one.slow for one in fitted], axis=0)
    background = float(np.median([one.background / one.gain for one in fitted]))
    evened = [
        replace(one, background=one.background - background * one.gain, slow=tuple(map(float, one.slow - slow)))
        for one in fitted
    ]
    return evened, background


def _changes(shape: tuple[int, ...]) -> list[Array32]:
    v = ((2 * np.arange(shape[0], dtype=np.float32) + 1) / shape[0] - 1)[:, None]
    u = ((2 * np.arange(shape[1], dtype=np.float32) + 1) / shape[1] - 1)[None, :]
    return [np.broadcast_to(change, shape).astype(np.float32) for change in (u, v, u * u, u * v, v * v)]
