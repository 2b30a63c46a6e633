"""Lines of light: presets, the first curve after each capture, and how figures are told."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan
from livecassi.app.calibrating.procedure import capture_step
from livecassi.app.calibrating.rig import SimulatedRig
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.app.windows.wizard.lights import by_urgency, figure_text, short_text, worst_by_name
from livecassi.app.windows.wizard.line_presets import added, farthest_gap_nm, presets
from livecassi.app.windows.wizard.quick_curve import quick_curve
from livecassi.calibration import System
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check
from livecassi.drivers.clock import ManualClock

PLAN = CalibrationPlan(system=System.SD_CASSI)


def test_presets_lie_within_the_band_and_are_added_once() -> None:
    offered = presets(PLAN)
    assert [line.nm for line in offered["Three lasers"]] == [450.0, 532.0, 638.0]
    assert len(offered["Ten filters of 10 nm"]) == 10
    assert all(line.fwhm == 10 for line in offered["Ten filters of 10 nm"])
    assert all(400 < line.nm < 680 for line in offered["Hg-Ne lamp"])
    lines = added(offered["Three lasers"], [LinePlan(nm=532.0), LinePlan(nm=473.0)])
    assert [line.nm for line in lines] == [450.0, 473.0, 532.0, 638.0]
    CalibrationPlan(system=System.SD_CASSI, line=lines)


def test_the_verification_lies_in_the_widest_gap() -> None:
    plan = PLAN.model_copy(update={"line": tuple(LinePlan(nm=nm) for nm in (650.0, 450.0, 460.0, 560.0))})
    assert farthest_gap_nm(plan) == 510.0
    assert 450 < farthest_gap_nm(PLAN) < 650


@pytest.fixture(scope="module", params=[System.SD_CASSI, System.DD_CASSI])
def prototype(request: pytest.FixtureRequest) -> Prototype:
    return open_prototype(request.param, 96, 128, clock=ManualClock())


def captured(prototype: Prototype, wavelengths: Sequence[float]) -> list[Capture]:
    plan = CalibrationPlan(
        system=prototype.calibration.system,
        line_frames=2,
        exposure_us=10_000.0,
        line=tuple(LinePlan(nm=nm) for nm in wavelengths),
    )
    rig = SimulatedRig(prototype)
    captures = []
    for step in plan.steps():
        if step.line is not None:
            rig.prepare(step)
            captures.append(capture_step(step, rig))
    return captures


def test_shifts_grow_with_the_wavelength_in_every_system(prototype: Prototype) -> None:
    nm = (460.0, 500.0, 560.0, 640.0)
    captures = captured(prototype, nm)
    one = quick_curve(captures[:1], prototype.calibration.system)
    assert one.fit is None
    assert [line.shift_px for line in one.lines] == [0.0]
    found = quick_curve(captures, prototype.calibration.system)
    shifts = [line.shift_px for line in found.lines]
    bands = prototype.calibration.wavelengths_nm, prototype.calibration.dispersion_px
    expected = np.interp(nm, *bands)
    assert all(b > a for a, b in itertools.pairwise(shifts))
    np.testing.assert_allclose(shifts, expected - expected[0], atol=0.3)
    assert found.fit is not None
    assert found.lines[-1].left_out_px is not None


def test_known_shifts_are_not_measured_again(prototype: Prototype) -> None:
    captures = captured(prototype, (460.0, 540.0, 620.0))
    first = quick_curve(captures[:2], prototype.calibration.system)
    again = quick_curve(captures, prototype.calibration.system, first.measured)
    assert set(first.measured) < set(again.measured)
    pair = next(iter(first.measured))
    assert again.measured[pair] is first.measured[pair]


def test_a_picture_without_the_mask_is_a_problem_of_its_line(prototype: Prototype) -> None:
    captures = captured(prototype, (460.0, 540.0))
    noise = np.random.default_rng(1).normal(500, 20, captures[1].shape).astype(np.float32)
    blank = type(captures[1])(**{**vars(captures[1]), "mean": noise})
    found = quick_curve([captures[0], blank], prototype.calibration.system)
    assert "correlates" in found.problems[blank.id]
    assert len(found.lines) == 1


def check(name: str, value: float, limit: float, *, higher: bool = False, unit: str = "px") -> Check:
    return Check(
        name=name,
        value=value,
        unit=unit,
        limit=limit,
        fail_limit=limit / 2 if higher else limit * 2,
        higher_is_better=higher,
    )


def test_lights_tell_number_and_threshold_most_urgent_first() -> None:
    fine, near, warned, failed = (
        check("fine", 0.001, 0.1),
        check("near", 0.09, 0.1),
        check("warned", 0.12, 0.1),
        check("failed", 0.3, 0.9, higher=True, unit="% of full scale"),
    )
    assert by_urgency([fine, near, warned, failed]) == [failed, warned, near, fine]
    assert figure_text(failed) == "0.3 % (at least 0.9)"
    assert short_text(warned) == "0.12 > 0.1 px · warned"
    assert short_text(near) == "0.09 ≤ 0.1 px · near"
    assert worst_by_name([check("rms", 0.01, 0.1), check("rms", 0.4, 0.1)])[0].value == 0.4
    assert "nan" in figure_text(check("lost", float("nan"), 0.1))
