"""The view through which unclosed files are read: checked against what HDF5 itself writes."""

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from livecassi.app.recording.superblock import OpenFile, lookup3, mended


def test_the_checksum_is_that_of_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        file["values"] = np.arange(3000)
    data = (tmp_path / "a.h5").read_bytes()
    assert lookup3(data[:44]) == struct.unpack_from("<I", data, 44)[0]
    assert mended(data[:48], len(data)) == data[:48]


@pytest.mark.parametrize(("text", "value"), [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)])
def test_the_checksum_gives_its_authors_published_values(text: bytes, value: int) -> None:
    assert lookup3(text) == value


def test_a_file_left_open_for_writing_reads_as_it_stands(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        values = file.create_dataset("values", (0,), np.int32, maxshape=(None,), chunks=(50,))
        file.swmr_mode = True
        values.resize((70,))
        values[:] = np.arange(70)
        values.flush()
        (tmp_path / "left.h5").write_bytes((tmp_path / "a.h5").read_bytes())
    with pytest.raises(OSError, match="h5clear"):
        h5py.File(tmp_path / "left.h5", "r")
    with OpenFile(tmp_path / "left.h5") as found:
        assert found["values"][:].tolist() == list(range(70))


def test_an_old_format_is_read_as_hdf5_does(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=("earliest", "v108")) as file:
        file["values"] = [3, 4]
    with OpenFile(tmp_path / "a.h5") as found:
        assert found["values"][:].tolist() == [3, 4]
