"""What a whole fit is judged by (specification, section 5): numbers, limits and advice."""

import math
from collections.abc import Sequence

import numpy as np

from livecassi.calibration.calibration import Array32
from livecassi.calibration.checks import Check
from livecassi.calibration.fitting.curve import judge_band
from livecassi.calibration.fitting.parts import Parts
from livecassi.calibration.fitting.views import Reprojection

REGISTRATION_PX = (0.1, 0.25)
LEAST_CORRELATION = (0.9, 0.6)
CONTRAST = (0.8, 0.5)
UNMODELLED_PX = (0.1, 0.5)  # what bends or tilts from line to line, which engines do not follow
RESPONSE_LEFT = (0.05, 0.15)


def judge(parts: Parts) -> tuple[Check, ...]:
    """Every check of a fit, the capture's own excepted."""
    checks = [
        *parts.dark.checks,
        *(parts.sensor.checks if parts.sensor is not None else ()),
        *parts.flat.checks,
        *parts.located.curve_fit.checks,
        *judge_band(parts.located.curve_fit.curve, parts.bands.wavelengths_nm),
        _registration(parts),
        _correlation(parts),
        _contrast(parts),
        *_unmodelled(parts),
        _left_by_response(parts),
        *_verified(parts),
    ]
    if parts.registration is not None:
        checks.append(_design(parts.registration.rms_px))
    if parts.distortion is not None:
        checks.extend(parts.distortion.checks)
    return tuple(checks)


def residual_tiles(lines: Sequence[Reprojection]) -> Array32:
    """What the pictures of all lines deviate from the prediction, `(2, P, Q)` px; 0 where no line can tell."""
    tiles = np.stack([line.shift.tiles_px + _offsets(line)[:, None, None] for line in lines])
    known = np.isfinite(tiles)
    counts = known.sum(axis=0)
    total = np.where(known, tiles, 0).sum(axis=0)
    return np.asarray(total / np.maximum(counts, 1), np.float32)


def registration_px(lines: Sequence[Reprojection]) -> float:
    """Root mean square distance of the lines from the prediction, with what their tiles deviate (robust) besides."""
    tiles = np.concatenate([line.shift.tiles_px.reshape(2, -1) for line in lines], axis=1)
    known = np.isfinite(tiles).all(axis=0)
    if not known.any():
        return math.inf
    within = 1.4826 * float(np.median(np.abs(tiles[:, known])))
    between = np.mean([line.off_px**2 for line in lines])
    return float(np.sqrt(between + 2 * within**2))


def _offsets(line: Reprojection) -> Array32:
    return np.array([line.shift.dx, line.shift.dy], np.float32)


def _registration(parts: Parts) -> Check:
    worst = max(range(len(parts.lines)), key=lambda k: parts.lines[k].off_px)
    return Check(
        name="registration of the mask in all lines",
        value=registration_px(parts.lines),
        unit="px rms",
        limit=REGISTRATION_PX[0],
        fail_limit=REGISTRATION_PX[1],
        advice=f"the line {parts.located.lines[worst].title} lies {parts.lines[worst].off_px:.2f} px off; something "
        "moved between the captures: fasten the bench, and repeat that line",
    )


def _correlation(parts: Parts) -> Check:
    correlations = [line.shift.correlation for line in parts.lines]
    worst = int(np.argmin(correlations))
    return Check(
        name="correlation of every line with the mask",
        value=correlations[worst],
        unit="",
        limit=LEAST_CORRELATION[0],
        fail_limit=LEAST_CORRELATION[1],
        higher_is_better=True,
        advice=f"{parts.located.lines[worst].title} shows the mask worst: more light, a narrower line, or a better "
        "focus at that wavelength",
    )


def _contrast(parts: Parts) -> Check:
    return Check(
        name="contrast of the mask",
        value=parts.mask.contrast,
        unit="",
        limit=CONTRAST[0],
        fail_limit=CONTRAST[1],
        higher_is_better=True,
        advice="the picture of the mask is soft or veiled: focus the relay on it, and look for stray light",
    )


def _unmodelled(parts: Parts) -> tuple[Check, ...]:
    """What engines cannot follow: a shift across the columns and a bend that change with the wavelength."""
    across = np.array([shift.dy for shift in parts.located.shifts])
    bends = np.array([(s.smile_px, s.tilt_px, s.keystone_px) for s in parts.located.shifts])
    return (
        Check(
            name="shift across the dispersion from line to line",
            value=float(np.ptp(across)) / 2,
            unit="px",
            limit=UNMODELLED_PX[0],
            fail_limit=UNMODELLED_PX[1],
            advice="the dispersion does not run along the camera's rows of pixels: turn the disperser or the camera",
        ),
        Check(
            name="bend of the lines against each other",
            value=float(np.abs(bends - np.median(bends, axis=0)).max()),
            unit="px at the edge",
            limit=UNMODELLED_PX[0],
            fail_limit=UNMODELLED_PX[1],
            advice="smile or keystone changes with the wavelength; keep the scene in the middle, or use the 3-D mask",
        ),
    )


def _left_by_response(parts: Parts) -> Check:
    return Check(
        name="white reference less what the bands explain",
        value=parts.response.residual,
        unit="",
        limit=RESPONSE_LEFT[0],
        fail_limit=RESPONSE_LEFT[1],
        advice="the white capture does not fit mask and curve: something moved, or light comes from outside the bands",
    )


def _verified(parts: Parts) -> tuple[Check, ...]:
    return tuple(
        Check(
            name=f"{title} of {capture.title} from its prediction",
            value=abs(offset),
            unit="px",
            limit=REGISTRATION_PX[0],
            fail_limit=REGISTRATION_PX[1],
            advice="a capture that no fit has seen lies elsewhere: the bench moved, or a line was entered wrongly; "
            "repeat the lines",
        )
        for capture, found in zip(parts.taken.verify, parts.verified, strict=True)
        for title, offset in (("distance along", found.shift.dx), ("distance across", found.shift.dy))
    )


def _design(rms_px: float) -> Check:
    return Check(
        name="mask against its design",
        value=rms_px,
        unit="px rms",
        limit=REGISTRATION_PX[0],
        fail_limit=REGISTRATION_PX[1],
        advice="the picture of the mask does not follow its drawing: choose the right design, or look for distortion",
    )
