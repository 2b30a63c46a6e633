"""The calibration file: round trip, what a person finds in it, and every way in which it can be wrong."""

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measured_calibrations import measured_calibration

from livecassi.calibration import (
    Calibration,
    CalibrationError,
    CalibrationHeader,
    CalibrationInvalidError,
    SubSteps,
    System,
)
from livecassi.calibration.checks import Check
from livecassi.calibration.record import CalibrationRecord, CaptureEntry, CurveEntry, LineEntry, SensorEntry
from livecassi.calibration.store import (
    load_calibration,
    load_header,
    read_calibration,
    save_calibration,
    write_calibration,
)


def made(**changes: Any) -> Calibration:
    rng = np.random.default_rng(6)
    header = CalibrationHeader(
        system=System.DD_CASSI,
        sub_steps=SubSteps.TWO_HALVES,
        name="Prüfstand 2",
        created="2026-11-20T10:00:00+00:00",
        camera_serial="A17",
        exposure_us=1500.0,
        bit_depth=12,
        roi=(4, 8, 7, 12),
        quality={"rms_px": 0.08},
    )
    content: dict[str, Any] = {
        "header": header,
        "wavelengths_nm": np.array([450, 480.5, 520], np.float32),
        "mask": rng.random((7, 17), dtype=np.float32),
        "dispersion_px": np.array([0, 1.7, 4.6], np.float32),
        "response": np.array([0.5, 1, 0.9], np.float32),
        "dark": rng.random((7, 12), dtype=np.float32),
        "covariance": np.eye(3, dtype=np.float32),
    }
    return Calibration(**(content | changes))


def test_round_trip(tmp_path: Path) -> None:
    original = made()
    save_calibration(original, tmp_path / "cal.h5")
    loaded = load_calibration(tmp_path / "cal.h5")
    assert loaded.header == original.header
    assert loaded.id == original.id
    assert loaded.arrays().keys() == original.arrays().keys()
    for name, array in original.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], array)
    assert [p.name for p in tmp_path.iterdir()] == ["cal.h5"]


def test_a_person_can_read_it(tmp_path: Path) -> None:
    save_calibration(made(), tmp_path / "cal.h5")
    with h5py.File(tmp_path / "cal.h5") as file:
        assert (file.attrs["system"], file.attrs["sub_steps"]) == ("dd-cassi", "two-halves")
        assert (file.attrs["name"], file.attrs["schema_version"]) == ("Prüfstand 2", 1)
        assert file.attrs["id"] == made().id
        assert "row first" in file.attrs["conventions"]
        assert json.loads(file.attrs["header"])["camera_serial"] == "A17"
        assert {name: item.shape for name, item in file.items()} == {
            "wavelengths_nm": (3,), "mask": (7, 17), "dispersion_px": (3,),
            "response": (3,), "dark": (7, 12), "covariance": (3, 3), "readme": (),
        }  # fmt: skip
        assert "mask(i, n - s_k)" in file["readme"].asstr()[()]
        assert file["dispersion_px"].attrs["unit"] == "camera columns"
        assert all(file[name].attrs["description"] for name in made().arrays())


