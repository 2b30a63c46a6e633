"""Coded apertures, drawn four times finer than the camera's pixels."""

from dataclasses import dataclass

import numpy as np

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.masks import notch_mask, pmvis_mask
from livecassi.drivers.opencv import cv2

OVERSAMPLING = 4
MARGIN_PX = 6  # columns drawn beyond the calibrated part, on both sides


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
    columns right of the mask's first calibrated column.
    """

    def __init__(self, system: System, height: int, width: int, seed: int, design: ApertureDesign) -> None:
        self.width = width
        columns = width + 2 * MARGIN_PX
        if system in (System.SD_CASSI, System.DD_CASSI):
            pattern = _random_pattern(height, columns, seed, design)
        else:
            comb = notch_mask if system is System.NDSSI else pmvis_mask
            whole = comb(height, columns, first_column=-MARGIN_PX)
            pattern = np.repeat(np.repeat(whole, OVERSAMPLING, axis=0), OVERSAMPLING, axis=1)
        closed, span = design.closed_transmission, design.open_transmission - design.closed_transmission
        sigma = design.blur_px * OVERSAMPLING
        drawn = cv2.GaussianBlur(pattern, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        rows = drawn.reshape(height, OVERSAMPLING, -1).mean(axis=1)
        self.fine: Array32 = closed + span * _box(rows, OVERSAMPLING)

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


def _box(fine: Array32, size: int) -> Array32:
    """Forward moving mean along the columns: entry f averages f .. f + size - 1; the end repeats."""
    padded = np.pad(fine, ((0, 0), (0, size - 1)), mode="edge")
    total: Array32 = np.zeros_like(fine)
    for offset in range(size):
        total += padded[:, offset : offset + fine.shape[1]]
    return total / np.float32(size)


def _random_pattern(height: int, columns: int, seed: int, design: ApertureDesign) -> Array32:
    """Random open and closed squares, slightly turned and stretched against the camera's pixels: `(4H, 4W)`."""
    generator = np.random.default_rng([seed, 0xC0DE])
    cells = int(1.2 * max(height, columns) / design.feature_px) + 4
    squares = (generator.random((cells, cells)) < 0.5).astype(np.float32)
    scale = OVERSAMPLING * design.feature_px * design.stretch
    turn = np.deg2rad(design.turn_degrees)
    rows, width = height * OVERSAMPLING, columns * OVERSAMPLING
    place = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([width / 2, rows / 2]) - place @ np.array([cells / 2, cells / 2])
    drawn = cv2.warpAffine(
        squares, np.column_stack([place, middle]), (width, rows), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(drawn, np.float32)
