"""What one capture is judged by: every kind of bad input is recognised, with its number and its limit."""

from dataclasses import replace

import numpy as np
import pytest
from captures import HEIGHT, WIDTH, capture_of, mask_picture

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.calibrating.procedure import judge_capture
from livecassi.calibration import System
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check, Verdict, worst

PLAN = CalibrationPlan(system=System.SD_CASSI)
MASK = mask_picture()
DARK = capture_of(CaptureKind.DARK, frames=8)
FLAT = capture_of(CaptureKind.FLAT, 2500.0)
LINE = capture_of(CaptureKind.LINE, 2700 * MASK, nm=532.0)
WHITE = capture_of(CaptureKind.WHITE, 1500.0 + 300 * MASK)
GOOD = [DARK, FLAT, capture_of(CaptureKind.MASK, 2700 * MASK, seed=3), LINE, WHITE]


def judged(capture: Capture, *others: Capture, plan: CalibrationPlan = PLAN) -> dict[str, Check]:
    return {check.name: check for check in judge_capture(capture, others or GOOD, plan)}


@pytest.mark.parametrize("capture", GOOD, ids=lambda capture: capture.title)
def test_good_captures_pass(capture: Capture) -> None:
    assert worst(judge_capture(capture, GOOD, PLAN)) is Verdict.PASS


def test_saturated_pixels() -> None:
    check = judged(capture_of(CaptureKind.FLAT, 4100.0))["saturated pixels"]
    assert (check.verdict, round(check.value)) == (Verdict.FAIL, 100)
    one = np.full((HEIGHT, WIDTH), 2000.0)
    one[:2, :3] = 5000.0
    few = judged(capture_of(CaptureKind.FLAT, one))["saturated pixels"]
    assert few.verdict is Verdict.WARN
    assert "allowed 0.01 %: dim the light" in few.words
    hot = one - 2000.0
    assert "saturated pixels" not in judged(capture_of(CaptureKind.DARK, hot))


def test_too_dark_says_how_much_more_light() -> None:
    check = judged(capture_of(CaptureKind.LINE, 41.0 * MASK, nm=600.0))["brightness above the dark"]
    assert check.verdict is Verdict.FAIL
    assert "needed at least 10 % of full scale: too dark: 6" in check.words
    assert "ms) would reach 70 %" in check.words
    assert judged(capture_of(CaptureKind.FLAT, 250.0))["brightness above the dark"].verdict is Verdict.WARN


def test_a_dark_that_saw_light() -> None:
    bright = judged(capture_of(CaptureKind.DARK, 800.0))
    assert {name for name, check in bright.items() if check.verdict is Verdict.FAIL} == {
        "dark level",
        "dark beside the other darks",
    }
    assert "light reaches the sensor: is the cap on?" in bright["dark level"].words
    through_the_mask = np.zeros((HEIGHT, WIDTH))
    through_the_mask[:, 64:] = 120.0
    leak = judged(capture_of(CaptureKind.DARK, through_the_mask), FLAT)
    assert leak["difference between parts of the dark"].verdict is Verdict.FAIL
    assert "dark beside the other darks" not in leak


def test_a_blurred_mask_is_warned_of_where_masks_are_random() -> None:
    soft_mask = capture_of(CaptureKind.MASK, 500 + 2000 * MASK)
    soft = judged(soft_mask)["contrast of the mask"]
    assert (soft.verdict, soft.words.endswith(": focus the camera on the mask, and keep stray light away")) == (
        Verdict.WARN,
        True,
    )
    flat_mask = capture_of(CaptureKind.MASK, 2000 + 300 * MASK)
    comb = CalibrationPlan(system=System.PMVIS)
    assert "contrast of the mask" not in judged(flat_mask, plan=comb)
    broad = capture_of(CaptureKind.LINE, 2000 + 300 * MASK, nm=600.0, fwhm=10.0)
    assert "contrast of the mask" not in judged(broad)


def test_a_bench_in_the_wrong_state() -> None:
    smeared = 1500.0 + 300 * MASK
    still = judged(capture_of(CaptureKind.MASK, smeared))["contrast of the mask"]
    assert still.verdict is Verdict.FAIL
    assert "needed at least 0.8: is the mask in, and the disperser out? Else focus" in still.words
    white_light = judged(capture_of(CaptureKind.LINE, smeared, nm=600.0))["contrast of the mask"]
    assert white_light.verdict is Verdict.FAIL
    assert "does this line shine alone?" in white_light.words
    flat = judged(capture_of(CaptureKind.FLAT, smeared))["structure of the flat from pixel to pixel"]
    assert flat.verdict is Verdict.FAIL
    assert "is the mask out?" in flat.words
    for bare in (capture_of(CaptureKind.WHITE, 2000.0), capture_of(CaptureKind.LINE, 2000.0, nm=600.0, fwhm=10.0)):
        check = judged(bare)["structure of the mask from pixel to pixel"]
        assert check.verdict is Verdict.FAIL
        assert "needed at least 6 %: hardly any pattern is seen: is the mask in" in check.words
    comb = CalibrationPlan(system=System.NDSSI)
    assert "structure of the mask from pixel to pixel" not in judged(capture_of(CaptureKind.WHITE, 2000.0), plan=comb)


