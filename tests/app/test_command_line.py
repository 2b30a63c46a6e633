"""The command line from end to end, in this process: what it writes, says, and with which exit code it ends."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from commands import Run

from livecassi.app.recording import Recording

TSA_28 = "tsa28"
ROWS, COLUMNS = 48, 40


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    pattern = np.random.default_rng(0).random((ROWS, COLUMNS)).astype(np.float32)
    scipy.io.savemat(tmp_path / "mask.mat", {"mask": pattern})
    return tmp_path / "mask.mat"


@pytest.fixture
def calibration(run: Run, mask: Path, tmp_path: Path) -> Path:
    out = tmp_path / "calibration.h5"
    outcome = run("calibrate", "import", mask, "--system", "sd-cassi", "--wavelengths", "450:640:10", "--out", out)
    assert outcome.code == 0, outcome.err
    assert f"frames {ROWS} x {COLUMNS + 38}" in outcome.out
    return out


@pytest.fixture
def scene() -> np.ndarray:
    """A smooth scene of 20 bands."""
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS] / 10
    bands = np.arange(20)[:, None, None] / 8
    return (0.5 + 0.2 * np.sin(rows + bands) + 0.2 * np.cos(columns - bands)).astype(np.float32)


@pytest.fixture
def measurement(scene: np.ndarray, mask: Path, tmp_path: Path) -> Path:
    pattern = scipy.io.loadmat(mask)["mask"]
    measured = np.zeros((ROWS, COLUMNS + 38), np.float32)
    for band, picture in enumerate(scene):
        measured[:, 2 * band : 2 * band + COLUMNS] += pattern * picture
    np.save(tmp_path / "measurement.npy", measured)
    return tmp_path / "measurement.npy"


def test_help_names_every_command(run: Run) -> None:
    outcome = run("--help")
    assert outcome.code == 0
    for command in (
        "view",
        "simulate",
        "record",
        "reconstruct",
        "evaluate",
        "calibrate",
        "recording",
        "benchmark",
        "engines",
        "doctor",
    ):
        assert command in outcome.out


def test_help_imports_nothing_heavy() -> None:
    heavy = ["numpy", "cv2", "h5py", "numba", "scipy", "torch", "harvesters", "PySide6", "pydantic", "openvino"]
    code = (
        "import sys\nfrom livecassi.app.command_line import main\nsys.argv = ['livecassi', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"sys.exit(' '.join(m for m in {heavy!r} if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_thread_left_behind_does_not_hold_up_the_end_and_files_are_finished(tmp_path: Path) -> None:
    written = tmp_path / "written"
    code = f"""
import atexit, pathlib, sys, threading, time
from livecassi.app.command_line import main
atexit.register(lambda: print("ended by the interpreter"))
never = threading.Event()
def write():
    time.sleep(0.5)  # longer than the command takes
    pathlib.Path({str(written)!r}).write_text("whole")
threading.Thread(target=write).start()
left = sys.argv[1] == "left"
if left:
    threading.Thread(target=never.wait, name="livecassi-reconstruction", daemon=True).start()
