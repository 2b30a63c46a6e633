"""How the mask looks in one picture: displaced, smeared and slightly bent, as a linear operator with its adjoint."""

from dataclasses import dataclass
from itertools import product
from math import factorial

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.fitting.line_kernel import POINT, Kernel, kernel_taps
from livecassi.drivers.opencv import cv2

_HIGHEST_FREQUENCY = 2.2  # rad/px up to which a bend is followed
_BEND_ERROR = 0.003  # of the contrast there
_LEAST_BEND_PX = 0.002

Taps = NDArray[np.float32]


@dataclass(frozen=True)
class Bend:
    """How a shift changes over the field, as in `LineShift`: px at the edge of the picture."""

    smile_px: float = 0.0
    tilt_px: float = 0.0
    keystone_px: float = 0.0
    across_tilt_px: float = 0.0
    across_keystone_px: float = 0.0


STRAIGHT = Bend()


@dataclass(frozen=True)
class Geometry:
    """Where a picture shows the mask: its column 0 at camera column `shift_px`, row 0 at row `dy`, light as `kernel`.

    `shift_px` is signed, +s where the picture of the mask moves with growing shift and -s where it moves back; so are
    the kernel's offsets.
    """

    shift_px: float
    dy: float = 0.0
    kernel: Kernel = POINT
    bend: Bend = STRAIGHT


class Projection:
    """`picture = K mask`; the mask's array begins `pad` rows and columns before the mask's row and column 0."""

    def __init__(
        self, geometry: Geometry, picture: tuple[int, int], mask: tuple[int, int], pad: tuple[int, int]
    ) -> None:
        self.picture_shape, self.mask_shape = picture, mask
        column, row = round(geometry.shift_px), round(geometry.dy)
        self._offset = pad[0] - row, pad[1] - column  # picture (0, 0) in the mask's array
        bends = bend_fields(geometry.bend, picture)
        self._columns = _bent_taps(geometry.kernel.moved(geometry.shift_px - column), bends[0])
        self._rows = _bent_taps(POINT.moved(geometry.dy - row), bends[1])
        self._bends = bends
        highest = max(len(self._columns), len(self._rows)) - 1
        pairs = product(range(len(self._columns)), range(len(self._rows)))
        self._orders = [(k, m) for k, m in pairs if k + m <= highest]

    def forward(self, mask: Array32) -> Array32:
        """The picture `(H, W')`; 0 where it does not show the mask's array."""
        picture = np.zeros(self.picture_shape, np.float32)
        here, there = self._windows()
        for k, m in self._orders:
            part = _filter(mask, self._columns[k], self._rows[m])[there]
            picture[here] += part if k == m == 0 else part * self._bend(k, m)[here]
        return picture

    def adjoint(self, picture: Array32) -> Array32:
        """Kᵀ picture."""
        mask = np.zeros(self.mask_shape, np.float32)
        here, there = self._windows()
        for k, m in self._orders:
            placed = np.zeros(self.mask_shape, np.float32)
            placed[there] = picture[here] if k == m == 0 else picture[here] * self._bend(k, m)[here]
            mask += _filter(placed, self._columns[k][::-1], self._rows[m][::-1])
        return mask

    def energy(self, weights: Array32) -> Array32:
        """The diagonal of `Kᵀ diag(weights) K`, without the bend."""
        placed = np.zeros(self.mask_shape, np.float32)
        here, there = self._windows()
        placed[there] = weights[here]
        return _filter(placed, self._columns[0][::-1] ** 2, self._rows[0][::-1] ** 2)

    def inside(self) -> Array32:
        """1 in pixels whose light comes from inside the mask's array alone, else 0."""
        reach_x, reach_y = len(self._columns[0]) // 2, len(self._rows[0]) // 2
        whole = np.zeros(self.mask_shape, np.float32)
        whole[reach_y : whole.shape[0] - reach_y, reach_x : whole.shape[1] - reach_x] = 1
        seen = np.zeros(self.picture_shape, np.float32)
        here, there = self._windows()
        seen[here] = whole[there]
        return seen

    def _bend(self, k: int, m: int) -> Array32:
        return np.asarray(self._bends[0] ** k * self._bends[1] ** m, np.float32)

    def _windows(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The part that both have, in the picture and in the mask's array."""
        here, there = [], []
        for size, room, offset in zip(self.picture_shape, self.mask_shape, self._offset, strict=True):
            first, last = max(0, -offset), max(0, -offset, min(size, room - offset))
            here.append(slice(first, last))
            there.append(slice(first + offset, last + offset))
        return (here[0], here[1]), (there[0], there[1])


def bend_fields(bend: Bend, shape: tuple[int, int]) -> tuple[Array32, Array32]:
    """Displacement along and across the dispersion in each pixel of a picture `(H, W')`, px."""
    v = ((2 * np.arange(shape[0]) + 1) / shape[0] - 1)[:, None]
    u = ((2 * np.arange(shape[1]) + 1) / shape[1] - 1)[None, :]
    along = bend.smile_px * v**2 + bend.tilt_px * v + bend.keystone_px * u
    across = bend.across_tilt_px * u + bend.across_keystone_px * v
    return along.astype(np.float32), np.broadcast_to(across, shape).astype(np.float32)


def _bent_taps(kernel: Kernel, bend: Array32) -> list[Taps]:
    """Taps of a kernel displaced by `bend`, as the coefficients of a polynomial in it (a Farrow filter)."""
    largest = float(np.abs(bend).max())
    if largest < _LEAST_BEND_PX:
        return [_centred_taps(kernel, 0)]
    degree = 1
    while 2 * (_HIGHEST_FREQUENCY * largest / 2) ** (degree + 1) / factorial(degree + 1) > _BEND_ERROR:
        degree += 1
    nodes = largest * np.cos(np.pi * (np.arange(2 * degree + 3) + 0.5) / (2 * degree + 3))
    reach = max(len(_centred_taps(kernel.moved(float(node)), 0)) // 2 for node in nodes)
    taps = np.stack([_centred_taps(kernel.moved(float(node)), reach) for node in nodes])
    coefficients = np.linalg.lstsq(nodes[:, None] ** np.arange(degree + 1), taps, rcond=None)[0]
    return list(coefficients.astype(np.float32))


def _centred_taps(kernel: Kernel, reach: int) -> Taps:
    """Taps on columns -r..r with r at least `reach`."""
    first, taps = kernel_taps(kernel)
    used = np.flatnonzero(np.abs(taps) > 1e-9)
    first, taps = first + int(used[0]), taps[used[0] : used[-1] + 1]
    reach = max(reach, abs(first), abs(first + len(taps) - 1))
    centred = np.zeros(2 * reach + 1, np.float32)
    centred[first + reach : first + reach + len(taps)] = taps
    return centred


def _filter(image: Array32, columns: Taps, rows: Taps) -> Array32:
    """Convolution with zeros around (OpenCV correlates, hence the flip)."""
    if len(columns) == len(rows) == 1:
        return np.asarray(image * (columns[0] * rows[0]), np.float32)
    x, y = (np.ascontiguousarray(taps[::-1], np.float32) for taps in (columns, rows))
    return np.asarray(cv2.sepFilter2D(image, cv2.CV_32F, x, y, borderType=cv2.BORDER_CONSTANT), np.float32)
