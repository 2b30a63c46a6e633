"""What a whole fit is judged by (specification, section 5): numbers, limits and advice."""

from collections.abc import Sequence

import numpy as np

from livecassi.calibration.calibration import Array32, Calibration
from livecassi.calibration.checks import Check
from livecassi.calibration.drift import ALARM_PX, WARN_PX, drift_on_white
from livecassi.calibration.fitting.curve import judge_band
from livecassi.calibration.fitting.judging_lines import judge_lines
from livecassi.calibration.fitting.parts import Parts
from livecassi.calibration.fitting.views import Reprojection

DESIGN_PX = (0.1, 0.25)
CONTRAST = (0.8, 0.5)
LEAST_CONTRAST = (0.7, 0.5)  # of a part: 0.95 on the simulated bench, 0.7 where a blur of 0.9 px is added
RESPONSE_LEFT = (0.05, 0.15)
PART_PX = 32  # side of the parts whose contrast is judged for itself


def judge(parts: Parts) -> tuple[Check, ...]:
    """Every check of a fit, the capture's own excepted."""
    checks = [
        *parts.dark.checks,
        *(parts.sensor.checks if parts.sensor is not None else ()),
        *parts.flat.checks,
        *parts.located.curve_fit.checks,
        *judge_band(parts.located.curve_fit.curve, parts.bands.wavelengths_nm),
        *judge_lines(parts),
        *_contrast(parts),
        _left_by_response(parts),
    ]
    if parts.registration is not None:
        checks.append(_design(parts.registration.rms_px))
    if parts.distortion is not None:
        checks.extend(parts.distortion.checks)
    return tuple(checks)


def judge_white(parts: Parts, calibration: Calibration) -> tuple[Check, ...]:
    """Whether the white capture shows the mask in the rows where the lines show it.

    Along the dispersion it cannot tell: there a displacement is the same as another response.
    """
    drift = drift_on_white(parts.open(parts.taken.white), calibration)
    if drift.across_px is None:
        return ()
    return (
        Check(
            name="white capture across the dispersion, against the lines",
            value=abs(drift.across_px),
            unit="px",
            limit=WARN_PX,
            fail_limit=ALARM_PX,
            advice="the bench moved between the lines and the white capture: fasten it, and repeat both",
        ),
    )


def residual_tiles(lines: Sequence[Reprojection]) -> Array32:
    """What the pictures of all lines deviate from the prediction, `(2, P, Q)` px; 0 where no line can tell."""
    tiles = np.stack([line.shift.tiles_px + _offsets(line)[:, None, None] for line in lines])
    known = np.isfinite(tiles)
    counts = known.sum(axis=0)
    total = np.where(known, tiles, 0).sum(axis=0)
    return np.asarray(total / np.maximum(counts, 1), np.float32)


def _offsets(line: Reprojection) -> Array32:
    return np.array([line.shift.dx, line.shift.dy], np.float32)


def _contrast(parts: Parts) -> list[Check]:
    """Of the whole mask and of its softest part; not of masks that are hardly open or hardly closed."""
    if not parts.frame.system.random_mask:
        return []
    softest, row, column = _softest_part(parts.mask.mask)
    return [
        _contrast_check(
            "contrast of the mask", parts.mask.contrast, CONTRAST, "the picture of the mask is soft or veiled"
        ),
        _contrast_check(
            "contrast of the mask where it is least",
            softest,
            LEAST_CONTRAST,
            f"the mask is soft, veiled or covered around row {row}, column {column}",
        ),
    ]


def _contrast_check(name: str, value: float, limits: tuple[float, float], found: str) -> Check:
    return Check(
        name=name,
        value=value,
        unit="",
        limit=limits[0],
        fail_limit=limits[1],
        higher_is_better=True,
        advice=f"{found}: focus the relay on it, and look for stray light",
    )


def _softest_part(mask: Array32) -> tuple[float, int, int]:
    """The least (p95 - p5) / (p95 + p5) of all parts, and the middle of that part."""
    rows, columns = (np.array_split(np.arange(side), max(1, side // PART_PX)) for side in mask.shape)
    found = []
    for down in rows:
        for along in columns:
            high, low = np.percentile(mask[down[0] : down[-1] + 1, along[0] : along[-1] + 1], [95, 5])
            middle = int(down[len(down) // 2]), int(along[len(along) // 2])
            found.append((float((high - low) / max(high + low, 1e-9)), *middle))
    return min(found)


def _left_by_response(parts: Parts) -> Check:
    return Check(
        name="white reference less what the bands explain",
        value=parts.response.residual,
        unit="",
        limit=RESPONSE_LEFT[0],
        fail_limit=RESPONSE_LEFT[1],
        advice="the white capture does not fit mask and curve: something moved, or light comes from outside the bands",
    )


def _design(rms_px: float) -> Check:
    return Check(
        name="mask against its design",
        value=rms_px,
        unit="px rms",
        limit=DESIGN_PX[0],
        fail_limit=DESIGN_PX[1],
        advice="the picture of the mask does not follow its drawing: choose the right design, or look for distortion",
    )
