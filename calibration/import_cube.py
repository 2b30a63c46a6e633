"""A 3-D mask, one picture per band as the field publishes them, becomes the 2-D mask and the shifts behind it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.errors import CalibrationInvalidError

LEAST_CORRELATION = 0.9  # of every band, shifted back, with the mean of all: specification 5
SAME_BRIGHTNESS = 0.01  # relative; bands that differ less count as equally bright


@dataclass(frozen=True)
class FlatMask:
    """`mask (H, Wm)`: mean of the bands, shifted back; `response (C,)`: their brightness against it, mean 1.

    `correlation`: of the band that fits the mean worst; `shifted`: whether the file held the bands shifted.
    """

    mask: Array32
    response: Array32
    correlation: float
    shifted: bool


def bands_first(array: Array32, bands: int, path: Path) -> Array32:
    """A 3-D mask as `(C, H, W')`; files hold `(H, W', C)` or `(C, H, W')`. Raises `CalibrationInvalidError`."""
    if array.shape[2] == bands:
        return np.moveaxis(array, 2, 0)
    if array.shape[0] == bands:
        return array
    raise CalibrationInvalidError(
        f"{path} holds a 3-D mask of shape {array.shape}, expected {bands} bands along its last or first axis; "
        "give the wavelengths of its bands"
    )


def flatten_mask(cube: Array32, system: System, step_px: float, path: Path) -> FlatMask:
    """One mask from one picture per band `(C, H, W')`, whole columns of `step_px` apart or not shifted at all.

    Single disperser: band k shows the mask `k step_px` columns further right, and is shifted back. Dual disperser:
    band k shows the columns of a wider mask from `k step_px` on. Raises `CalibrationInvalidError` where the bands,
    shifted back, do not show one mask.
    """
    bands, _, columns = cube.shape
    step = round(step_px)
    reach = step * (bands - 1)
    candidates = []
    if abs(step - step_px) < 1e-6 and (columns > reach or not system.single_disperser):
        candidates.append(_flattened(cube, system, step))
    if step:
        candidates.append(_flattened(cube, system, 0))
    if not candidates:
        raise CalibrationInvalidError(
            f"the 3-D mask in {path} has {columns} columns, too few for {bands} bands {step_px:g} px apart; "
            "give the step and the wavelengths that it was made for"
        )
    best = max(candidates, key=lambda found: found.correlation)
    if best.correlation < LEAST_CORRELATION:
        raise CalibrationInvalidError(
            f"the bands of the 3-D mask in {path} do not show one mask: shifted back by {step_px:g} px per band the "
            f"worst correlates {best.correlation:.2f} with the mean of all, expected at least {LEAST_CORRELATION:g}. "
            "Give the step that it was made with, or import the 2-D mask behind it"
        )
    return best


def _flattened(cube: Array32, system: System, step: int) -> FlatMask:
    bands, height, columns = cube.shape
    reach = step * (bands - 1)
    if system.single_disperser:
        pictures = [cube[k, :, step * k : step * k + columns - reach] for k in range(bands)]
        offsets, width = [0] * bands, columns - reach
    else:
        pictures, offsets, width = list(cube), [step * k for k in range(bands)], columns + reach
    response = np.ones(bands)
    mask = np.zeros((height, width))
    for _ in range(2):  # the brightness of a band is told against the mask, the mask is the mean without it
        total, count = np.zeros((height, width)), np.zeros(width)
        for picture, offset, bright in zip(pictures, offsets, response, strict=True):
            total[:, offset : offset + picture.shape[1]] += picture / max(bright, 1e-6)
            count[offset : offset + picture.shape[1]] += 1
        mask = total / count
        seen = [mask[:, o : o + p.shape[1]] for o, p in zip(offsets, pictures, strict=True)]
        response = np.array(
            [float((p * s).sum() / max((s * s).sum(), 1e-12)) for p, s in zip(pictures, seen, strict=True)]
        )
        response /= max(float(response.mean()), 1e-6)
        if np.abs(response - 1).max() < SAME_BRIGHTNESS:
            response = np.ones(bands)
    worst = min(_correlation(p, np.asarray(s, np.float32)) for p, s in zip(pictures, seen, strict=True))
    return FlatMask(mask.astype(np.float32), response.astype(np.float32), worst, shifted=step > 0)


def _correlation(first: Array32, second: Array32) -> float:
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0
