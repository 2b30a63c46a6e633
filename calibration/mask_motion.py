"""Mask motion: how far the picture of the mask has moved on the camera, told from one frame.

What the camera sees is a sum of K known patterns ("carriers": the shifted masks, summed over the bands with the weights
of one spectral shape), each multiplied by an unknown picture of the scene. In a small window that picture is a plane:

    y(i, n) = Σ_k G_k(i - across, n - along) · (a_k + b_k v + c_k u)  + noise,     u, v = -1..1 over the window

The displacement is common to all windows, the coefficients are each window's own and are eliminated (variable
projection; Golub and Pereyra 1973), with a mild prior on them as scenes have smooth spectra. Gauss-Newton finds the
displacement; windows that the model does not explain, such as those with an edge, lose their say.
The frame is shifted and not the carriers, so that everything else is computed once per calibration.

Such a flexible model explains much of any frame, also with the mask at a wrong place. So it is asked at places that are
certainly wrong, too: only where the place that was found is far better than these is the mask really seen.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.drivers.opencv import cv2

Array64 = NDArray[np.float64]

MARGIN_PX = 8  # at every side: what a moved mask brings in from outside is not known
FARTHEST_PX = 6  # across: rows in which the mask is looked for
NEAREST_WRONG_PX = 2  # from there on a place is certainly another one
LEAST_WINDOWS = 60  # fewer cannot tell how far apart they are, nor whether the mask is really seen
MOST_WINDOWS = 700  # more would cost time without making the result better
ROUNDS = 6
STILL_PX = 2e-3  # a step of so little ends the search
LONGEST_STEP_PX = 0.5
PRIOR_SHARE = 0.02  # of the light: how far the model and real scenes are apart
SLOPE_SHARE = 0.5  # how much a scene varies from the middle of a window to its edge, of its level
_DERIVATIVE = (np.array([[1, -8, 0, 8, -1]]) / 12).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Motion:
    """Displacement of the mask's picture in px and one standard deviation of each, infinite where nobody can tell.

    `correlation`: of the frame with what the model makes of it, both without their smooth parts, -1..1.
    `evidence`: share of what wrong places of the mask leave unexplained that this place explains; 1 is perfect, 0 none.
    """

    along_px: float
    across_px: float
    along_sigma_px: float
    across_sigma_px: float
    correlation: float
    evidence: float


UNKNOWN = Motion(0.0, 0.0, math.inf, math.inf, 0.0, 0.0)


class MaskMotion:
    """The carriers `(K, H, W')` of one calibration, ready to be looked for in frames.

    `spreads (K,)`: how much scenes contain of each carrier, against the first. `columns`: from the first to before the
    last in which every carrier is whole. `window_px`: side of a window.
    """

    def __init__(self, carriers: Array32, spreads: Array64, columns: tuple[int, int], window_px: int) -> None:
        self._shape = carriers.shape[1:]
        self._side = window_px
        first, last = columns
        self._columns = max(first, 0) + MARGIN_PX, min(last, self._shape[1]) - MARGIN_PX
        rows = max(0, (self._shape[0] - 2 * MARGIN_PX) // window_px)
        count = rows * max(0, (self._columns[1] - self._columns[0]) // window_px)
        self.windows = min(count, MOST_WINDOWS)
        if not self.tells:
            return
        self._chosen = np.linspace(0, count - 1, self.windows).astype(int)
        ramp = np.linspace(-1, 1, window_px, dtype=np.float32)
        plane = np.stack([np.ones((window_px, window_px), np.float32), *np.meshgrid(ramp, ramp, indexing="ij")])
        self._plane = plane.reshape(3, -1)  # (3, N)
        self._smooth = self._plane / np.linalg.norm(self._plane, axis=1, keepdims=True)  # orthogonal already
        patterns = self._cut(carriers)  # (windows, K, N)
        self._along = self._cut(_each(carriers, _DERIVATIVE))
        self._across = self._cut(_each(carriers, _DERIVATIVE.T))
        self._design = (patterns[:, :, None] * self._plane).reshape(len(patterns), -1, patterns.shape[-1])
        prior = PRIOR_SHARE * float(np.abs(carriers[0]).mean()) / np.outer(spreads, [1, SLOPE_SHARE, SLOPE_SHARE])
        normal = self._design @ np.swapaxes(self._design, 1, 2) + np.diag(prior.ravel() ** 2 + 1e-12)
        self._inverse = np.linalg.inv(normal).astype(np.float32)

    @property
    def tells(self) -> bool:
        """Whether frames are large enough for the windows that it takes."""
        return bool(self.windows >= LEAST_WINDOWS)

    def find(self, values: Array32) -> Motion:
        """Where the mask's picture is in a measurement `(H, W')`, against where the carriers have it."""
        if not self.tells or not np.any(values):
            return UNKNOWN
        rows = range(-FARTHEST_PX, FARTHEST_PX + 1)
        unexplained = {row: self._unexplained(values, row) for row in rows}
        best = min(unexplained, key=unexplained.__getitem__)
        found = np.array([0.0, float(best)])
        fit = self._fit(values, found)
        for _ in range(ROUNDS):
            if fit is None:
                return UNKNOWN
            step = np.clip(fit.step, -LONGEST_STEP_PX, LONGEST_STEP_PX)
            found = found + step
            if np.abs(step).max() < STILL_PX:
                break
            fit = self._fit(values, found)
        if fit is None:
            return UNKNOWN
        wrong = min(left for row, left in unexplained.items() if abs(row - found[1]) >= NEAREST_WRONG_PX)
        evidence = 1 - fit.unexplained / wrong if wrong > 0 else 0.0
        return Motion(float(found[0]), float(found[1]), *fit.sigma_px, fit.correlation, evidence)

    def _unexplained(self, values: Array32, row: int) -> float:
        """Median over the windows of what is left of them with the mask some whole rows off."""
        seen = self._cut(values[None], row)[:, 0]
        scene = self._inverse @ (self._design @ seen[..., None])
        rest = seen - (np.swapaxes(scene, 1, 2) @ self._design)[:, 0]
        return float(np.median((rest**2).mean(1)))

    def _fit(self, values: Array32, displacement: Array64) -> "_Fit | None":
        """One round: the scene of every window, and the step that it suggests. None where nothing is seen."""
        seen = self._cut(_moved(values, -displacement)[None])[:, 0]
        scene = self._inverse @ (self._design @ seen[..., None])  # (windows, 3 K, 1)
        told = (np.swapaxes(scene, 1, 2) @ self._design)[:, 0]
        rest = seen - told
        pictures = scene.reshape(len(scene), -1, 3) @ self._plane
        slopes = -np.stack([(pictures * self._along).sum(1), (pictures * self._across).sum(1)], axis=-1)
        explained = self._design @ slopes
        turned = np.swapaxes(slopes, 1, 2)
        information = turned @ slopes - np.swapaxes(explained, 1, 2) @ (self._inverse @ explained)
        pull = (turned @ rest[..., None])[..., 0]
        variance = (rest**2).mean(1)
        weights = 1.0 / (variance + 0.1 * np.median(variance) + 1e-20)
        return _conclude(
            (information * weights[:, None, None]).astype(np.float64),
            (pull * weights[:, None]).astype(np.float64),
            self._correlation(seen, told, weights),
            float(np.median(variance)),
        )

    def _correlation(self, seen: Array32, told: Array32, weights: Array32) -> float:
        seen = seen - (seen @ self._smooth.T) @ self._smooth
        told = told - (told @ self._smooth.T) @ self._smooth
        both = float(((seen * told).sum(1) * weights).sum())
        power = float(((seen**2).sum(1) * weights).sum()) * float(((told**2).sum(1) * weights).sum())
        return both / math.sqrt(power) if power > 0 else 0.0

    def _cut(self, images: Array32, row: int = 0) -> Array32:
        """Windows of images `(K, H, W')`, some rows further down: `(windows, K, N)`."""
        side, (first, last) = self._side, self._columns
        rows, columns = (self._shape[0] - 2 * MARGIN_PX) // side, (last - first) // side
        part = images[:, MARGIN_PX + row : MARGIN_PX + row + rows * side, first : first + columns * side]
        tiles = part.reshape(len(images), rows, side, columns, side).transpose(1, 3, 0, 2, 4)
        return np.ascontiguousarray(tiles.reshape(rows * columns, len(images), side * side)[self._chosen])


@dataclass(frozen=True, slots=True)
class _Fit:
    step: Array64
    sigma_px: tuple[float, float]
    correlation: float
    unexplained: float


def _conclude(information: Array64, pull: Array64, correlation: float, unexplained: float) -> _Fit | None:
    """The common step of all windows; its uncertainty from how much they disagree, whatever the reason."""
    whole = information.sum(axis=0)
    if not np.isfinite(whole).all() or np.linalg.cond(whole) > 1e8:
        return None
    inverse = np.linalg.inv(whole)
    step = inverse @ pull.sum(axis=0)
    left = pull - information @ step
    covariance = inverse @ (left.T @ left) @ inverse
    along, across = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return _Fit(step, (float(along), float(across)), correlation, unexplained)


def _each(images: Array32, kernel: Array32) -> Array32:
    return np.stack([cv2.filter2D(image, cv2.CV_32F, kernel) for image in images])


def _moved(image: Array32, displacement: Array64) -> Array32:
    """The image displaced by (along, across)."""
    if not displacement.any():
        return image
    matrix = np.array([[1, 0, displacement[0]], [0, 1, displacement[1]]])
    size = image.shape[1], image.shape[0]
    moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.float32)
