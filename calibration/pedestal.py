"""The pedestal: a constant that a measurement keeps when no dark frame was subtracted.

With one disperser the outermost columns see only the first or the last few bands, and there closed elements of the
coded aperture pass almost nothing. Light cannot be negative, so what is left where the mask closes is the pedestal.
With two dispersers every pixel gathers all bands and a constant looks like a scene: it cannot be told apart there.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32, Calibration
from livecassi.calibration.errors import CalibrationMismatchError
from livecassi.calibration.measurement import Measurement, MeasurementFlag
from livecassi.calibration.sensing import sensing_model

Array64 = NDArray[np.float64]

EDGE_BANDS = 4  # columns that at most so many bands reach are the edge
BLOCK_ROWS = 12  # pixels of one column that are taken to see the same spectrum
UNEVENNESS = 0.3  # relative deviation of the scene within a block
SIGNIFICANCE = 4.0  # standard deviations
LEAST_SHARE = 2e-3  # of the brightest measured values: below it nobody would see the pedestal
ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Pedestal:
    """`value` in the units of the measurement, exactly 0 where none was found; `uncertainty` one standard deviation.

    The uncertainty is infinite where a measurement cannot tell: two dispersers, no dispersion, a mask without
    closed elements.
    """

    value: float
    uncertainty: float


UNKNOWN = Pedestal(0.0, math.inf)


def estimate_pedestal(values: Array32, calibration: Calibration) -> Pedestal:
    """The constant under a measurement `(H, W')`, or under the first frames of a video `(N, H, W')`.

    At each edge, blocks of one column and a few rows follow `y = p + m x` with the pedestal p common to all, the
    scene x >= 0 of a block, and m = A 1, what the calibrated bench makes of an even scene. The lower of the two
    edges counts, because stray light only adds. For a video, estimate once and keep it: a pedestal that changes
    from frame to frame would flicker.
    Raises `CalibrationMismatchError` for another size and for values that are not finite.
    """
    frame = _mean_frame(values, calibration)
    if not calibration.system.single_disperser:
        return UNKNOWN
    even = sensing_model(calibration).forward(np.ones(calibration.cube_shape, np.float32))
    sides = [
        edge
        for columns in _edges(calibration)
        if (edge := _edge_pedestal(frame[:, columns], even[:, columns].astype(np.float64))) is not None
    ]
    if not sides:
        return UNKNOWN
    lower = min(sides, key=lambda side: side.value)
    spread = (max(side.value for side in sides) - lower.value) / 2
    brightest = float(np.percentile(frame, 99.9))
    if lower.value < max(SIGNIFICANCE * lower.uncertainty, LEAST_SHARE * brightest):
        return Pedestal(0.0, lower.uncertainty)
    return Pedestal(lower.value, math.hypot(lower.uncertainty, spread))


def remove_pedestal(measurement: Measurement, pedestal: float) -> Measurement:
    """The measurement less a constant, flagged PEDESTAL_REMOVED; itself where the constant is 0.

    Noise below the pedestal becomes negative and is kept. Raises `CalibrationMismatchError` for a constant that is
    not finite.
    """
    if not math.isfinite(pedestal):
        raise CalibrationMismatchError(
            f"the pedestal is {pedestal}, expected a finite number of full scale, e.g. 0.01; "
            "give a number or have it estimated"
        )
    if pedestal == 0:
        return measurement
    return dataclasses.replace(
        measurement,
        values=measurement.values - np.float32(pedestal),
        flags=measurement.flags | MeasurementFlag.PEDESTAL_REMOVED,
    )


def _mean_frame(values: Array32, calibration: Calibration) -> Array64:
    expected = calibration.measurement_shape
    if values.ndim not in (2, 3) or values.shape[-2:] != expected or 0 in values.shape:
        raise CalibrationMismatchError(
            f"the measurement has shape {values.shape}, the calibration is made for {expected} "
            "or a sequence (frames, rows, columns) of that size; choose the calibration that belongs to it"
        )
    if not np.isfinite(values).all():
        raise CalibrationMismatchError(
            "the measurement holds NaN or infinite values, expected finite numbers; repair or leave out this frame"
        )
    mean: Array64 = values.reshape(-1, *expected).mean(axis=0, dtype=np.float64)
    return mean


def _edges(calibration: Calibration) -> list[slice]:
    """The columns at the left and at the right that at least one and at most `EDGE_BANDS` bands reach."""
    shifts = np.sort(calibration.dispersion_px.astype(np.float64))
    last = calibration.measurement_shape[1]
    width = calibration.cube_shape[2]
    columns = np.arange(last)
    bands = ((columns >= shifts[:, None]) & (columns <= shifts[:, None] + width - 1)).sum(axis=0)
    few = np.flatnonzero((bands >= 1) & (bands <= EDGE_BANDS))
    left, right = few[few < last // 2], few[few >= last // 2]
    return [slice(int(side[0]), int(side[-1]) + 1) for side in (left, right) if side.size]


def _edge_pedestal(measured: Array64, even: Array64) -> Pedestal | None:
    """Robust fit of `y = p + m x_block` over the blocks of one edge; None where the mask has no contrast there."""
    rows = min(BLOCK_ROWS, len(measured))
    blocks = len(measured) // rows
    y = measured[: blocks * rows].T.reshape(-1, rows)
    m = even[: blocks * rows].T.reshape(-1, rows)
    pedestal = float(np.median(y[m <= np.percentile(m, 25)]))
    closed = m <= np.percentile(m, 40)
    weights = np.ones_like(y)
    information = 0.0
    for _ in range(ROUNDS):
        scene = _slope(y - pedestal, m, weights)
        residual = y - pedestal - m * scene
        noise = 1.4826 * float(np.median(np.abs(residual[closed]))) + 1e-6 * float(np.abs(y).max()) + 1e-30
        variance = noise**2 + (UNEVENNESS * m * scene) ** 2
        weights = 1.0 / (variance + residual**2 / 9)  # Cauchy: beyond three deviations a pixel loses its say
        # The part of a constant that no scene m x >= 0 can explain decides about the pedestal.
        explained = (weights * m).sum(axis=1, keepdims=True) / (weights * m * m).sum(axis=1, keepdims=True)
        own = weights * (1.0 - m * explained)
        information = float(own.sum())
        if information * noise**2 < 1e-3 * y.size:
            return None
        pedestal = float((own * y).sum()) / information
    return Pedestal(max(pedestal, 0.0), math.sqrt(1.0 / information))


def _slope(y: Array64, m: Array64, weights: Array64) -> Array64:
    """The scene of each block, >= 0: least squares of `y = m x`."""
    energy = np.maximum((weights * m * m).sum(axis=1, keepdims=True), 1e-30)
    slope: Array64 = (weights * m * y).sum(axis=1, keepdims=True) / energy
    return np.maximum(slope, 0.0)
