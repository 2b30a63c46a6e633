"""What can be told of one capture beside the others, before any fit: each figure with its limit and its words."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from livecassi.app.calibrating.judging_pattern import NEVER, judge_pattern
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.calibrating.steps import USUAL_FILL, exposure_text
from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check
from livecassi.calibration.correct import EXPOSURE_TOLERANCE, GAIN_TOLERANCE_DB, TEMPERATURE_TOLERANCE_C

# Specification 5: the limit, and beyond what the capture cannot be used.
SATURATED_PERCENT, SATURATED_FAIL_PERCENT = 0.01, 0.1
BRIGHT_PERCENT, BRIGHT_FAIL_PERCENT = 10.0, 3.0  # 99th percentile above dark, of full scale
DARK_PERCENT, DARK_FAIL_PERCENT = 5.0, 12.0  # level of a dark, of full scale
DARK_EXCESS_PERCENT, DARK_EXCESS_FAIL_PERCENT = 1.0, 3.0  # between darks
DARK_STRUCTURE_PERCENT, DARK_STRUCTURE_FAIL_PERCENT = 0.5, 2.0  # between parts of one dark
NEAREST_LINE_NM = 0.2  # two lines that are nearer are one line, captured twice
TEMPERATURE_FAIL_C = 10.0
DARK_TILE_PX = 16
ONE_VALUE_SHARE = 0.5

_LINES = (CaptureKind.LINE, CaptureKind.VERIFY)


def judge_capture(capture: Capture, others: Sequence[Capture], plan: CalibrationPlan) -> tuple[Check, ...]:
    """Everything that can be told of one capture beside the others: saturation, level, contrast, duplicates, motion.

    Specification 5 gives the limits. A duplicate (frames with hashes that another capture has) always fails.
    """
    others = [other for other in others if other.id != capture.id]
    checks = [*_same_camera(capture, others), *_repeated(capture, others)]
    if capture.kind is CaptureKind.DARK:
        return (*checks, *_dark(capture, others))
    darks = [o for o in others if o.kind is CaptureKind.DARK and o.shape == capture.shape]
    values = _above_dark(capture, darks)
    checks += [_saturated(capture), _bright(capture, values), *_beside_darks(capture, darks)]
    if capture.kind in _LINES:
        checks += _other_lines(capture, others)
    return (*checks, *judge_pattern(capture, values, plan.system))


def _same_camera(capture: Capture, others: Sequence[Capture]) -> list[Check]:
    if not others:
        return []
    first = others[0]
    checks = []
    if first.shape != capture.shape:
        checks.append(
            _exact(
                "rows and columns beside the other captures",
                sum(abs(a - b) for a, b in zip(first.shape, capture.shape, strict=True)),
                f"this capture is {capture.shape[0]} x {capture.shape[1]}, '{first.title}' {first.shape[0]} x "
                f"{first.shape[1]}; set the camera's region as before and repeat it",
            )
        )
    if first.bit_depth != capture.bit_depth:
        checks.append(
            _exact(
                "bits beside the other captures",
                abs(first.bit_depth - capture.bit_depth),
                f"this capture has {capture.bit_depth} bits, '{first.title}' {first.bit_depth}; set the camera's pixel "
                "format as before and repeat it",
            )
        )
    serials = {other.camera_serial for other in others if other.camera_serial} - {capture.camera_serial}
    if capture.camera_serial and serials:
        checks.append(
            _exact(
                "other cameras among the captures",
                len(serials),
                f"this capture comes from camera {capture.camera_serial}, others from {', '.join(sorted(serials))}; "
                "calibrate one camera at a time",
            )
        )
    return checks


def _repeated(capture: Capture, others: Sequence[Capture]) -> list[Check]:
    within = sum(count - 1 for count in Counter(capture.frame_hashes).values())
    shared = {other.title: len({*capture.frame_hashes} & {*other.frame_hashes}) for other in others}
    twin = max(shared, key=lambda title: shared[title], default="")
    repeated = within + (shared[twin] if twin else 0)
    if twin and shared[twin]:
        advice = f"{shared[twin]} of them are frames of '{twin}' too; take this capture anew, in its own light"
    else:
        advice = "the camera gives the same picture again and again; start it anew, and raise its black level above 0"
    check = _exact("frames that are there twice", repeated, advice)
    if capture.kind is CaptureKind.DARK and _one_value(capture.mean):
        advice = "the dark has no noise that steps of this size could show; set more bits, or a higher black level"
        check = check.model_copy(update={"fail_limit": NEVER, "advice": advice})
    return [check]


def _one_value(mean: Array32) -> bool:
    """Whether most pixels always read the same number, as a dark does where the noise is finer than the steps."""
    return bool((np.abs(mean - np.median(mean)) < 1e-3).mean() > ONE_VALUE_SHARE)


def _dark(capture: Capture, others: Sequence[Capture]) -> list[Check]:
    cap = "light reaches the sensor: is the cap on?"
    level = float(np.median(capture.mean))
    share = 100 / capture.full_scale
    checks = [
        Check(
            name="dark level",
            value=share * level,
            unit="% of full scale",
            limit=DARK_PERCENT,
            fail_limit=DARK_FAIL_PERCENT,
            advice=f"{cap} Else lower the camera's black level",
        ),
        Check(
            name="difference between parts of the dark",
            value=share * _structure(capture.mean),
            unit="% of full scale",
            limit=DARK_STRUCTURE_PERCENT,
            fail_limit=DARK_STRUCTURE_FAIL_PERCENT,
            advice=cap,
        ),
    ]
    alike = [o for o in others if o.kind is CaptureKind.DARK and abs(o.gain_db - capture.gain_db) < GAIN_TOLERANCE_DB]
    if alike:
        nearest = min(alike, key=lambda other: abs(other.exposure_us - capture.exposure_us))
        excess = abs(level - float(np.median(nearest.mean)))
        checks.append(
            Check(
                name="dark beside the other darks",
                value=share * excess,
                unit="% of full scale",
                limit=DARK_EXCESS_PERCENT,
                fail_limit=DARK_EXCESS_FAIL_PERCENT,
                advice=f"{cap} One of this and '{nearest.title}' at {exposure_text(nearest.exposure_us)} saw more "
                "light than the other",
            )
        )
    return checks


def _structure(mean: Array32) -> float:
    """How much the medians of tiles differ, in DN: hot pixels do not count."""
    height, width = (side - side % DARK_TILE_PX for side in mean.shape)
    if not height or not width:
        return 0.0
    tiles = mean[:height, :width].reshape(height // DARK_TILE_PX, DARK_TILE_PX, width // DARK_TILE_PX, DARK_TILE_PX)
    medians = np.median(tiles, axis=(1, 3))
    return float(np.percentile(medians, 98) - np.percentile(medians, 2))


def _above_dark(capture: Capture, darks: Sequence[Capture]) -> Array32:
    """The mean less the dark that is nearest in exposure, in DN; less nothing where there is none."""
    if not darks:
        return capture.mean
    return capture.mean - min(darks, key=lambda dark: abs(dark.exposure_us - capture.exposure_us)).mean


def _saturated(capture: Capture) -> Check:
    return Check(
        name="saturated pixels",
        value=100 * capture.saturated_fraction,
        unit="%",
        limit=SATURATED_PERCENT,
        fail_limit=SATURATED_FAIL_PERCENT,
        advice="dim the light or expose shorter, and repeat the capture",
    )


def _bright(capture: Capture, values: Array32) -> Check:
    reached = max(float(np.percentile(values, 99)) / capture.full_scale, 1e-6)
    more = USUAL_FILL / reached
    at = f" (an exposure of {exposure_text(more * capture.exposure_us)})" if capture.exposure_us else ""
    return Check(
        name="brightness above the dark",
        value=100 * reached,
        unit="% of full scale",
        limit=BRIGHT_PERCENT,
        fail_limit=BRIGHT_FAIL_PERCENT,
        higher_is_better=True,
        advice=f"too dark: {more:.3g} times the light{at} would reach {100 * USUAL_FILL:.0f} %",
    )


def _beside_darks(capture: Capture, darks: Sequence[Capture]) -> list[Check]:
    if not darks:
        return []
    gain_off = min(abs(dark.gain_db - capture.gain_db) for dark in darks)
    checks = []
    if gain_off > GAIN_TOLERANCE_DB:
        checks.append(
            Check(
                name="gain beside the darks",
                value=gain_off,
                unit="dB",
                limit=GAIN_TOLERANCE_DB,
                fail_limit=GAIN_TOLERANCE_DB,
                advice=f"take a dark at {capture.gain_db:g} dB, or this capture at the gain of the darks",
            )
        )
    longest = max(capture.exposure_us, 1e-9)
    off = min(abs(dark.exposure_us - capture.exposure_us) for dark in darks) / longest
    if capture.exposure_us and off > EXPOSURE_TOLERANCE:
        checks.append(
            Check(
                name="exposure beside the nearest dark",
                value=100 * off,
                unit="%",
                limit=100 * EXPOSURE_TOLERANCE,
                fail_limit=NEVER,
                advice=f"take a dark at {exposure_text(capture.exposure_us)}",
            )
        )
    nearest = min(darks, key=lambda dark: abs(dark.exposure_us - capture.exposure_us))
    if capture.temperature_c is not None and nearest.temperature_c is not None:
        checks.append(
            Check(
                name="temperature beside the dark",
                value=abs(capture.temperature_c - nearest.temperature_c),
                unit="°C",
                limit=TEMPERATURE_TOLERANCE_C,
                fail_limit=TEMPERATURE_FAIL_C,
                advice=f"the dark was taken at {nearest.temperature_c:.1f} °C, this capture at "
                f"{capture.temperature_c:.1f} °C; let the camera warm up and repeat the colder one",
            )
        )
    return checks


def _other_lines(capture: Capture, others: Sequence[Capture]) -> list[Check]:
    lines = [other.line for other in others if other.kind in _LINES and other.line is not None]
    if capture.line is None or not lines:
        return []
    here = capture.line.wavelength_nm
    nearest = min(lines, key=lambda line: abs(line.wavelength_nm - here))
    return [
        Check(
            name="distance to the nearest other line",
            value=abs(nearest.wavelength_nm - here),
            unit="nm",
            limit=NEAREST_LINE_NM,
            fail_limit=NEAREST_LINE_NM,
            higher_is_better=True,
            advice=f"the line {nearest.title} is there already; remove one of the two, or correct its wavelength",
        )
    ]


def _exact(name: str, value: float, advice: str) -> Check:
    return Check(name=name, value=float(value), unit="", limit=0.0, fail_limit=0.0, advice=advice)