def measured() -> Calibration:
    """A calibration with a record that is larger than an attribute of HDF5 can be, and with the newer arrays."""
    hashes = tuple(hashlib.sha256(bytes([n % 256, n // 256])).hexdigest() for n in range(1200))
    record = CalibrationRecord(
        operator="Ada",
        captures=(CaptureEntry(kind="dark", frames=1200, frame_hashes=hashes), CaptureEntry(kind="line")),
        lines=(
            LineEntry(wavelength_nm=450, shift_px=0.1, sigma_px=0.02, left_out_px=0.05, name="a"),
            LineEntry(wavelength_nm=532, shift_px=20.4, sigma_px=0.03),
        ),
        curve=CurveEntry(coefficients=(1.0, -2.5), covariance=((1, 0.5), (0.5, 2)), range_nm=(450, 532), rms_px=0.01),
        sensor=SensorEntry(read_noise_dn=2.5),
        checks=(
            Check(name="rms", value=0.3, unit="px", limit=0.1, fail_limit=0.25),
            Check(name="never", value=3, unit="", limit=2, fail_limit=float("inf")),
        ),
        overrides=("rms: continued anyway because of the time",),
    )
    return made(
        header=CalibrationHeader(schema_version=2, system=System.DD_CASSI, bit_depth=12, record=record),
        hot_pixels=np.eye(7, 12, dtype=np.float32),
        psf_px=np.full((3, 2), 0.4, np.float32),
        residuals_px=np.zeros((2, 2, 3), np.float32),
    )


def test_a_measured_calibration_keeps_its_record_and_shows_it_to_anybody(tmp_path: Path) -> None:
    original = measured()
    save_calibration(original, tmp_path / "cal.h5")
    loaded = load_calibration(tmp_path / "cal.h5")
    assert (loaded.id, loaded.header) == (original.id, original.header)
    assert loaded.arrays().keys() == original.arrays().keys()
    assert load_header(tmp_path / "cal.h5") == (original.id, original.header)
    with h5py.File(tmp_path / "cal.h5") as file:
        record = file["record"]
        assert file.attrs["schema_version"] == 2
        np.testing.assert_array_equal(record["curve/coefficients"], [1.0, -2.5])
        np.testing.assert_array_equal(record["curve/covariance"], [[1, 0.5], [0.5, 2]])
        assert record["curve"].attrs["formula"].startswith("s(nm) = sum_t")
        np.testing.assert_array_equal(record["lines/left_out_px"], [0.05, np.nan])
        assert list(record["lines/name"].asstr()) == ["a", ""]
        assert list(record["checks/verdict"].asstr()) == ["fail", "warn"]
        assert record["captures/frame_hashes"].asstr()[0].count("\n") == 1199
        assert record["sensor"].attrs["read_noise_dn"] == 2.5
        assert record.attrs["operator"] == "Ada"


def test_files_of_version_1_open_under_the_id_that_they_always_had(tmp_path: Path) -> None:
    """Written as the first livecassi wrote them."""
    identity = "1f03dc93fe739a787061a44b6e0afd923df7b21c782c7cc0ad1c10508759c2e8"
    header = (
        '{"schema_version":1,"system":"dd-cassi","sub_steps":"two-halves","name":"Prüfstand 1",'
        '"created":"2026-01-02T03:04:05+00:00","notes":"","camera_serial":"A17","exposure_us":1500.0,"gain_db":null,'
        '"bit_depth":12,"temperature_c":null,"roi":[4,8,2,3],"flip_rows":false,"flip_columns":false,'
        '"dispersion_axis":"columns","dispersion_sign":"positive dispersion_px displaces towards larger column '
        'numbers","quality":{"rms_px":0.08}}'
    )
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs.update({"format": "livecassi-calibration", "schema_version": 1, "id": identity, "header": header})
        for name, array in {
            "wavelengths_nm": [450, 480.5],
            "mask": np.linspace(0, 1, 10, dtype=np.float32).reshape(2, 5),
            "dispersion_px": [0, 1.75],
            "response": [0.5, 1],
            "dark": np.full((2, 3), 48),
            "covariance": np.eye(2),
        }.items():
            file[name] = np.asarray(array, np.float32)
    loaded = load_calibration(tmp_path / "old.h5")
    assert loaded.id == identity
    save_calibration(loaded, tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as file:
        assert file.attrs["schema_version"] == 1
        assert file.attrs["header"] == header


def test_a_full_size_calibration_is_compressed_as_any_hdf5_reads_it(tmp_path: Path) -> None:
    wide = made(mask=np.tile(np.float32(0.5), (7, 1017)), dark=None)
    save_calibration(wide, tmp_path / "cal.h5")
    with h5py.File(tmp_path / "cal.h5") as file:
        assert (file["mask"].compression, file["mask"].shuffle) == ("gzip", True)
        assert file["wavelengths_nm"].compression is None
    assert load_calibration(tmp_path / "cal.h5").id == wide.id


@pytest.mark.parametrize("damage", [b"", b"something else entirely, not HDF5"])
def test_a_list_of_files_tells_those_that_are_no_calibrations(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "cal.h5").write_bytes(damage)
    with pytest.raises(CalibrationInvalidError, match="cannot be read"):
        load_header(tmp_path / "cal.h5")


def test_embedded_in_a_group_of_another_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "segment.h5", "w") as file:
        write_calibration(made(), file.create_group("calibration"))
    with h5py.File(tmp_path / "segment.h5") as file:
        assert read_calibration(file["calibration"], "segment.h5").id == made().id


def test_saving_again_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "cal.h5"
    save_calibration(made(), path)
    newer = made(dark=None, covariance=None)
    save_calibration(newer, path)
    assert load_calibration(path).id == newer.id


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"cannot be written to .*nowhere.*choose a folder"):
        save_calibration(made(), tmp_path / "nowhere" / "cal.h5")
    (tmp_path / "cal.h5").mkdir()
    with pytest.raises(CalibrationError, match="cannot be written"):
        save_calibration(made(), tmp_path / "cal.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["cal.h5"]


def edit_header(file: h5py.File, **changes: object) -> None:
    file.attrs["header"] = json.dumps(json.loads(file.attrs["header"]) | changes)


def change_mask(file: h5py.File) -> None:
    file["mask"][2, 3] += 0.125


def replace_mask(file: h5py.File, array: object) -> None:
    del file["mask"]
    file["mask"] = array


EDITS: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "a changed number": (change_mask, "was changed after it was written"),
    "a changed header": (lambda f: edit_header(f, exposure_us=9.0), "was changed after it was written"),
    "a removed dark": (lambda f: f.__delitem__("dark"), "was changed after it was written"),
    "another id": (lambda f: f.attrs.__setitem__("id", "0" * 64), "the file says 000000000000"),
    "a missing mask": (lambda f: f.__delitem__("mask"), r"lacks mask; calibrate"),
    "a missing header": (lambda f: f.attrs.__delitem__("header"), "lacks header"),
    "no format": (lambda f: f.attrs.__delitem__("format"), r"is not a calibration \(format None, expected"),
    "another version": (
        lambda f: f.attrs.__setitem__("schema_version", 3),
        r"has schema version 3, this livecassi reads 1 and 2; update",
    ),
    "an unknown field": (lambda f: edit_header(f, colour="red"), r"header .* is not valid \(colour: Extra inputs"),
    "an unknown system": (lambda f: edit_header(f, system="x-cassi"), r"is not valid \(system:"),
    "broken JSON": (lambda f: f.attrs.__setitem__("header", "{"), r"is not valid \(JSON: Invalid JSON"),
    "numbers for a header": (lambda f: f.attrs.__setitem__("header", 3), r"header .* is not valid"),
    "another type": (lambda f: replace_mask(f, np.ones((7, 17))), r"holds mask \(float64\), expected float32"),
    "text": (lambda f: replace_mask(f, "dots"), r"holds mask \(\|S4\), expected float32"),
    "a group": (lambda f: (f.__delitem__("mask"), f.create_group("mask")), "cannot be read"),
    "NaN": (lambda f: replace_mask(f, np.full((7, 17), np.nan, np.float32)), "array 'mask' holds NaN"),
    "another shape": (lambda f: replace_mask(f, np.ones((7, 4), np.float32)), "too narrow for shifts"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_file_that_was_edited_is_refused(tmp_path: Path, edit: str) -> None:
    change, message = EDITS[edit]
    path = tmp_path / "cal.h5"
    save_calibration(made(), path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(CalibrationInvalidError, match=message):
        load_calibration(path)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInvalidError, match=r"there is no calibration file .*cal\.h5"):
        load_calibration(tmp_path / "cal.h5")
    (tmp_path / "cal.h5").write_text("wavelengths: 450")
    with pytest.raises(CalibrationInvalidError, match="truncated, damaged or not an HDF5 file"):
        load_calibration(tmp_path / "cal.h5")


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999))
def test_truncated_files_are_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cal.h5"
    save_calibration(made(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CalibrationInvalidError, match="cannot be read"):
        load_calibration(path)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the size of a file are needed")
def test_a_disk_that_refuses_to_write_is_one_clear_error_and_no_crash(tmp_path: Path) -> None:
    save_calibration(made(), tmp_path / "old.h5")
    script = (
        "import resource, sys; from pathlib import Path; from livecassi.calibration import CalibrationError\n"
        "from livecassi.calibration.store import load_calibration, save_calibration\n"
        "calibration = load_calibration(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: save_calibration(calibration, Path(sys.argv[1]))\n"
        "except CalibrationError as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "old.h5")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "old.h5 (File too large); choose a folder" in ran.stdout
    assert load_calibration(tmp_path / "old.h5").id == made().id
    assert [path.name for path in tmp_path.iterdir()] == ["old.h5"]


def test_a_temperature_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cal.h5"
    save_calibration(measured_calibration(), path)
    with h5py.File(path, "r+") as file:
        header = json.loads(file["header"][()])
        header["temperature_c"] = math.nan
        del file["header"]
        file.create_dataset("header", data=json.dumps(header))
    with pytest.raises(CalibrationInvalidError, match=r"temperature_c: Input should be a finite number"):
        load_calibration(path)


def test_figures_that_a_file_does_not_know_leave_its_id_as_it_was(tmp_path: Path) -> None:
    calibration = measured_calibration()
    path = tmp_path / "cal.h5"
    save_calibration(calibration, path)
    with h5py.File(path) as file:
        header = json.loads(file["header"][()])
    assert "null" not in json.dumps(header)
    assert header["record"].keys() < set(CalibrationRecord.model_fields)
    assert load_calibration(path).id == calibration.id