def test_a_covered_part_of_the_mask() -> None:
    covered = MASK.copy()
    covered[:40, :48] = np.where(mask_picture(5)[:40, :48] > 0.5, 1.0, np.where(MASK[:40, :48] > 0.5, 1.0, 0.02))
    names = judged(capture_of(CaptureKind.MASK, 2700 * covered))
    check = names["share of open mask in the worst tile, away from one half"]
    assert check.verdict is Verdict.WARN
    assert check.value > 0.1


def test_the_same_frames_twice_fail() -> None:
    again = replace(LINE, line=replace(LINE.line, wavelength_nm=600.0) if LINE.line else None)
    check = judged(again)["frames that are there twice"]
    assert (check.verdict, check.value) == (Verdict.FAIL, 6)
    assert "frames of 'line 532 nm' too" in check.words
    frozen = capture_of(CaptureKind.LINE, 2700 * MASK, nm=600.0, noise=0.0)
    within = judged(frozen)["frames that are there twice"]
    assert (within.verdict, within.value) == (Verdict.FAIL, 5)
    assert "same picture again and again" in within.words


def test_a_dark_whose_noise_is_finer_than_the_steps_of_the_camera_is_only_warned_of() -> None:
    even = judged(capture_of(CaptureKind.DARK, noise=0.0))["frames that are there twice"]
    assert (even.verdict, even.value) == (Verdict.WARN, 5)
    assert "set more bits, or a higher black level" in even.words
    frozen = judged(capture_of(CaptureKind.DARK, np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 17, noise=0.0))
    assert frozen["frames that are there twice"].verdict is Verdict.FAIL


@pytest.mark.parametrize(("columns", "verdict"), [(0, Verdict.PASS), (1, Verdict.FAIL), (17, Verdict.FAIL)])
def test_a_moving_bench(columns: int, verdict: Verdict) -> None:
    moving = capture_of(CaptureKind.LINE, 2700 * MASK, nm=600.0, moved=columns)
    assert judged(moving)["motion during the capture"].verdict is verdict


def test_motion_is_only_told_where_there_is_something_to_see() -> None:
    assert "motion during the capture" not in judged(capture_of(CaptureKind.WHITE, 2000.0))
    assert "motion during the capture" not in judged(capture_of(CaptureKind.LINE, 2700 * MASK, nm=600.0, frames=1))


def test_settings_unlike_those_of_the_darks() -> None:
    longer = judged(capture_of(CaptureKind.FLAT, 2500.0, exposure_us=30_000.0))
    assert longer["exposure beside the nearest dark"].verdict is Verdict.WARN
    assert "take a dark at 30 ms" in longer["exposure beside the nearest dark"].words
    louder = judged(capture_of(CaptureKind.FLAT, 2500.0, gain_db=6.0))
    assert louder["gain beside the darks"].verdict is Verdict.FAIL
    cold = capture_of(CaptureKind.DARK, temperature_c=22.0)
    warm = judged(capture_of(CaptureKind.FLAT, 2500.0, temperature_c=28.5), cold)["temperature beside the dark"]
    assert (warm.verdict, warm.value) == (Verdict.WARN, 6.5)


def test_a_line_that_is_there_already() -> None:
    near = capture_of(CaptureKind.LINE, 2700 * MASK, nm=532.1, seed=9)
    check = judged(near)["distance to the nearest other line"]
    assert check.verdict is Verdict.FAIL
    assert "0.1 nm, needed at least 0.2 nm: the line 532 nm is there already" in check.words


def test_another_camera_or_another_region() -> None:
    other = replace(FLAT, camera_serial="B", bit_depth=10, captured="later")
    ours = [replace(capture, camera_serial="A") for capture in GOOD]
    found = judged(other, *ours)
    assert "comes from camera B, others from A" in found["other cameras among the captures"].words
    assert found["bits beside the other captures"].verdict is Verdict.FAIL
    smaller = replace(FLAT, mean=FLAT.mean[:90], noise=None, halves=None, captured="later")
    assert (
        "this capture is 90 x 128, 'dark' 96 x 128"
        in judged(smaller)["rows and columns beside the other captures"].words
    )
