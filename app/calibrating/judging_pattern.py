"""What the pattern in one capture tells: whether the mask is where it should be, sharp, whole and at rest."""

from livecassi.app.calibrating.mask_pictures import fine_structure, motion_px, tile_contrast, tile_fill
from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check

CONTRAST, CONTRAST_FAIL = 0.8, 0.5  # white light through the disperser leaves less than 0.5
FILL_FROM_HALF = 0.1
MOTION_PX, MOTION_FAIL_PX = 0.05, 0.1
NARROW_NM = 3.0  # lines up to this width show the mask sharp
# Between a pixel and its neighbourhood: 0.7 % of an even light, 12 to 14 % of white light through mask and disperser.
EVEN_PERCENT, EVEN_FAIL_PERCENT = 4.0, 8.0
CODED_PERCENT, CODED_FAIL_PERCENT = 6.0, 3.0
NEVER = float("inf")  # the limit of checks that warn and do not fail

_CODED = (CaptureKind.MASK, CaptureKind.LINE, CaptureKind.VERIFY, CaptureKind.WHITE)
_INSTEAD = {
    CaptureKind.MASK: "is the mask in, and the disperser out?",
    CaptureKind.LINE: "is the mask in, and does this line shine alone?",
    CaptureKind.VERIFY: "is the mask in, and does this line shine alone?",
}


def judge_pattern(capture: Capture, values: Array32, system: System) -> list[Check]:
    """Checks of a capture with light, `values (H, W')` above its dark."""
    checks = []
    if system.random_mask:
        if capture.kind is CaptureKind.FLAT:
            checks.append(_even(values))
        elif capture.kind is CaptureKind.MASK or _narrow(capture):
            checks += _sharp(capture, values)
        elif capture.kind in _CODED:
            checks.append(_coded(values))
    if capture.kind in (*_CODED, CaptureKind.CHART):
        checks += _still(capture)
    return checks


def _narrow(capture: Capture) -> bool:
    return capture.line is not None and capture.line.fwhm_nm <= NARROW_NM


def _even(values: Array32) -> Check:
    return Check(
        name="structure of the flat from pixel to pixel",
        value=100 * fine_structure(values),
        unit="%",
        limit=EVEN_PERCENT,
        fail_limit=EVEN_FAIL_PERCENT,
        advice="the flat shows a pattern: is the mask out? Else take more frames, or look for dust",
    )


def _coded(values: Array32) -> Check:
    return Check(
        name="structure of the mask from pixel to pixel",
        value=100 * fine_structure(values),
        unit="%",
        limit=CODED_PERCENT,
        fail_limit=CODED_FAIL_PERCENT,
        higher_is_better=True,
        advice="hardly any pattern is seen: is the mask in, and in focus?",
    )


def _sharp(capture: Capture, values: Array32) -> list[Check]:
    """Contrast and fill of a random mask where the light is narrow enough to show it sharp."""
    contrast = tile_contrast(values)
    focus = "focus the camera on the mask, and keep stray light away"
    checks = [
        Check(
            name="contrast of the mask",
            value=contrast,
            unit="",
            limit=CONTRAST,
            fail_limit=CONTRAST_FAIL,
            higher_is_better=True,
            advice=f"{_INSTEAD[capture.kind]} Else {focus}" if contrast < CONTRAST_FAIL else focus,
        )
    ]
    if capture.kind is CaptureKind.MASK:
        checks.append(
            Check(
                name="share of open mask in the worst tile, away from one half",
                value=abs(tile_fill(values) - 0.5),
                unit="",
                limit=FILL_FROM_HALF,
                fail_limit=NEVER,
                advice="a part of the mask is covered, overexposed or out of focus; look at its picture",
            )
        )
    return checks


def _still(capture: Capture) -> list[Check]:
    moved = motion_px(capture)
    if moved is None:
        return []
    return [
        Check(
            name="motion during the capture",
            value=moved,
            unit="px",
            limit=MOTION_PX,
            fail_limit=MOTION_FAIL_PX,
            advice="the bench moved between the first and the second half of the frames; let it come to rest, "
            "fix what is loose, and repeat the capture",
        )
    ]
