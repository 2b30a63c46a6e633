"""Coded apertures, drawn four times finer than the camera's pixels."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.masks import STAGGERED_ROWS, notch_mask, pmvis_mask
from livecassi.drivers.opencv import cv2

OVERSAMPLING = 4
MARGIN_PX = 6  # columns drawn beyond the calibrated part, on both sides
_SINC_REACH = 16  # fine pixels


@dataclass(frozen=True, slots=True)
class ApertureDesign:
    """How a coded aperture is made and imaged: transmissions, feature size, blur of the relay in camera pixels."""

    feature_px: float = 2.0
    open_transmission: float = 0.95
    closed_transmission: float = 0.02
    blur_px: float = 0.2
    turn_degrees: float = 0.15
    stretch: float = 1.013


class CodedAperture:
    """The transmission on the camera's rows and a four times finer column grid.

    `fine (H, 4 (width + 2 MARGIN_PX))`: entry f is the mean over the camera pixel that begins f/4 - MARGIN_PX
    columns right of the mask's first calibrated column; `cells`, of the same shape, is the mean over that quarter of
    a column alone. `drift_px` displaces its picture by columns and rows. Not `inserted`, it is open everywhere.
    """

    def __init__(
        self,
        system: System,
        height: int,
        width: int,
        seed: int,
        design: ApertureDesign,
        *,
        drift_px: tuple[float, float] = (0.0, 0.0),
        inserted: bool = True,
    ) -> None:
        self.width = width
        columns = width + 2 * MARGIN_PX
        drift = OVERSAMPLING * np.array(drift_px, np.float64)
        whole = np.round(drift).astype(int)
        if not inserted:
            pattern = np.ones((height * OVERSAMPLING, columns * OVERSAMPLING), np.float32)
        elif system.random_mask:
            place = _place(height, columns, design)
            place[:, 2] += whole
            pattern = _random_pattern(height, columns, seed, design, place)
        else:
            pattern = _comb(system, height, columns, (int(whole[0]), int(whole[1])))
        closed, span = design.closed_transmission, design.open_transmission - design.closed_transmission
        sigma = design.blur_px * OVERSAMPLING
        drawn = np.asarray(cv2.GaussianBlur(pattern, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)
        if inserted and (drift != whole).any():
            drawn = _moved(drawn, *(drift - whole))
        rows = drawn.reshape(height, OVERSAMPLING, -1).mean(axis=1)
        self.cells: Array32 = closed + span * rows
        self.fine: Array32 = closed + span * box(rows)

    def seen(self, smear_px: float = 0.0) -> Array32:
        """The mask `(H, width)` in camera pixels, smeared along the columns as a band of that extent shows it."""
        fine = self.fine
        if smear_px > 0:
            samples = np.linspace(-0.5, 0.5, 33)[1::2] * smear_px * OVERSAMPLING
            weights = np.zeros(2 * int(np.ceil(np.abs(samples).max())) + 3)
            centre = len(weights) // 2
            for sample in samples:
                low = int(np.floor(sample))
                weights[centre + low] += 1 - (sample - low)
                weights[centre + low + 1] += sample - low
            kernel = (weights / weights.sum()).astype(np.float32)[None, :]
            fine = np.asarray(cv2.filter2D(fine, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)
        start = MARGIN_PX * OVERSAMPLING
        return np.ascontiguousarray(fine[:, start : start + self.width * OVERSAMPLING : OVERSAMPLING])


def drawing(system: System, height: int, width: int, seed: int, design: ApertureDesign) -> Array32:
    """What the maker of the aperture was sent: the open share of each camera pixel, 0..1, `(H, width)`.

    Neither turned nor stretched nor blurred, its squares on whole pixels, about the same middle as the picture of the
    real one to within a pixel.
    """
    columns = width + 2 * MARGIN_PX
    if system.random_mask:
        pattern = _random_pattern(height, columns, seed, design, _drawn_place(height, columns, design))
    else:
        pattern = _comb(system, height, columns, (0, 0))
    pixels = pattern.reshape(height, OVERSAMPLING, -1, OVERSAMPLING).mean(axis=(1, 3))
    return np.ascontiguousarray(pixels[:, MARGIN_PX : MARGIN_PX + width], np.float32)


def registration(system: System, height: int, width: int, design: ApertureDesign) -> NDArray[np.float64]:
    """The matrix (2, 3) that takes a place (x, y) in `drawing` to its place in the camera's picture of the mask.

    Pixels; whole numbers are the middles of pixels, as in OpenCV.
    """
    if not system.random_mask:
        return np.eye(2, 3)
    columns = width + 2 * MARGIN_PX
    real, drawn = _place(height, columns, design), _drawn_place(height, columns, design)
    linear = real[:, :2] @ np.linalg.inv(drawn[:, :2])
    offset_fine = real[:, 2] - linear @ drawn[:, 2]
    first = (OVERSAMPLING - 1) / 2 + OVERSAMPLING * np.array([MARGIN_PX, 0])  # fine index of the middle of pixel (0, 0)
    offset = (linear @ first + offset_fine - first) / OVERSAMPLING
    return np.column_stack([linear, offset])


def box(fine: Array32, size: int = OVERSAMPLING) -> Array32:
    """Forward moving mean along the columns: entry f averages f .. f + size - 1; the end repeats."""
    padded = np.pad(fine, ((0, 0), (0, size - 1)), mode="edge")
    total: Array32 = np.zeros_like(fine)
    for offset in range(size):
        total += padded[:, offset : offset + fine.shape[1]]
    return total / np.float32(size)


def _comb(system: System, height: int, columns: int, moved: tuple[int, int]) -> Array32:
    """The comb of PMVIS or NDSSI on the fine grid, `(4H, 4 columns)`, moved by whole fine columns and rows."""
    comb = notch_mask if system is System.NDSSI else pmvis_mask
    spare = [-(-abs(fine) // OVERSAMPLING) for fine in moved]
    spare[1] = -(-spare[1] // STAGGERED_ROWS) * STAGGERED_ROWS  # whole periods of the rows
    whole = comb(height + 2 * spare[1], columns + 2 * spare[0], first_column=-MARGIN_PX - spare[0])
    pattern = np.repeat(np.repeat(whole, OVERSAMPLING, axis=0), OVERSAMPLING, axis=1)
    left, top = (OVERSAMPLING * s - m for s, m in zip(spare, moved, strict=True))
    return np.ascontiguousarray(pattern[top : top + height * OVERSAMPLING, left : left + columns * OVERSAMPLING])


def _random_pattern(
    height: int, columns: int, seed: int, design: ApertureDesign, place: NDArray[np.float64]
) -> Array32:
    """Random open (1) and closed (0) squares on the fine grid, `(4H, 4 columns)`, put there by `place` (2, 3)."""
    generator = np.random.default_rng([seed, 0xC0DE])
    cells = _cells(height, columns, design)
    squares = (generator.random((cells, cells)) < 0.5).astype(np.float32)
    size = (columns * OVERSAMPLING, height * OVERSAMPLING)
    drawn = cv2.warpAffine(squares, place, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(drawn, np.float32)


def _cells(height: int, columns: int, design: ApertureDesign) -> int:
    """How many squares are drawn on each side: more than can be seen."""
    return int(1.2 * max(height, columns) / design.feature_px) + 4


def _place(height: int, columns: int, design: ApertureDesign) -> NDArray[np.float64]:
    """From the numbers of the squares to the fine grid, about its middle: slightly turned and stretched, (2, 3)."""
    cells = _cells(height, columns, design)
    scale = OVERSAMPLING * design.feature_px * design.stretch
    turn = np.deg2rad(design.turn_degrees)
    place = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([columns * OVERSAMPLING / 2, height * OVERSAMPLING / 2])
    return np.column_stack([place, middle - place @ np.array([cells / 2, cells / 2])])


def _drawn_place(height: int, columns: int, design: ApertureDesign) -> NDArray[np.float64]:
    """As `_place`, for squares that lie straight and begin between two pixels."""
    place = _place(height, columns, replace(design, turn_degrees=0.0, stretch=1.0))
    first = place[:, 2] - place[0, 0] / 2 + 0.5  # where the first square begins
    place[:, 2] += OVERSAMPLING * np.round(first / OVERSAMPLING) - first
    return place


def _moved(drawn: Array32, right: float, down: float) -> Array32:
    """The picture displaced by parts of a fine pixel: a windowed sinc, which neither blurs nor rounds."""
    across, along = _sinc(right), _sinc(down)
    return np.asarray(cv2.sepFilter2D(drawn, cv2.CV_32F, across, along, borderType=cv2.BORDER_REFLECT), np.float32)


def _sinc(displacement: float) -> NDArray[np.float64]:
    at = np.arange(-_SINC_REACH, _SINC_REACH + 1) + displacement
    weights = np.sinc(at) * np.cos(np.pi / 2 * at / (_SINC_REACH + 1)) ** 2
    kernel: NDArray[np.float64] = weights / weights.sum()
    return kernel
