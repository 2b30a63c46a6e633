"""The plan: which captures it asks for, what the fit is told, and every way in which a file can be wrong."""

from pathlib import Path

import numpy as np
import pytest

from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan, StepPlan
from livecassi.app.calibrating.plan_file import load_plan, parse_plan
from livecassi.app.calibrating.plan_text import example_plan
from livecassi.calibration import CalibrationInvalidError, System
from livecassi.calibration.capture import CaptureKind

LINES = (LinePlan(nm=450), LinePlan(nm=532, verify=True), LinePlan(nm=600, exposure_us=20_000, frames=3))


def titles(plan: CalibrationPlan) -> list[str]:
    return [step.title for step in plan.steps()]


def test_a_dark_for_every_exposure_in_use() -> None:
    plan = CalibrationPlan(
        system=System.SD_CASSI, line=LINES, exposure_us=6000, flat=StepPlan(exposures_us=(2000, 8000))
    )
    assert titles(plan) == [
        "dark at 2 ms", "dark at 6 ms", "dark at 8 ms", "dark at 20 ms", "flat at 2 ms", "flat at 8 ms",
        "mask", "line 450 nm", "line 600 nm", "white", "verify 532 nm",
    ]  # fmt: skip
    steps = plan.steps()
    assert [step.frames for step in steps[-4:]] == [8, 3, 8, 8]
    assert {step.exposure_us for step in steps if step.kind is CaptureKind.DARK} == {
        step.exposure_us for step in steps if step.kind is not CaptureKind.DARK
    }
    assert [step.optional for step in steps[6:]] == [True, False, False, False, True]


def test_flats_for_the_photon_transfer_fill_the_sensor_by_steps() -> None:
    flats = [
        step
        for step in CalibrationPlan(system=System.DD_CASSI, exposure_us=6000).steps()
        if step.kind is CaptureKind.FLAT
    ]
    np.testing.assert_allclose([step.exposure_us for step in flats], [6000, 1500, 3500, 8500])
    np.testing.assert_allclose([step.fill for step in flats], [0.6, 0.15, 0.35, 0.85])


def test_an_open_exposure_is_put_in_before_the_first_capture() -> None:
    plan = CalibrationPlan(system=System.SD_CASSI, line=LINES)
    assert titles(plan)[:2] == ["dark at 20 ms", "flat"]
    assert titles(plan.at_exposure(5000))[:2] == ["dark at 1.25 ms", "dark at 2.92 ms"]


def test_captures_that_are_left_out_and_views_of_a_chart() -> None:
    plan = CalibrationPlan(
        system=System.SD_CASSI,
        exposure_us=5000,
        flat=StepPlan(exposures_us=(5000,)),
        mask=StepPlan(frames=0),
        chart=StepPlan(frames=2),
    )
    assert titles(plan) == ["dark at 5 ms", "flat at 5 ms", "chart, view 1", "chart, view 2", "white"]


def test_instructions_say_what_to_do() -> None:
    by_kind = {
        step.kind: step for step in CalibrationPlan(system=System.SD_CASSI, line=LINES, exposure_us=5000).steps()
    }
    assert "cap" in by_kind[CaptureKind.DARK].instruction
    assert "600 nm" in by_kind[CaptureKind.LINE].instruction
    assert by_kind[CaptureKind.LINE].instruction.endswith(
        "At 20 ms the brightest pixels should read about 70 % of full scale."
    )
    assert "mask out" in by_kind[CaptureKind.FLAT].instruction


@pytest.mark.parametrize(
    ("system", "first", "last"),
    [(System.SD_CASSI, 450, None), (System.DD_CASSI, 410, 700), (System.PMVIS, 410, None), (System.NDSSI, 410, None)],
)
def test_the_usual_bands_of_a_system(system: System, first: float, last: float | None) -> None:
    choice = CalibrationPlan(system=system).fit_settings().bands
    found = choice.wavelengths_nm
    if last is None:
        assert (choice.first_nm, choice.step_px, found) == (first, 2.0, None)
    else:
        assert found is not None
        assert (found[0], found[-1], len(found)) == (first, last, 30)


