"""What is wrong with one line, or with the white capture, is told: it moved, or other light shone beside it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from bench_captures import Taken, bench_captures

from livecassi.calibration import System
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check, Verdict
from livecassi.calibration.fitting.fit import fit_calibration

LINE = 2  # the laser in the middle of the band of both systems
FARTHEST = "farthest line from where the calibration puts it"
ACROSS = "shift across the dispersion from line to line"
OTHER_LIGHT = "other light beside a line"
WHITE = "white capture across the dispersion, against the lines"


@pytest.fixture(scope="module", params=(System.SD_CASSI, System.DD_CASSI))
def taken(request: pytest.FixtureRequest) -> Taken:
    return bench_captures(request.param)


def fitted(taken: Taken, captures: Sequence[Capture]) -> dict[str, Check]:
    return {check.name: check for check in fit_calibration(captures, taken.settings).checks}


def with_line(taken: Taken, capture: Capture) -> list[Capture]:
    lines = taken.of(CaptureKind.LINE)
    lines[LINE] = capture
    return [*taken.without(CaptureKind.LINE), *lines]


@pytest.mark.parametrize("drift", [(0.5, 0.0), (0.0, 0.5)])
def test_a_bench_that_moved_for_one_line_fails(taken: Taken, drift: tuple[float, float]) -> None:
    checks = fitted(taken, with_line(taken, taken.again(CaptureKind.LINE, drift, LINE)))
    title = taken.of(CaptureKind.LINE)[LINE].title.removeprefix("line ")
    assert checks[FARTHEST].verdict is Verdict.FAIL
    assert checks[FARTHEST].value == pytest.approx(0.5, abs=0.1)
    assert f"px, allowed 0.2 px: {title} lies" in checks[FARTHEST].words
    if drift[1]:
        assert f"{title} lies +0.5" in checks[ACROSS].words
        assert "turn the disperser" not in checks[ACROSS].words


def test_a_line_that_moved_far_is_told_with_its_distance() -> None:
    taken = bench_captures(System.SD_CASSI)
    moved = taken.again(CaptureKind.VERIFY, (9.0, 4.0))
    checks = fitted(taken, [*taken.without(CaptureKind.VERIFY), moved])
    found = [check for name, check in checks.items() if name.startswith("distance")]
    assert [round(check.value) for check in found] == [9, 4]
    assert {check.verdict for check in found} == {Verdict.FAIL}


@pytest.mark.parametrize(("share", "verdict"), [(0.0, Verdict.PASS), (0.05, Verdict.WARN), (0.3, Verdict.FAIL)])
def test_other_light_beside_a_line(taken: Taken, share: float, verdict: Verdict) -> None:
    lines, dark = taken.of(CaptureKind.LINE), taken.of(CaptureKind.DARK)
    own, other = lines[LINE], lines[LINE + 2]
    black = min(dark, key=lambda capture: abs(capture.exposure_us - own.exposure_us)).mean
    both = black + ((own.mean - black) + share * (other.mean - black)) / (1 + share)
    check = fitted(taken, with_line(taken, replace(own, mean=both.astype(np.float32))))[OTHER_LIGHT]
    assert check.verdict is verdict, check.words
    assert check.value < 100 * share + 1
    if share:
        assert own.line is not None
        assert f"beside {own.line.title} light of about" in check.words


@pytest.mark.parametrize(("across", "verdict"), [(0.0, Verdict.PASS), (0.4, Verdict.FAIL)])
def test_a_bench_that_moved_before_the_white_capture(taken: Taken, across: float, verdict: Verdict) -> None:
    moved = taken.again(CaptureKind.WHITE, (0.0, across))
    check = fitted(taken, [*taken.without(CaptureKind.WHITE), moved])[WHITE]
    assert (check.verdict, check.value) == (verdict, pytest.approx(across, abs=0.06))


def test_lines_without_disperser_are_told() -> None:
    taken = bench_captures(System.SD_CASSI)
    lines = taken.of(CaptureKind.LINE)
    still = [replace(lines[0], line=line.line, frame_hashes=line.frame_hashes) for line in lines]
    with pytest.raises(Exception, match=r"all lines lie within 0\.0 px of each other: is the disperser in\?"):
        fitted(taken, [*taken.without(CaptureKind.LINE), *still])


def test_a_mask_that_is_soft_in_one_part() -> None:
    import cv2

    taken = bench_captures(System.DD_CASSI)

    def soft(capture: Capture) -> Capture:
        mean = capture.mean.copy()
        mean[:, 70:] = cv2.GaussianBlur(capture.mean, (0, 0), 1.5)[:, 70:]
        return replace(capture, mean=mean)

    coded = (CaptureKind.MASK, CaptureKind.LINE, CaptureKind.WHITE, CaptureKind.VERIFY)
    checks = fitted(taken, [soft(c) if c.kind in coded else c for c in taken.captures])
    least = checks["contrast of the mask where it is least"]
    assert least.verdict is not Verdict.PASS
    assert "the mask is soft, veiled or covered around row" in least.words
    assert fitted(taken, taken.captures)["contrast of the mask where it is least"].verdict is Verdict.PASS
