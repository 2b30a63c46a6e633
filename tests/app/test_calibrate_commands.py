"""`livecassi calibrate ...`, run as a person runs it."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from commands import Run
from measured_calibrations import measured_calibration

from livecassi.app.calibrating.draft import Draft
from livecassi.app.calibrating.library import Library
from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.prototype import open_prototype
from livecassi.calibration import System
from livecassi.calibration.store import load_calibration, save_calibration


@pytest.fixture(autouse=True)
def own_calibrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CALIBRATIONS_VARIABLE, str(tmp_path / "calibrations"))
    return tmp_path / "calibrations"


def test_inspect_prints_and_draws(tmp_path: Path, run: Run) -> None:
    save_calibration(measured_calibration(), tmp_path / "cal.h5")
    outcome = run(
        "calibrate", "inspect", tmp_path / "cal.h5", "--plots", tmp_path / "p", "--report", tmp_path / "r.pdf"
    )
    assert outcome.code == 0, outcome.err
    assert "pass  registration 0.042 px rms, allowed 0.1 px rms" in outcome.out
    assert (tmp_path / "p" / "residuals.png").is_file()
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    wrong = run("calibrate", "inspect", tmp_path / "cal.h5", "--report", tmp_path / "r.txt")
    assert (wrong.code, "ending in .pdf" in wrong.err) == (2, True)


def test_versions_diff_and_restore(tmp_path: Path, run: Run) -> None:
    assert "holds no calibrations" in run("calibrate", "versions").err
    first = measured_calibration()
    second = measured_calibration(checks=())
    library = Library()
    library.save(first)
    library.save(second)
    listed = run("calibrate", "versions").out.splitlines()
    assert [line.split()[:2] for line in listed if line.startswith("*")] == [["*", second.id[:8]]]
    assert first.id[:8] in " ".join(listed)
    assert run("calibrate", "restore", first.id[:6]).out.startswith(f"in use: {first.id[:8]} Bench 2")
    active = library.active()
    assert active is not None
    assert active.id == first.id
    assert run("calibrate", "diff", first.id[:8], second.id[:8]).out == "verdict: warn -> pass\n"
    assert run("calibrate", "diff", first.id[:8], first.id[:8]).out == "nothing differs\n"
    assert "no calibration whose id begins with '000000'" in run("calibrate", "restore", "000000").err


@pytest.mark.parametrize("system", ["sd-cassi", "dd-cassi"])
def test_masks_are_exported_for_networks_of_the_field(tmp_path: Path, run: Run, system: str) -> None:
    calibration = measured_calibration(System(system))
    save_calibration(calibration, tmp_path / "cal.h5")
    out = tmp_path / "masks.mat"
    outcome = run("calibrate", "export-masks", tmp_path / "cal.h5", out)
    assert outcome.code == 0, outcome.err
    bands, height, width = calibration.cube_shape
    content = scipy.io.loadmat(out)
    assert content["mask_3d"].shape == (height, width, bands)
    assert content["mask_3d_shift"].shape == (*calibration.measurement_shape, bands)
    np.testing.assert_allclose(content["dispersion_px"][0], calibration.dispersion_px)
    if system == "sd-cassi":
        back = content["mask_3d_shift"][:, 54:, 27]
        np.testing.assert_array_equal(back, content["mask_3d"][..., 27])
        assert np.corrcoef(back.ravel(), calibration.mask.ravel())[0, 1] > 0.9
        imported = run("calibrate", "import", out, "--out", tmp_path / "again.h5", "--key", "mask_3d_shift")
        assert imported.code == 0, imported.err
        assert "(as masks of mst)" in imported.out
        again = load_calibration(tmp_path / "again.h5")
        assert np.corrcoef(again.mask.ravel(), calibration.mask.ravel())[0, 1] > 0.9
    assert run("calibrate", "export-masks", tmp_path / "cal.h5", tmp_path / "masks.npz").code == 0
    with np.load(tmp_path / "masks.npz") as archive:
        np.testing.assert_array_equal(archive["mask_3d"], content["mask_3d"])


def test_masks_of_the_field_are_recognised(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(1)
    scipy.io.savemat(tmp_path / "mask.mat", {"mask": rng.random((40, 40))})
    scipy.io.savemat(tmp_path / "dual.mat", {"binary_mask": (rng.random((40, 102)) > 0.5).astype(np.uint8)})
    np.save(tmp_path / "mask.npy", rng.random((40, 50)))
    single = run("calibrate", "import", tmp_path / "mask.mat", "--out", tmp_path / "s.h5")
    assert "sd-cassi, 28 bands 453.5-648 nm, scene 40 x 40" in single.out
    assert "(as masks of tsa)" in single.out
    dual = run("calibrate", "import", tmp_path / "dual.mat", "--out", tmp_path / "d.h5")
    assert "dd-cassi, 30 bands 410-700 nm, scene 40 x 40" in dual.out
    assert load_calibration(tmp_path / "d.h5").header.sub_steps == "two-halves"
    unknown = run("calibrate", "import", tmp_path / "mask.npy", "--out", tmp_path / "u.h5")
    assert (unknown.code, "--system, or --preset" in unknown.err) == (2, True)
    preset = run(
        "calibrate", "import", tmp_path / "mask.npy", "--preset", "mst", "--step", "1", "--out", tmp_path / "u.h5"
    )
    assert "28 bands" in preset.out
    assert load_calibration(tmp_path / "u.h5").dispersion_px[-1] == 27
    wrong = run("calibrate", "import", tmp_path / "mask.npy", "--preset", "them", "--out", tmp_path / "u.h5")
    assert "expected one of tsa, mst, dynaspec" in " ".join(wrong.err.split())


def test_a_plan_is_printed(run: Run) -> None:
    assert 'system = "ndssi"' in run("calibrate", "plan", "--system", "ndssi").out
    assert run("calibrate", "plan", "--system", "x").code == 2


def test_runs_that_cannot_begin(tmp_path: Path, run: Run) -> None:
    def refused(*arguments: object) -> str:
        outcome = run("calibrate", "run", *arguments)
        assert outcome.code == 2
        return " ".join(outcome.err.replace("│", " ").split())

    plan = tmp_path / "plan.toml"
    plan.write_text('system = "sd-cassi"\n[[line]]\nnm = 500\n[[line]]\nnm = 600\n', "utf-8")
    assert "name a plan to begin with" in refused()
    assert "cannot be read" in refused("--plan", tmp_path / "none.toml")
    assert "choose a name ending in .h5" in refused("--plan", plan, "--out", tmp_path / "x.txt")
    assert "choose one ending in .pdf" in refused("--plan", plan, "--report", tmp_path / "no" / "r.pdf")
    np.save(tmp_path / "frames.npy", np.zeros((2, 8, 9), np.uint16))
    assert "name the files of each step in the plan" in refused(
        "--plan", plan, "--source", tmp_path / "frames.npy", "-y"
    )
    assert "needs a camera and none was named" in refused("--plan", plan)
    assert "is no draft of a calibration" in refused("--resume", tmp_path)
    assert "name the draft with --resume" in refused("--plan", plan, "--repeat", "white")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[[line]]\nnm = 600\nverify = true\n", "lines (it has 1, needed are 2 or more"),
        ("[[line]]\nnm = 600\n[dark]\nframes = 0\n", "leaves out what a fit needs: dark; add it"),
        ('[[line]]\nnm = 600\n[bands]\nwavelengths = "bogus"\n', "'bogus' are not understood"),
    ],
)
def test_a_plan_that_cannot_end_well_is_refused_before_the_first_capture(
    tmp_path: Path, run: Run, own_calibrations: Path, more: str, words: str
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(f'system = "sd-cassi"\n[[line]]\nnm = 500\n{more}', "utf-8")
    outcome = run("calibrate", "run", "--plan", plan, "--source", "prototype", "--size", "96x128", "--yes")
    assert (outcome.code, words in outcome.err) == (2, True), outcome.err
    assert not (own_calibrations / "drafts").exists()


def test_a_run_that_goes_wrong_says_how_to_go_on(tmp_path: Path, run: Run, own_calibrations: Path) -> None:
    plan = tmp_path / "plan.toml"
    lines = "[[line]]\nnm = 500\n[[line]]\nnm = 505\n"
    plan.write_text(f'system = "sd-cassi"\nline_frames = 2\n[dark]\nframes = 2\n{lines}', "utf-8")
    outcome = run("calibrate", "run", "--plan", plan, "--source", "prototype", "--size", "96x128", "--yes")
    assert outcome.code == 2
    assert "dark at" in outcome.err
    (folder,) = (own_calibrations / "drafts").iterdir()
    assert f"Nothing captured is lost: go on with --resume {folder}" in outcome.err
    with Draft.open(folder) as draft:
        assert isinstance(draft.plan, CalibrationPlan)
        assert len(draft.captures) == 12


LINES_NM = (455, 475, 505, 532, 570, 610, 645)


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    lines = "".join(f"[[line]]\nnm = {nm}\n" for nm in LINES_NM)
    path.write_text(f'system = "sd-cassi"\nname = "bench 7"\n{lines}[[line]]\nnm = 546\nverify = true\n', "utf-8")
    return path


def test_a_whole_calibration_from_the_command_line(tmp_path: Path, run: Run, plan_file: Path) -> None:
    outcome = run(
        "calibrate", "run", "--plan", plan_file, "--source", "prototype", "--size", "96x128", "--yes",
        "--report", tmp_path / "r.pdf",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "[20/20]" not in outcome.err
    assert "[18/18] verify 546 nm, 8 frames" in outcome.err
    active = Library().active()
    assert active is not None
    assert (active.name, active.verdict) == ("bench 7", "pass")
    saved = load_calibration(active.path)
    truth = open_prototype(System.SD_CASSI, 96, 128)
    true_px = truth.bench.true_shift_px(saved.wavelengths_nm.astype(float))
    error_px = saved.dispersion_px - (true_px - true_px[0])
    assert np.sqrt(np.mean(error_px**2)) < 0.05
    assert np.corrcoef(saved.mask.ravel(), truth.calibration.mask.ravel())[0, 1] > 0.99
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert saved.id[:12] in outcome.out
