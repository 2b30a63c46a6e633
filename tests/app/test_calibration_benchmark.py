"""The benchmark of the calibration: its figures are measured, its limits bind, its command prints and exits by them."""

import json
import math
from pathlib import Path

import pytest
from commands import Run

from livecassi.app import calibration_benchmark
from livecassi.app.calibration_benchmark import Report, filters, mask_registration, two_captures
from livecassi.app.calibration_trial import Figure, Trial
from livecassi.calibration import System

HEIGHT, WIDTH = 112, 144


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial(System.SD_CASSI, HEIGHT, WIDTH, filters(System.SD_CASSI))


def test_the_procedure_comes_near_to_the_truth(trial: Trial) -> None:
    curve, response = trial.curve("ten filters", 0.05), trial.response()
    assert curve.met
    assert response.value < 3
    assert [figure.met for figure in trial.losses()] == [True, True]


def test_drift_before_the_verification_is_told(trial: Trial) -> None:
    figures = trial.drift_is_told()
    assert max(figure.value for figure in figures) < 0.1, "half as much in scenes of 256 x 256"
    assert all(figure.note.endswith("fail") for figure in figures)


def test_a_turned_and_stretched_mask_is_registered() -> None:
    found = mask_registration(HEIGHT, WIDTH)
    assert found.met
    assert found.value > 0


def test_two_captures_of_the_real_mask_agree(shared: Path) -> None:
    (found,) = two_captures(shared / "data" / "masks")
    assert found.value < 0.2
    assert "row 202.1" in found.note
    assert "column 200.5" in found.note


def test_a_figure_meets_its_limit_or_misses_it() -> None:
    assert Figure("a", 0.05, "px", 0.05).met is True
    assert Figure("a", 0.051, "px", 0.05).met is False
    assert Figure("a", math.inf, "px", 0.05).met is False
    assert Figure("a", 0.3, "px").met is None


@pytest.mark.parametrize(("value", "code"), [(0.01, 0), (0.2, 1)])
def test_the_command_prints_every_figure_and_exits_by_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float, code: int
) -> None:
    report = Report((64, 80), (Figure("curve", value, "px rms", 0.05, "largest 0.3 px"), Figure("other", 7, "s")))
    monkeypatch.setattr(calibration_benchmark, "run_benchmark", lambda *_args, **_more: report)
    outcome = run("benchmark", "calibration", "--size", "64x80", "--json", tmp_path / "figures.json")
    assert outcome.code == code
    assert "missed" in outcome.out if code else "met" in outcome.out
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert [figure["met"] for figure in kept["figures"]] == [not code, None]
