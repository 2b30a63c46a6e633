"""`livecassi calibrate check`: its figures, its exit codes, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from livecassi.app.commands.calibrate_check import check
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.calibration import CalibrationMismatchError, System
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.capture import Line
from livecassi.calibration.store import save_calibration
from livecassi.drivers import SourceSettings
from livecassi.drivers.clock import ManualClock


@pytest.fixture(scope="module")
def bench() -> Prototype:
    return open_prototype(System.DD_CASSI, 200, 248, clock=ManualClock())


@pytest.fixture(scope="module")
def calibration(bench: Prototype, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calibration") / "bench.h5"
    save_calibration(bench.calibration, path)
    return path


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def frames(bench: Prototype, state: BenchState, folder: Path, count: int = 1) -> Path:
    bench.set_state(state)
    settings = bench.source.configure(SourceSettings())
    stack = np.stack([bench.source.expose(index, settings).pixels for index in range(count)])
    np.save(folder / "frames.npy", stack)
    return folder / "frames.npy"


@pytest.mark.parametrize(
    ("drift", "code", "word"), [((0.0, 0.02), 0, "pass"), ((0.0, 0.16), 1, "warn"), ((0.0, -0.5), 1, "fail")]
)
def test_a_scene(
    bench: Prototype, calibration: Path, tmp_path: Path, drift: tuple[float, float], code: int, word: str
) -> None:
    told = run(frames(bench, BenchState(drift_px=drift), tmp_path), "--calibration", calibration)
    assert told.exit_code == code, told.output
    assert told.output.rstrip().endswith(word)
    across = float(told.output.split("Across the dispersion: ")[1].split(" ")[0])
    assert across == pytest.approx(drift[1], abs=0.04)


def test_white_and_a_line(bench: Prototype, calibration: Path, tmp_path: Path) -> None:
    state = BenchState(target=Target.WHITE, level=0.3)
    told = run(frames(bench, state, tmp_path, 3), "-c", calibration, "--white")
    assert (told.exit_code, "white, frames: 3" in told.output) == (0, True)
    lit = replace(state, line=Line(600.0), level=0.8, drift_px=(0.5, 0.0))
    told = run(frames(bench, lit, tmp_path, 12), "-c", calibration, "--line", 600)
    assert (told.exit_code, "line, frames: 8" in told.output) == (1, True)
    assert "Along the dispersion: +0.4" in told.output or "Along the dispersion: +0.5" in told.output


def test_what_cannot_be_told_does_not_pass(bench: Prototype, calibration: Path, tmp_path: Path) -> None:
    told = run(frames(bench, BenchState(mask_in=False), tmp_path), "-c", calibration)
    assert (told.exit_code, "cannot tell. The scene is too dark" in told.output) == (1, True)


def test_the_simulated_bench_passes_with_its_own_calibration_and_refuses_that_of_another_camera(
    calibration: Path,
) -> None:
    assert run("prototype", "--size", "200x248").exit_code == 0
    assert run("prototype", "--size", "200x248", "-c", calibration).exit_code == 0
    refused = run("prototype", "--size", "200x248", "--seed", 1, "-c", calibration)
    assert isinstance(refused.exception, CalibrationMismatchError)
    assert "serial number SIMULATED-1, calibrated was SIMULATED-0" in str(refused.exception)


def test_contradicting_options_are_refused() -> None:
    assert run("prototype", "--white", "--line", 546).exit_code == 2
