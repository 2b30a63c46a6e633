"""The mask out of all pictures that show it: least squares over all lines at once, each with its own smear.

The pictures are left as they are, so that noise stays white; the unknown mask is what is displaced, smeared and bent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.brightness import Brightness, even, fit_brightness
from livecassi.calibration.fitting.line_kernel import POINT, Kernel
from livecassi.calibration.fitting.projection import STRAIGHT, Bend, Geometry, Projection
from livecassi.calibration.fitting.robust import robust_sigma

_ROWS_PAD = 6
_ITERATIONS = (12, 25)
_MODEL_ERROR = 0.01  # of the mask's contrast: what interpolation cannot tell
_OUTLIER_SIGMA = 6.0
_OUTLIER_LEAST = 0.5, 0.1  # of the open mask, while only the sharpest view is known and later
_KNOWN = 0.99
_POSSIBLE = -0.5, 1.6  # of the open mask; a pixel beyond is hot or dead


@dataclass(frozen=True)
class MaskView:
    """A picture `(H, W')` of the mask in any unit, dark and flat corrected, and how it shows the mask.

    `shift_px`: camera column of the mask's column 0, already times the system's direction; `dy`: row of its row 0;
    `kernel`: the light's smear about that, as it lies on the camera. Pixels that are not finite do not count.
    """

    picture: Array32
    shift_px: float
    dy: float = 0.0
    kernel: Kernel = POINT
    bend: Bend = STRAIGHT

    @property
    def geometry(self) -> Geometry:
        """Without the picture."""
        return Geometry(self.shift_px, self.dy, self.kernel, self.bend)


@dataclass(frozen=True)
class RecoveredMask:
    """`mask (H, width)`, grey 0..1: 99 % of its open pixels lie at or below 1, what lies outside 0..1 is cut.

    `sigma (H, width)`: standard error of a pixel whose neighbours are known; `seen (H, width)`: how many pictures show
    it (0: the value is the mean of the mask); `contrast`: (open - closed) / (open + closed), of the brightest tenth of
    the open and the darkest tenth of the closed pixels, which is p95 and p5 where half of them are open; `fill`: share
    above 0.5; `brightness` of each view, in its picture's unit per unit of the mask; `residuals (N,)`: what each view
    is off, as standard deviation in units of the mask.
    """

    mask: Array32
    sigma: Array32
    seen: Array32
    contrast: float
    fill: float
    brightness: tuple[Brightness, ...]
    residuals: tuple[float, ...]


def predict(mask: Array32, geometry: Geometry, shape: tuple[int, int], brightness: Brightness | None = None) -> Array32:
    """What a picture of `shape` (H, W') of the mask `(H, width)` should be; in the mask's unit without `brightness`.

    0 plus background outside the mask.
    """
    reach = int(np.ceil(np.abs(geometry.kernel.offsets_px).max())) + 8
    padded = np.pad(mask, ((_ROWS_PAD, _ROWS_PAD), (0, 0)), mode="edge")
    padded = np.pad(padded, ((0, 0), (reach, reach)))
    seen = Projection(geometry, shape, padded.shape, (_ROWS_PAD, reach)).forward(padded)
    return seen if brightness is None else brightness.apply(seen)


def recover_mask(views: Sequence[MaskView], width: int) -> RecoveredMask:
    """The mask `(H, width)` that all views show. Raises `CalibrationInvalidError` where there is none to be seen.

    Maximum a posteriori by conjugate gradients: the views count by what they are off, pixels far off not at all, and
    the mask varies about its mean as much as it does (which damps what no view resolves). Gain, its slow change over
    the field, and background are fitted to each view; what all views have in common of these stays in the mask.
    """
    if not views or len({view.picture.shape[0] for view in views}) != 1:
        raise CalibrationInvalidError(
            f"{len(views)} pictures of the mask were given, expected at least one, all of the same height; capture it"
        )
    height = views[0].picture.shape[0]
    pad = _ROWS_PAD, 8 + max(int(np.ceil(np.abs(view.kernel.offsets_px).max())) for view in views)
    shape = height + 2 * pad[0], width + 2 * pad[1]
    planes = [_Plane(view, shape, pad) for view in views]
    solution, known = _first(planes)
    for round_number, iterations in enumerate(_ITERATIONS):
        for plane in planes:
            plane.fit(solution, known, slow=round_number > 0)
        fitted, common = even([plane.brightness for plane in planes])
        solution = solution + np.float32(common)
        for plane, brightness in zip(planes, fitted, strict=True):
            plane.weigh(solution, known, brightness, _OUTLIER_LEAST[round_number])
        solution, known = _solve(planes, solution, iterations), np.ones_like(known)
    for plane in planes:
        plane.weigh(solution, known, plane.brightness, _OUTLIER_LEAST[-1])
    inner = slice(pad[0], pad[0] + height), slice(pad[1], pad[1] + width)
    return _scaled(planes, solution, inner)


class _Plane:
    """One view while the mask is being solved for."""

    def __init__(self, view: MaskView, shape: tuple[int, int], pad: tuple[int, int]) -> None:
        self.projection = Projection(view.geometry, (view.picture.shape[0], view.picture.shape[1]), shape, pad)
        finite = np.isfinite(view.picture)
        self.picture = np.where(finite, view.picture, 0).astype(np.float32)
        self.counts = self.projection.inside() * finite
        self.sharpness = view.kernel.width_px
        self.brightness = Brightness()
        self.residual = 1.0
        self._weights = self.counts
        self._wanted = self.picture
        self._gain = np.ones_like(self.picture)

    def fit(self, mask: Array32, known: Array32, *, slow: bool) -> None:
        """Gain and background against the mask, where it is known."""
        counted = (self._weights > 0) & (self.projection.forward(known) > _KNOWN)
        self.brightness = fit_brightness(self.picture, self.projection.forward(mask), counted, slow=slow)

    def weigh(self, mask: Array32, known: Array32, brightness: Brightness, least: float) -> None:
        """Weights from what the picture is off; outliers, off by at least `least`, get none."""
        self.brightness = brightness
        level = brightness.gain
        self._gain = brightness.surface(self.picture.shape) / np.float32(level)
        self._wanted = (self.picture - np.float32(brightness.background)) / np.float32(level)
        off = (self._wanted - self._gain * self.projection.forward(mask)) * self.counts
        off *= self.projection.forward(known) > _KNOWN
        self.residual = robust_sigma(off[off != 0]) if off.any() else _MODEL_ERROR
        good = self.counts * (np.abs(off) <= max(_OUTLIER_SIGMA * self.residual, least))
        good *= (self._wanted >= _POSSIBLE[0]) & (self._wanted <= _POSSIBLE[1])
        self._weights = np.asarray(good / (self.residual**2 + _MODEL_ERROR**2), np.float32)

    def normal(self, mask: Array32) -> Array32:
        """Aᵀ W A mask."""
        return self.projection.adjoint(self._weights * self._gain**2 * self.projection.forward(mask))

    def back(self) -> Array32:
        """Aᵀ W picture."""
        return self.projection.adjoint(self._weights * self._gain * self._wanted)

    def precision(self) -> Array32:
        """The diagonal of Aᵀ W A."""
        return self.projection.energy(self._weights * self._gain**2)

    def shown(self) -> Array32:
        """Where the mask's array is seen, 0..1."""
        return np.clip(self.projection.adjoint(self.counts), 0, 1)


def _first(planes: Sequence[_Plane]) -> tuple[Array32, Array32]:
    """The sharpest view, brought back to the mask's frame and scaled to open = 1, and 1 where it shows the mask."""
    sharpest = min(planes, key=lambda plane: plane.sharpness)
    shown = sharpest.counts > 0
    if shown.sum() < 0.1 * shown.size:
        raise CalibrationInvalidError(
            f"the sharpest picture shows {100 * shown.mean():.0f} % of the mask, expected at least 10 %; check the "
            "shifts of the lines"
        )
    low, high = np.percentile(sharpest.picture[shown], [1, 99])
    if high - low <= 1e-6 * max(abs(high), 1e-12):
        raise CalibrationInvalidError(
            f"the sharpest picture spans {low:.4g} to {high:.4g}, expected dark and bright parts; put the mask in"
        )
    scaled = np.clip((sharpest.picture - low) / (high - low), 0, 1)
    back = sharpest.projection.adjoint(sharpest.counts * scaled)
    seen = sharpest.shown() > 0.5
    return np.where(seen, back, back[seen].mean()).astype(np.float32), seen.astype(np.float32)


def _solve(planes: Sequence[_Plane], first: Array32, iterations: int) -> Array32:
    shape = first.shape
    mean, variance = float(first.mean()), max(float(first.var()), 1e-4)

    def normal(flat: Array32) -> Array32:
        mask = np.asarray(flat, np.float32).reshape(shape)
        total = mask / np.float32(variance)
        for plane in planes:
            total += plane.normal(mask)
        return total.ravel()

    wanted = np.full(shape, mean / variance, np.float32)
    for plane in planes:
        wanted += plane.back()
    size = wanted.size
    operator = LinearOperator((size, size), matvec=normal, dtype=np.float32)
    solution, _ = cg(operator, wanted.ravel(), x0=first.ravel(), rtol=1e-4, maxiter=iterations)
    return np.asarray(solution, np.float32).reshape(shape)


def _scaled(planes: Sequence[_Plane], solution: Array32, inner: tuple[slice, slice]) -> RecoveredMask:
    mask = solution[inner]
    seen = sum((plane.shown() for plane in planes), np.zeros_like(solution))[inner]
    known = mask[seen > 0.5]
    level = float(np.percentile(known[known > 0.5 * np.percentile(known, 99.9)], 99))
    precision = sum((plane.precision() for plane in planes), np.zeros_like(solution))[inner]
    sigma = 1 / np.sqrt(precision + 1 / max(float(solution.var()), 1e-4)) / level
    dark, bright = np.percentile(known, [0.1, 99.9])
    low = max(float(np.percentile(known[known <= (dark + bright) / 2], 10)) / level, 0.0)
    high = np.percentile(known[known >= (dark + bright) / 2], 90) / level
    return RecoveredMask(
        np.clip(mask / level, 0, 1).astype(np.float32),
        sigma.astype(np.float32),
        seen.astype(np.float32),
        float((high - low) / max(high + low, 1e-9)),
        float((known > 0.5 * level).mean()),
        tuple(plane.brightness.scaled(level) for plane in planes),
        tuple(plane.residual / level for plane in planes),
    )