sys.argv = ["livecassi", "engines", "--no-such-option"]
main()
"""
    for left in (True, False):
        written.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", code, "left" if left else "none"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert "--no-such-option" in done.stderr
        assert written.read_text() == "whole"
        assert ("ended by the interpreter" in done.stdout) != left


def test_a_measurement_becomes_cubes_that_score_well(
    run: Run, calibration: Path, measurement: Path, scene: np.ndarray, tmp_path: Path
) -> None:
    out, truth = tmp_path / "cubes.h5", tmp_path / "truth.npy"
    np.save(truth, scene)
    preview = tmp_path / "sheet.png"
    outcome = run("reconstruct", measurement, "--calibration", calibration, "--out", out, "--preview", preview)
    assert outcome.code == 0, outcome.err
    assert preview.read_bytes().startswith(b"\x89PNG")
    with h5py.File(out) as file:
        assert file["cube"].shape == (1, 20, ROWS, COLUMNS)
        assert file["cube"].dtype == np.float32
        np.testing.assert_allclose(file["wavelengths_nm"], np.arange(450, 641, 10))
        assert file.attrs["engine"] == "gap-tv"
        assert len(file.attrs["calibration_id"]) == 64
    scored = run("evaluate", out, "--truth", truth, "--json")
    assert scored.code == 0, scored.err
    report = json.loads(scored.out)
    assert report["psnr"] > 28
    assert set(report["flavours"]) == {"plain", "dynaspec", "mst"}
    assert report["psnr"] == report["flavours"]["plain"]["psnr"]


def test_floating_point_measurements_are_taken_as_they_are(
    run: Run, calibration: Path, measurement: Path, tmp_path: Path
) -> None:
    tenfold = tmp_path / "tenfold.npy"
    np.save(tenfold, 10 * np.load(measurement))
    for name, measured in (("one.h5", measurement), ("ten.h5", tenfold)):
        assert (
            run("reconstruct", measured, "-c", calibration, "--out", tmp_path / name, "-o", "iterations=20").code == 0
        )
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "ten.h5") as ten:
        np.testing.assert_allclose(ten["cube"][:], 10 * one["cube"][:], rtol=1e-3, atol=1e-3)


def test_simulate_info_and_reconstruct_give_what_the_bench_saw(run: Run, tmp_path: Path) -> None:
    recording, truth, cubes = tmp_path / "recording", tmp_path / "truth.h5", tmp_path / "cubes.h5"
    simulated = run(
        "simulate", "--out", recording, "--truth", truth, "--frames", 3, "--size", "64x80", "--system", "dd-cassi"
    )
    assert simulated.code == 0, simulated.err
    info = run("recording", "info", recording, "--json")
    report = json.loads(info.out)
    assert (report["frames_readable"], report["dropped"], report["gaps"]) == (3, 0, [])
    assert run("reconstruct", recording, "--out", cubes, "--frames", "1:3").code == 0
    with h5py.File(cubes) as found, h5py.File(truth) as true:
        assert found["cube"].shape == (2, 30, 64, 80)
        assert true["cube"].shape == (3, 30, 64, 80)
        assert found.attrs["calibration_id"] == report["calibration_id"]
        np.testing.assert_array_equal(found["frame_index"][:], true["frame_index"][1:])


def test_frames_are_scored_against_the_truth_of_the_same_frame(run: Run, tmp_path: Path) -> None:
    recording, truth, cubes = tmp_path / "recording", tmp_path / "truth.h5", tmp_path / "cubes.h5"
    run("simulate", "--out", recording, "--truth", truth, "--frames", 4, "--size", "64x72", "--rate", 2)
    run("reconstruct", recording, "--out", cubes, "--frames", "2:4", "-o", "iterations=10")
    paired = json.loads(run("evaluate", cubes, "--truth", truth, "--json").out)
    with h5py.File(truth) as file:
        np.save(tmp_path / "right.npy", file["cube"][2:4])
    by_hand = json.loads(run("evaluate", cubes, "--truth", tmp_path / "right.npy", "--json").out)
    assert paired["frames"] == 2
    assert paired["psnr"] == by_hand["psnr"]
    assert paired["st_rred"] == by_hand["st_rred"]
    assert paired["st_rred"]["definition"] == "livecassi"
    assert paired["st_rred"]["product"] > 0
    table = run("evaluate", cubes, "--truth", truth).out
    assert "LPSNR(16)" in table
    assert f"ST-RRED: {paired['st_rred']['product']:.3f} (spatial" in table


def test_frames_that_are_missing_are_told_and_a_black_band_has_no_ergas(run: Run, tmp_path: Path) -> None:
    recording, truth, cubes = tmp_path / "recording", tmp_path / "truth.h5", tmp_path / "cubes.h5"
    run("simulate", "--out", recording, "--truth", truth, "--frames", 4, "--size", "64x72", "--rate", 2)
    run("reconstruct", recording, "--out", cubes, "-o", "iterations=2")
    whole = json.loads(run("evaluate", cubes, "--truth", truth, "--json").out)
    for path in (cubes, truth):
        with h5py.File(path, "a") as file:
            file["frame_index"][3] = 7
    with h5py.File(truth, "a") as file:
        file["cube"][0, 3] = 0
    report = json.loads(run("evaluate", cubes, "--truth", truth, "--json").out)
    assert (whole["st_rred"]["pairs"], report["st_rred"]["pairs"]) == (3, 2)
    assert report["st_rred"]["temporal"] != whole["st_rred"]["temporal"]
    assert report["ergas"] is None
    table = run("evaluate", cubes, "--truth", truth)
    assert table.code == 0, table.err
    assert "1 pair(s) of neighbours left out, with frames missing between them" in table.out
    assert "ERGAS: needs bands of the truth with a mean above 0" in table.out


def test_truth_of_other_frames_or_bands_is_refused(run: Run, tmp_path: Path) -> None:
    recording, truth, cubes = tmp_path / "recording", tmp_path / "truth.h5", tmp_path / "cubes.h5"
    run("simulate", "--out", recording, "--truth", truth, "--frames", 3, "--size", "64x72")
    run("reconstruct", recording, "--out", cubes, "-o", "iterations=2")
    with h5py.File(cubes, "a") as file:
        file["frame_index"][1] = 77
    frames = run("evaluate", cubes, "--truth", truth)
    assert frames.code == 2
    assert "no truth for frame 77 (1 of 3" in frames.err
    with h5py.File(cubes, "a") as file:
        file["frame_index"][1] = 1
        file["wavelengths_nm"][4] += 3
    bands = run("evaluate", cubes, "--truth", truth)
    assert bands.code == 2
    assert "453 nm" in bands.err
    assert "450 nm" in bands.err


def test_the_same_seed_simulates_the_same_frames(run: Run, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert run("simulate", "--out", tmp_path / name, "--frames", 2, "--size", "64x72", "--seed", 5).code == 0
    with Recording(tmp_path / "first") as first, Recording(tmp_path / "second") as second:
        assert first.calibration is not None
        assert second.calibration is not None
        assert first.calibration.id == second.calibration.id
        for a, b in zip(first.frames(), second.frames(), strict=True):
            np.testing.assert_array_equal(a.pixels, b.pixels)


def test_record_keeps_as_many_frames_as_asked_for_and_cubes(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "recording"
    outcome = run("record", "--out", out, "--frames", 60, "--size", "64x72", "--rate", 60, "--cubes")
    assert outcome.code == 0, outcome.err
    report = json.loads(run("recording", "info", out, "--json").out)
    assert (report["frames_readable"], report["dropped"], report["complete"]) == (60, 0, True)
    assert report["engine"]["name"] == "live"
    with Recording(out) as recording:
        assert recording.cube_count >= 1
        assert recording.cube(0).values.shape == (30, 64, 72)


def test_engines_and_doctor_speak_json(run: Run) -> None:
    engines = json.loads(run("engines", "--json").out)
    assert engines[0]["name"] == "gap-tv"
    assert engines[0]["missing"] == ""
    assert json.loads(run("engines", "hsra-s", "--json").out)[0]["name"] == "hsra-s"
    lines = {line.split()[0]: line for line in run("engines").out.splitlines() if line.strip()}
    assert "ready" in lines["gap-tv"]
    assert "no weights" in lines["hsra-dum-4+sdp"]
    assert "option   iterations=" in run("engines", "gap-tv").out
    refused = run("engines", "wishful")
    assert refused.code == 2
    assert "choose one of: gap-tv" in refused.err
    checks = json.loads(run("doctor", "--json").out)
    assert {"Python", "GPU", "cameras"} <= {check["topic"] for check in checks}


def broken_measurements(tmp_path: Path, good: Path) -> dict[str, tuple[Path, tuple[str, ...]]]:
    """Every kind of bad input by name, with words that its message must hold."""
    measured = np.load(good)
    files: dict[str, tuple[Path, tuple[str, ...]]] = {}

    def put(name: str, array: np.ndarray, *words: str) -> None:
        np.save(tmp_path / f"{name}.npy", array)
        files[name] = (tmp_path / f"{name}.npy", words)

    put("narrow", measured[:, :-1], f"{ROWS} x {COLUMNS + 37}", f"{ROWS} x {COLUMNS + 38}", "choose the calibration")
    put("four-dimensional", measured[None, None], "shape", "expected")
    put("complex", measured.astype(np.complex64), "complex", "expected")
    hole = measured.copy()
    hole[3, 4] = np.nan
    put("hole", hole, "NaN", "expected")
    truncated = tmp_path / "truncated.npy"
    truncated.write_bytes(good.read_bytes()[:-500])
    files["truncated"] = (truncated, ("truncated", "again"))
    scipy.io.savemat(tmp_path / "keyless.mat", {"a": measured, "b": measured})
    files["keyless"] = (tmp_path / "keyless.mat", ("a single", "b single", "key"))
    files["absent"] = (tmp_path / "absent.npy", ("absent.npy", "does not exist"))
    return files


def test_bad_measurements_end_with_one_clear_message_and_leave_no_file(
    run: Run, calibration: Path, measurement: Path, tmp_path: Path
) -> None:
    for name, (path, words) in broken_measurements(tmp_path, measurement).items():
        out = tmp_path / f"{name}-cubes.h5"
        outcome = run("reconstruct", path, "-c", calibration, "--out", out)
        assert outcome.code == 2, (name, outcome)
        assert outcome.err.startswith("livecassi: "), (name, outcome.err)
        assert "Traceback" not in outcome.err
        for word in words:
            assert word in outcome.err, (name, word, outcome.err)
        assert not out.exists(), name


def test_unknown_engine_option_and_calibration_are_refused(
    run: Run, calibration: Path, measurement: Path, tmp_path: Path
) -> None:
    def refused(*arguments: object) -> str:
        outcome = run("reconstruct", measurement, "--out", tmp_path / "cubes.h5", *arguments)
        assert outcome.code == 2, outcome
        return " ".join(outcome.err.split())

    assert "choose one of: gap-tv" in refused("-c", calibration, "--engine", "wishful")
    assert "its options are" in refused("-c", calibration, "-o", "speed=9")
    assert "iterations=many" in refused("-c", calibration, "-o", "iterations=many")
    assert "--calibration" in refused()
    assert "calibrate import" in refused()
    assert "not an HDF5 file" in refused("-c", measurement)
    broken = tmp_path / "broken.h5"
    broken.write_bytes(calibration.read_bytes()[:2000])
    assert "again" in refused("-c", broken)


def test_a_calibration_of_another_system_or_size_is_refused(
    run: Run, mask: Path, measurement: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5"
    made = run("calibrate", "import", mask, "--system", "dd-cassi", "--wavelengths", "450:640:10", "--out", other)
    assert made.code == 0, made.err
    outcome = run("reconstruct", measurement, "-c", other, "--out", tmp_path / "cubes.h5")
    assert outcome.code == 2
    assert "dd-cassi" in outcome.err


def test_bad_masks_and_wavelengths_are_refused(run: Run, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "calibration.h5"
    too_narrow = run("calibrate", "import", mask, "--system", "dd-cassi", "--wavelengths", "400:700:5", "--out", out)
    assert too_narrow.code == 2
    assert "wider mask" in too_narrow.err
    descending = run("calibrate", "import", mask, "--system", "sd-cassi", "--wavelengths", "700,500", "--out", out)
    assert descending.code == 2
    unknown = run("calibrate", "import", mask, "--system", "xd-cassi", "--out", out)
    assert unknown.code == 2
    assert "sd-cassi" in unknown.err
    assert not out.exists()


def test_nothing_recorded_is_overwritten(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "recording"
    assert run("simulate", "--out", out, "--frames", 1, "--size", 64).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for command in ("simulate", "record"):
        refused = run(command, "--out", out, "--frames", 1, "--size", 64)
        assert refused.code == 2
        assert str(out) in refused.err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_outputs_never_replace_their_inputs(
    run: Run, mask: Path, calibration: Path, measurement: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in (mask, calibration, measurement)}
    imported = ("calibrate", "import", mask, "--system", "sd-cassi", "--out")
    cubes = ("reconstruct", measurement, "-c", calibration, "--out")
    for command, words in (
        ((*imported, mask), "choose a name ending in .h5"),
        ((*cubes, measurement), "choose a name ending in .h5"),
        ((*cubes, calibration), "would be written into the input"),
        ((*cubes, tmp_path / "none" / "cubes.h5"), "in a folder that is not there"),
        ((*cubes, tmp_path / "cubes.h5", "--preview", measurement), "choose a name ending in .png"),
        ((*cubes, tmp_path / "cubes.h5", "--preview", tmp_path / "none" / "sheet.png"), "that is not there"),
    ):
        refused = run(*command)
        assert refused.code == 2, refused
        assert words in refused.err
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "cubes.h5").exists()
    recording = tmp_path / "recording"
    assert run("simulate", "--out", recording, "--frames", 1, "--truth", tmp_path / "none" / "t.h5").code == 2
    assert not recording.exists()


def test_a_given_pedestal_is_said_to_be_given(run: Run, calibration: Path, measurement: Path, tmp_path: Path) -> None:
    cubes = ("reconstruct", measurement, "-c", calibration, "-o", "iterations=2", "--out", tmp_path / "cubes.h5")
    given = run(*cubes, "--pedestal", "0.01")
    assert given.code == 0, given.err
    assert "0.0100 of full scale removed as asked" in given.out
    assert given.err == ""  # no progress where there is no terminal
    assert run(*cubes, "--pedestal", "nan").code == 2


def test_the_scores_of_a_perfect_cube_are_valid_json(run: Run, scene: np.ndarray, tmp_path: Path) -> None:
    truth = tmp_path / "truth.npy"
    np.save(truth, scene)
    outcome = run("evaluate", truth, "--truth", truth, "--json")
    assert outcome.code == 0, outcome.err
    assert not {"Infinity", "NaN"} & set(outcome.out.replace(",", " ").split())
    report = json.loads(outcome.out)
    assert report["psnr"] is None
    assert report["lpsnr8"] == report["flavours"]["mst"]["lpsnr16"] == pytest.approx(100)
    assert report["st_rred"] is None
    assert "ST-RRED: needs at least two frames" in run("evaluate", truth, "--truth", truth).out


def test_numbers_that_make_no_sense_are_refused(run: Run, mask: Path, tmp_path: Path) -> None:
    for command in (
        ("simulate", "--seed", -1),
        ("record", "--frames", 0),
        ("record", "--seconds", -3),
        ("record", "--frames", 2, "--engine", "gap-tv"),  # of which nothing would be kept
        ("view", "--seconds", "nan"),
        ("calibrate", "import", mask, "--system", "sd-cassi", "--step", 1e9),
    ):
        out = tmp_path / ("out.h5" if command[0] == "calibrate" else "out")
        outcome = run(*command, *(() if command[0] == "view" else ("--out", out)))
        assert outcome.code == 2, outcome
        assert not out.exists()


def test_evaluate_refuses_what_does_not_belong_together(
    run: Run, scene: np.ndarray, measurement: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "truth.npy", scene)
    np.save(tmp_path / "short.npy", scene[:-1])
    outcome = run("evaluate", tmp_path / "short.npy", "--truth", tmp_path / "truth.npy")
    assert outcome.code == 2
    assert "(19, 48, 40), the truth (20, 48, 40)" in outcome.err
    assert run("evaluate", measurement, "--truth", tmp_path / "truth.npy").code == 2
    assert run("evaluate", tmp_path / "absent.h5", "--truth", tmp_path / "truth.npy").code == 2


def test_sources_that_do_not_exist_are_refused(run: Run, tmp_path: Path) -> None:
    absent = run("record", "--out", tmp_path / "recording", tmp_path / "absent")
    assert absent.code == 2
    assert "expected 'prototype'" in absent.err
    no_producer = run("record", "camera", "--out", tmp_path / "recording", "--producer", tmp_path / "absent.cti")
    assert no_producer.code == 2
    assert not (tmp_path / "recording").exists()
