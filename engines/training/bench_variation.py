"""Benches that differ a little from a calibrated one, so that a network does not learn one mask by heart."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from livecassi.calibration import Calibration
from livecassi.calibration.calibration import Array32
from livecassi.engines.training.smooth_curves import smooth_curve

JUST_INSIDE_PX = 0.01


class BenchVariation(BaseModel):
    """How far a bench may leave its calibration. All zero: it stays as it is.

    Shares are probabilities, all others the largest amount; what is drawn lies between none and that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    roll_share: float = Field(default=0.9, ge=0, le=1)  # the mask's pattern begins elsewhere
    flip_share: float = Field(default=0.5, ge=0, le=1)  # of rows, and of columns
    shift_px: float = Field(default=0.5, ge=0, le=1)  # of the mask, in either direction of rows and columns
    blur_px: float = Field(default=0.7, ge=0, le=5)  # standard deviation
    black_level: float = Field(default=0.1, ge=0, lt=0.5)  # what closed elements pass
    white_loss: float = Field(default=0.15, ge=0, lt=0.5)  # what open elements hold back
    grey_variation: float = Field(default=0.08, ge=0, lt=1)  # how much less some regions of the mask pass
    dispersion_px: float = Field(default=0.4, ge=0)  # smooth over wavelength
    response: float = Field(default=0.3, ge=0, lt=1)  # share, smooth over wavelength


UNVARIED = BenchVariation(
    roll_share=0,
    flip_share=0,
    shift_px=0,
    blur_px=0,
    black_level=0,
    white_loss=0,
    grey_variation=0,
    dispersion_px=0,
    response=0,
)


def varied(
    calibration: Calibration, random: np.random.Generator, variation: BenchVariation | None = None
) -> Calibration:
    """A bench like this one: same system, bands and shapes; another mask, dispersion and response.

    Combs and notches (PMVIS, NDSSI) that are aligned with the bands should keep their place: `roll_share` and
    `flip_share` 0.
    """
    amounts = variation or BenchVariation()
    return Calibration(
        calibration.header,
        calibration.wavelengths_nm,
        _varied_mask(calibration.mask, random, amounts),
        _varied_dispersion(calibration, random, amounts.dispersion_px),
        _varied_response(calibration, random, amounts.response),
        calibration.dark,
        calibration.flat,
        calibration.covariance,
    )


def _varied_mask(mask: Array32, random: np.random.Generator, amounts: BenchVariation) -> Array32:
    pattern = mask
    if random.random() < amounts.roll_share:
        pattern = np.roll(pattern, tuple(random.integers(pattern.shape)), axis=(0, 1))
    for axis in (0, 1):
        if random.random() < amounts.flip_share:
            pattern = np.flip(pattern, axis)
    for axis, shift in enumerate(random.uniform(-1, 1, 2) * amounts.shift_px):
        pattern = _shifted(pattern, float(shift), axis)
    sigma = random.uniform(0, 1) * amounts.blur_px
    if sigma > 0:
        pattern = np.asarray(ndimage.gaussian_filter(pattern, sigma, mode="nearest"), np.float32)
    black, loss = random.uniform(0, 1, 2) * (amounts.black_level, amounts.white_loss)
    pattern = black + np.float32(1 - loss - black) * pattern
    return np.asarray(pattern * (1 - amounts.grey_variation * _clouds(random, mask.shape)), np.float32)


def _shifted(pattern: Array32, shift_px: float, axis: int) -> Array32:
    """Moved by part of a pixel: each camera pixel then averages over two elements; the border repeats."""
    beside = 1 if shift_px > 0 else -1
    length = pattern.shape[axis]
    neighbours = pattern.take(np.clip(np.arange(length) - beside, 0, length - 1), axis)
    return np.asarray(pattern + np.float32(abs(shift_px)) * (neighbours - pattern), np.float32)


def _clouds(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Smooth random values 0..1 with three cells across."""
    cells = random.random((4, 4))
    rows, columns = (_hats(length, 4) for length in shape)
    return rows @ cells @ columns.T


def _hats(length: int, knots: int) -> NDArray[np.float64]:
    places = np.linspace(0, knots - 1, length)
    hats: NDArray[np.float64] = np.maximum(1 - np.abs(places[:, None] - np.arange(knots)), 0)
    return hats


def _varied_dispersion(calibration: Calibration, random: np.random.Generator, largest_px: float) -> Array32:
    """Other shifts that keep the reach, so that the mask and the frames keep their shapes."""
    jitter = largest_px * smooth_curve(random, calibration.wavelengths_nm)
    if largest_px == 0:
        return calibration.dispersion_px
    reach = calibration.largest_shift_px
    shifts = np.clip(calibration.dispersion_px + jitter, 0, reach)
    furthest = int(calibration.dispersion_px.argmax())
    shifts[furthest] = max(shifts[furthest], reach - 1 + JUST_INSIDE_PX, 0)
    return shifts.astype(np.float32)


def _varied_response(calibration: Calibration, random: np.random.Generator, largest: float) -> Array32:
    gain = 1 + largest * smooth_curve(random, calibration.wavelengths_nm)
    return (calibration.response * gain).astype(np.float32)