def test_bands_and_design_reach_the_fit(tmp_path: Path) -> None:
    np.save(tmp_path / "design.npy", np.eye(20, 30))
    text = 'system = "sd-cassi"\ndesign = "design.npy"\noperator = "Ada"\n'
    text += "[bands]\nfirst_nm = 455\nstep_px = 1.5\ncount = 9\n"
    settings = parse_plan(text, tmp_path / "plan.toml").fit_settings("abc", ("why",))
    assert (settings.bands.first_nm, settings.bands.step_px, settings.bands.count) == (455, 1.5, 9)
    assert settings.design is not None
    np.testing.assert_array_equal(settings.design, np.eye(20, 30))
    assert (settings.operator, settings.parent_id, settings.overrides) == ("Ada", "abc", ("why",))
    listed = parse_plan('system = "sd-cassi"\n[bands]\nwavelengths = "450,470.5"', tmp_path / "p").fit_settings()
    assert listed.bands.wavelengths_nm == (450, 470.5)


def test_paths_are_relative_to_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'system = "sd-cassi"\ndesign = "d.png"\n[mask]\nframes_from = "m"\n[[line]]\nnm = 500\nframes_from = "/l"\n',
        "utf-8",
    )
    plan = load_plan(path)
    assert plan.design == tmp_path / "d.png"
    assert plan.mask.frames_from == tmp_path / "m"
    assert plan.line[0].frames_from == Path("/l")


@pytest.mark.parametrize("system", list(System))
def test_the_example_is_a_plan(system: System, tmp_path: Path) -> None:
    plan = parse_plan(example_plan(system), tmp_path / "plan.toml")
    assert plan.system is system
    assert sum(line.verify for line in plan.line) == 1
    bands = plan.fit_settings().bands
    first = bands.first_nm if bands.wavelengths_nm is None else bands.wavelengths_nm[0]
    assert min(line.nm for line in plan.line) - first <= 5  # a line at the blue end
    assert CalibrationPlan(system=system).fit_settings().bands == bands


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 3\nsystem = x\n", r"is no TOML: .*line 2"),
        ("", r"wrong at 'system': Field required"),
        ('system = "x"', r"wrong at 'system': Input should be .*, found 'x'"),
        ('system = "sd-cassi"\ncolour = 1', r"wrong at 'colour': Extra inputs"),
        (
            'system = "sd-cassi"\n[[line]]\nnm = 500\n[[line]]\nnm = -3',
            r"wrong at 'line\.2\.nm': .*greater than 100, found -3",
        ),
        ('system = "sd-cassi"\n[[line]]\nnm = 500\n[[line]]\nnm = 500', r"the line 500 nm is there twice"),
        ('system = "sd-cassi"\nexposure_us = nan', r"wrong at 'exposure_us'"),
        ('system = "sd-cassi"\ngain_db = nan', r"wrong at 'gain_db'"),
        ('system = "sd-cassi"\ncurve_terms = 1', r"wrong at 'curve_terms': .*greater than or equal to 2, found 1"),
        ('system = "sd-cassi"\nmedium = "water"', r"wrong at 'medium': Input should be 'air' or 'vacuum'"),
    ],
)
def test_wrong_plans_are_refused_with_the_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(CalibrationInvalidError, match=message):
        load_plan(path)


def test_letters_that_no_file_can_hold_become_spaces(tmp_path: Path) -> None:
    text = 'system = "sd-cassi"\nname = "a\\u0000b\\nc"\nnotes = "one\\ntw\\u0000o"'
    text += '\n[[line]]\nnm = 500\nname = "H\\u0007g"'
    plan = parse_plan(text, tmp_path / "plan.toml")
    assert (plan.name, plan.notes, plan.line[0].name) == ("a b c", "one\ntw o", "H g")


def test_contradicting_bands_and_missing_plans(tmp_path: Path) -> None:
    both = 'system = "sd-cassi"\n[bands]\nwavelengths = "tsa28"\ncount = 3'
    with pytest.raises(CalibrationInvalidError, match="wavelengths and also first_nm or count"):
        parse_plan(both, tmp_path / "p").fit_settings()
    with pytest.raises(CalibrationInvalidError, match=r"cannot be read.*livecassi calibrate plan"):
        load_plan(tmp_path / "none.toml")
