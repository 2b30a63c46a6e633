"""What the lines of a fit are judged by: each against the calibration, and all against each other."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.checks import Check
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.parts import Parts
from livecassi.calibration.fitting.robust import robust_sigma
from livecassi.calibration.fitting.second_light import SecondLight, second_light
from livecassi.calibration.fitting.sorting import line_of
from livecassi.calibration.fitting.views import Reprojection

REGISTRATION_PX = (0.1, 0.25)
FARTHEST_PX = (0.2, 0.4)  # of one line: a drift of 0.5 px before it fails
LEAST_CORRELATION = (0.9, 0.6)
UNMODELLED_PX = (0.1, 0.5)  # what bends or tilts from line to line, which engines do not follow
SECOND_LIGHT_PERCENT = (2.0, 10.0)  # 0.4 on the simulated bench where there is none
BEND_SIGMAS = 2.0  # by which a bend must be sure to count
SUDDEN_SHARE = 0.6  # of the shift across: where one line makes that much of it, that line moved


Floats = NDArray[np.float64]


def judge_lines(parts: Parts) -> tuple[Check, ...]:
    """Registration, correlation, bends, other light, and the captures for verification."""
    checks = [_registration(parts), _farthest(parts), _correlation(parts), _across(parts), _bend(parts)]
    if parts.frame.system.random_mask:  # one that repeats itself looks like a second light
        checks.append(_other_light(parts))
    return (*checks, *_verified(parts))


def registration_px(lines: Sequence[Reprojection]) -> float:
    """Root mean square distance of the lines from the prediction, with what their tiles deviate (robust) besides."""
    tiles = np.concatenate([line.shift.tiles_px.reshape(2, -1) for line in lines], axis=1)
    known = np.isfinite(tiles).all(axis=0)
    if not known.any():
        return math.inf
    within = robust_sigma(tiles[:, known])
    between = np.mean([line.off_px**2 for line in lines])
    return float(np.sqrt(between + 2 * within**2))


def _registration(parts: Parts) -> Check:
    worst = max(range(len(parts.lines)), key=lambda k: parts.lines[k].off_px)
    return Check(
        name="registration of the mask in all lines",
        value=registration_px(parts.lines),
        unit="px rms",
        limit=REGISTRATION_PX[0],
        fail_limit=REGISTRATION_PX[1],
        advice=f"the line {_title(parts, worst)} lies {parts.lines[worst].off_px:.2f} px off; something "
        "moved between the captures: fasten the bench, and repeat that line",
    )


def _farthest(parts: Parts) -> Check:
    worst = max(range(len(parts.lines)), key=lambda k: parts.lines[k].off_px)
    shift = parts.lines[worst].shift
    return Check(
        name="farthest line from where the calibration puts it",
        value=parts.lines[worst].off_px,
        unit="px",
        limit=FARTHEST_PX[0],
        fail_limit=FARTHEST_PX[1],
        advice=f"{_title(parts, worst)} lies {shift.dx:+.2f} px along and {shift.dy:+.2f} px across: the "
        "bench moved before it was captured, or it was entered wrongly; repeat that line",
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
        advice=f"{_title(parts, worst)} shows the mask worst: more light, a narrower line, or a better "
        "focus at that wavelength",
    )


def _across(parts: Parts) -> Check:
    """Shifts across the dispersion that differ: all by one slope (an axis that is turned), or one by itself."""
    along, across = (np.array([getattr(shift, name) for shift in parts.located.shifts]) for name in ("dx", "dy"))
    off = across - _trend(along, across)
    worst = int(np.argmax(np.abs(off)))
    advice = "the dispersion does not run along the camera's rows of pixels: turn the disperser or the camera"
    if abs(off[worst]) > SUDDEN_SHARE * float(np.ptp(across)):
        advice = (
            f"{_title(parts, worst)} lies {off[worst]:+.2f} px off the others: the bench moved before it "
            "was captured; fasten it, and repeat that line"
        )
    return Check(
        name="shift across the dispersion from line to line",
        value=float(np.ptp(across)) / 2,
        unit="px",
        limit=UNMODELLED_PX[0],
        fail_limit=UNMODELLED_PX[1],
        advice=advice,
    )


def _trend(along: Floats, across: Floats) -> Floats:
    """The line through most of the points: the median of all slopes (Theil 1950), and the median of what is left."""
    first, second = np.triu_indices(len(along), 1)
    apart = along[second] - along[first]
    steep = (across[second] - across[first])[apart != 0] / apart[apart != 0]
    slope = float(np.median(steep)) if len(steep) else 0.0
    return np.asarray(slope * along + np.median(across - slope * along))


def _bend(parts: Parts) -> Check:
    """Smile, tilt and keystone of each line beside those of all, as far as they are sure."""
    shifts = [line.shift for line in parts.lines]
    bends = np.array([(s.smile_px, s.tilt_px, s.keystone_px) for s in shifts])
    unsure = BEND_SIGMAS * np.array([s.bend_sigmas_px for s in shifts])
    sure = np.maximum(np.abs(bends - np.median(bends, axis=0)) - unsure, 0)
    worst = int(np.argmax(sure.max(axis=1)))
    return Check(
        name="bend of the lines against each other",
        value=float(sure.max()),
        unit="px at the edge",
        limit=UNMODELLED_PX[0],
        fail_limit=UNMODELLED_PX[1],
        advice=f"smile or keystone of {_title(parts, worst)} differs most; keep the scene in the middle, "
        "or use the 3-D mask",
    )


def _other_light(parts: Parts) -> Check:
    found = [
        second_light(parts.open(capture), line.predicted, parts.mask.mask, parts.frame.line_geometry(seen))
        for capture, line, seen in zip(parts.taken.lines, parts.lines, parts.located.lines, strict=True)
    ]
    worst = max(range(len(found)), key=lambda k: found[k].share)
    return Check(
        name="other light beside a line",
        value=100 * found[worst].share,
        unit="% of it",
        limit=SECOND_LIGHT_PERCENT[0],
        fail_limit=SECOND_LIGHT_PERCENT[1],
        advice=f"beside {_title(parts, worst)} {_where(parts, worst, found[worst])} shines, too: block it "
        "with a filter, switch it off, and repeat that line",
    )


def _title(parts: Parts, line: int) -> str:
    """As the operator calls it."""
    return line_of(parts.taken.lines[line]).title


def _where(parts: Parts, line: int, found: SecondLight) -> str:
    curve = parts.located.curve_fit.curve
    here = float(curve.shift_px(parts.located.lines[line].wavelength_nm))
    try:
        nm = float(curve.wavelength_nm(here + parts.frame.system.mask_direction * found.away_px))
    except CalibrationInvalidError:
        return f"light whose picture lies {found.away_px:+d} px away"
    return f"light of about {nm:.0f} nm"


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
