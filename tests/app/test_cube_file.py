"""Files of cubes: written as they come, whole or not at all; and truths that people bring."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from livecassi.app.cube_file import CubeFile, read_truth, write_cubes
from livecassi.app.recording import RecordingError
from livecassi.engines import Cube, Quantity

WAVELENGTHS_NM = np.array([450.0, 500.5, 610.25], np.float32)


def cube(index: int, shape: tuple[int, int, int] = (3, 19, 26)) -> Cube:
    values = np.random.default_rng(index).random(shape).astype(np.float32)
    return Cube(values, WAVELENGTHS_NM, "c" * 64, "gap-tv", index, quantity=Quantity.REFLECTANCE)


def test_cubes_come_back_bit_for_bit_with_their_attributes(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    sent = [cube(index) for index in (4, 5, 9)]
    assert write_cubes(path, iter(sent), attributes={"input": "scene 1", "pedestal": 0.25, "iterations": 80}) == 3
    assert [file.name for file in tmp_path.iterdir()] == ["out.h5"]
    with CubeFile(path) as found:
        assert found.shape == (3, 3, 19, 26)
        assert found.frame_indices.tolist() == [4, 5, 9]
        assert np.array_equal(found.wavelengths_nm, WAVELENGTHS_NM)
        assert found.attributes["input"] == "scene 1"
        assert found.attributes["pedestal"] == 0.25
        assert found.attributes["iterations"] == 80
        assert found.attributes["livecassi_version"]
        assert str(found.attributes["created"]).endswith("+00:00")
        for position, one in enumerate(sent):
            back = found.cube(position)
            assert np.array_equal(back.values, one.values)
            assert (back.frame_index, back.engine, back.quantity) == (one.frame_index, "gap-tv", Quantity.REFLECTANCE)
        with pytest.raises(IndexError, match="holds 3"):
            found.cube(3)
    with h5py.File(path) as file:
        assert file["cube"].dtype == np.float32
        assert file["cube"].compression is None  # opens in every HDF5 reader


def test_the_spread_of_cubes_is_kept_and_cubes_without_are_not_mixed_in(tmp_path: Path) -> None:
    sent = [replace(cube(index), spread=cube(10 + index).values) for index in range(2)]
    write_cubes(tmp_path / "out.h5", iter(sent))
    with CubeFile(tmp_path / "out.h5") as found:
        for position, one in enumerate(sent):
            np.testing.assert_array_equal(found.cube(position).spread, one.spread)
    for mixed in ([sent[0], cube(1)], [cube(0), sent[1]]):
        with pytest.raises(RecordingError, match="cubes of one kind"):
            write_cubes(tmp_path / "mixed.h5", iter(mixed))
    write_cubes(tmp_path / "plain.h5", iter([cube(0)]))
    with CubeFile(tmp_path / "plain.h5") as plain:
        assert plain.cube(0).spread is None


@pytest.mark.parametrize("fault", [RuntimeError("engine"), KeyboardInterrupt()])
def test_a_run_that_ends_early_leaves_no_file_and_its_own_error(tmp_path: Path, fault: BaseException) -> None:
    def cubes() -> Iterator[Cube]:
        yield cube(0)
        raise fault

    with pytest.raises(type(fault)) as caught:
        write_cubes(tmp_path / "out.h5", cubes())
    assert caught.value is fault
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    write_cubes(path, [cube(1)])
    with pytest.raises(RecordingError, match=r"there are no cubes to write"):
        write_cubes(path, [])
    with CubeFile(path) as found:
        assert np.array_equal(found.cube(0).values, cube(1).values)


def test_cubes_of_two_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"cube 1 has shape \(3, 9, 26\), the first \(3, 19, 26\)"):
        write_cubes(tmp_path / "out.h5", [cube(0), cube(1, (3, 9, 26))])
    with pytest.raises(RecordingError, match=r"expected \(C, H, W\) and \(C,\)"):
        write_cubes(tmp_path / "out.h5", [cube(0, (4, 9, 26))])
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_hold_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"in a folder that is not there"):
        write_cubes(tmp_path / "none" / "out.h5", [cube(0)])
    with pytest.raises(RecordingError, match=r"is a folder; expected the name of a file"):
        write_cubes(tmp_path, [cube(0)])


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the size of a file are needed")
def test_a_disk_that_refuses_to_write_is_one_clear_error(tmp_path: Path) -> None:
    script = (
        "import resource, sys; import numpy as np; from pathlib import Path\n"
        "from livecassi.app.cube_file import write_cubes; from livecassi.app.recording import RecordingError\n"
        "from livecassi.engines import Cube\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "cubes = (Cube(np.ones((3, 70, 90), np.float32), np.arange(3, dtype=np.float32), '', 'x') for _ in range(9))\n"
        "try: write_cubes(Path(sys.argv[1]), cubes)\n"
        "except RecordingError as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.h5")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "out.h5 cannot be written (File too large); choose a folder" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_files_that_hold_no_cubes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"there is no file .*make one with 'livecassi reconstruct'"):
        CubeFile(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1, 2]
    with pytest.raises(RecordingError, match=r"other\.h5 cannot be read.*make or copy it again"):
        CubeFile(tmp_path / "other.h5")


def test_a_file_of_cubes_cut_anywhere_is_refused(tmp_path: Path) -> None:
    write_cubes(tmp_path / "whole.h5", [cube(0)])
    data = (tmp_path / "whole.h5").read_bytes()
    path = tmp_path / "cut.h5"
    for cut in range(0, len(data), 997):
        path.write_bytes(data[:cut])
        with pytest.raises(RecordingError, match=r"cut\.h5"):
            CubeFile(path)
        with pytest.raises(RecordingError, match=r"cut\.h5"):
            read_truth(path)


@pytest.mark.parametrize("name", ["truth.npy", "truth.h5", "cube.h5", "stack.hdf5"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_truths_are_read_as_a_sequence(tmp_path: Path, name: str, dtype: type) -> None:
    path = tmp_path / name
    values = cube(3).values.astype(dtype)
    for stored, count in ((values, 1), (np.stack([values, values[:, ::-1]]), 2)):
        if path.suffix == ".npy":
            np.save(path, stored)
        else:
            with h5py.File(path, "w") as file:
                file[path.stem] = stored
                file["wavelengths_nm"] = WAVELENGTHS_NM
        found = read_truth(path)
        assert found.shape == (count, 3, 19, 26)
        assert found.dtype == np.float32
        assert np.array_equal(found, np.asarray(stored, np.float32).reshape(found.shape))


def test_what_reconstruct_writes_can_be_scored(tmp_path: Path) -> None:
    write_cubes(tmp_path / "out.h5", [cube(0), cube(1)])
    assert np.array_equal(read_truth(tmp_path / "out.h5")[1], cube(1).values)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a.npy", np.ones((3, 4)), r"shape \(3, 4\), expected \(C, H, W\)"),
        ("a.npy", np.ones((1, 2, 3, 4, 5)), r"expected \(C, H, W\) or \(N, C, H, W\)"),
        ("a.npy", np.ones((0, 4, 5)), r"shape \(0, 4, 5\)"),
        ("a.npy", np.ones((2, 4, 5), np.uint16), r"holds uint16, expected floating-point"),
        ("a.npy", np.ones((2, 4, 5), complex), r"holds complex128, expected floating-point"),
        ("a.npy", np.full((2, 4, 5), np.nan), r"holds NaN or infinite"),
        ("a.npy", np.array([{}]), r"cannot be read"),
        ("a.tif", np.ones((2, 4, 5)), r"ends in '\.tif', expected \.npy or \.h5"),
    ],
)
def test_a_truth_that_cannot_be_one_is_refused(tmp_path: Path, name: str, array: np.ndarray, message: str) -> None:
    with (tmp_path / name).open("wb") as file:
        np.save(file, array, allow_pickle=True)
    with pytest.raises(RecordingError, match=message):
        read_truth(tmp_path / name)


def test_a_truth_that_is_missing_or_ambiguous_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"there is no file"):
        read_truth(tmp_path / "none.npy")
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["first"] = np.ones((2, 4, 5))
        file["second"] = np.ones((2, 4, 5))
    with pytest.raises(RecordingError, match=r"has the datasets first, second; expected one called 'cube' or 'truth'"):
        read_truth(tmp_path / "two.h5")
