"""Files that people bring: every kind read right, every fault one clear message."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livecassi.drivers.errors import SourceError, SourceLostError, SourceNotFoundError, SourceUnsupportedError
from livecassi.drivers.frame_files import FileFrames
from livecassi.drivers.opencv import cv2
from livecassi.drivers.replay import Replay

RNG = np.random.default_rng(20)
STACK = RNG.integers(0, 4000, (4, 37, 31)).astype(np.uint16)
STACK[2, 3, 4] = 4000
MEASURED = (STACK / 4000 - 0.01).astype(np.float64)


def save_v73(path: Path, **arrays: np.ndarray) -> None:
    """As MATLAB writes it: 512 bytes before HDF5, axes reversed, a class on every dataset."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            item = file.create_dataset(name, data=array.T)
            item.attrs["MATLAB_class"] = np.bytes_({"f8": "double", "f4": "single"}.get(array.dtype.str[1:], "uint16"))
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(512))


def save_png(path: Path, array: np.ndarray) -> None:
    assert cv2.imwrite(str(path), array)


WRITERS: dict[str, Callable[[Path, np.ndarray], object]] = {
    "v5.mat": lambda path, array: scipy.io.savemat(path, {"meas": array}),
    "v5z.mat": lambda path, array: scipy.io.savemat(path, {"meas": array}, do_compression=True),
    "v4.mat": lambda path, array: scipy.io.savemat(path, {"meas": array}, format="4"),
    "v73.mat": lambda path, array: save_v73(path, meas=array),
    "plain.npy": np.save,
    "plain.tif": lambda path, array: tifffile.imwrite(path, array, photometric="minisblack"),
    "deflate.tiff": lambda path, array: tifffile.imwrite(
        path, array, photometric="minisblack", compression="zlib", rowsperstrip=7
    ),
    "grey.png": save_png,
}
SEQUENCES = [name for name in WRITERS if name not in ("v4.mat", "grey.png")]


@pytest.mark.parametrize("name", WRITERS)
def test_one_frame_of_digital_numbers(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path, STACK[2])
    frames = FileFrames(path)
    assert (len(frames), frames.info.frame_shape, frames.info.bit_depth, frames.info.title) == (1, (37, 31), 12, name)
    frame = frames.frame(0)
    np.testing.assert_array_equal(frame.pixels, STACK[2])
    assert (frame.pixels.dtype, frame.bit_depth, frame.index) == (np.uint16, 12, 0)


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_keeps_its_order_and_axes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path, STACK)
    frames = FileFrames(path)
    assert len(frames) == 4
    for position in range(4):
        np.testing.assert_array_equal(frames.frame(position).pixels, STACK[position])


@pytest.mark.parametrize("name", [name for name in SEQUENCES if name != "grey.png"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floating_point_measurements_are_taken_as_they_are(tmp_path: Path, name: str, kind: type) -> None:
    path = tmp_path / name
    WRITERS[name](path, MEASURED.astype(kind))
    frame = FileFrames(path).frame(3)
    assert (frame.pixels.dtype, frame.bit_depth, frame.saturated_fraction()) == (np.float32, 0, None)
    np.testing.assert_array_equal(frame.pixels, MEASURED[3].astype(np.float32))


def test_pages_written_one_by_one_are_a_sequence(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "pages.tif") as writer:
        for picture in STACK:
            writer.write(picture)
    frames = FileFrames(tmp_path / "pages.tif")
    np.testing.assert_array_equal([frames.frame(k).pixels for k in range(4)], STACK)


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number, picture in zip((1, 2, 10, 11), STACK, strict=True):
        save_png(tmp_path / f"frame{number}.png", picture)
    (tmp_path / "notes.txt").write_text("lamp on")
    (tmp_path / ".hidden.png").write_bytes(b"")
    frames = FileFrames(tmp_path)
    assert len(frames) == 4
    np.testing.assert_array_equal([frames.frame(k).pixels for k in range(4)], STACK)
    assert [f.index for f in Replay(frames, frame_rate_hz=None).frames(_never())] == [0, 1, 2, 3]


def test_a_file_of_a_folder_that_vanishes_is_lost(tmp_path: Path) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", STACK[number])
    delivered = Replay(FileFrames(tmp_path), frame_rate_hz=None).frames(_never())
    next(delivered)
    (tmp_path / "1.npy").unlink()
    with pytest.raises(SourceLostError, match=r"frame 2 of 3.*1\.npy does not exist"):
        next(delivered)


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4096, 14), (16384, 16), (65535, 16)]
)
def test_bit_depth_is_the_smallest_that_holds_the_maximum(tmp_path: Path, largest: int, bits: int) -> None:
    pixels = np.zeros((2, 5, 7), np.uint16)
    pixels[1, 2, 3] = largest
    np.save(tmp_path / "a.npy", pixels)
    assert FileFrames(tmp_path / "a.npy").info.bit_depth == bits


def test_bit_depth_given_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, STACK)
    assert FileFrames(path, bit_depth=14).frame(0).full_scale == 16383
    with pytest.raises(SourceUnsupportedError, match=r"up to 4000.*do not fit a depth of 10 bits"):
        FileFrames(path, bit_depth=10)
    np.save(path, MEASURED)
    with pytest.raises(SourceUnsupportedError, match="have no bit depth"):
        FileFrames(path, bit_depth=12)


def test_whole_numbers_of_other_types_are_digital_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for kind in ("<i8", ">u2", "<i4", "|u1"):
        np.save(path, (STACK[0] // 16).astype(kind))
        frame = FileFrames(path).frame(0)
        assert frame.pixels.dtype == (np.uint8 if kind == "|u1" else np.uint16)
        np.testing.assert_array_equal(frame.pixels, STACK[0] // 16)
    np.save(path, np.asfortranarray(STACK[0]))
    assert FileFrames(path).frame(0).pixels.flags.c_contiguous


def test_keys_of_mat_files(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    other = np.ones((5, 6))
    scipy.io.savemat(path, {"dark": other, "y": MEASURED[0], "meas_real": MEASURED[1], "note": "x"})
    np.testing.assert_array_equal(FileFrames(path).frame(0).pixels, MEASURED[1].astype(np.float32))
    assert FileFrames(path, key="dark").info.frame_shape == (5, 6)
    scipy.io.savemat(path, {"bands": np.arange(28.0), "step": 2, "snapshot": STACK, "label": "lab", "s": {"a": 1}})
    assert len(FileFrames(path)) == 4  # vectors, text and structures are no pictures
    scipy.io.savemat(path, {"first": other, "second": other})
    with pytest.raises(SourceUnsupportedError, match=r"first double \(5, 6\), second double \(5, 6\); expected one na"):
        FileFrames(path)
    with pytest.raises(SourceUnsupportedError, match="has no array 'third', it holds first double"):
        FileFrames(path, key="third")
    save_v73(tmp_path / "b.mat", first=other, second=STACK[1])
    assert FileFrames(tmp_path / "b.mat", key="second").info.frame_shape == (37, 31)
    np.save(tmp_path / "c.npy", other)
    with pytest.raises(SourceUnsupportedError, match=r"\.npy file, which has no named arrays; leave out key 'x'"):
        FileFrames(tmp_path / "c.npy", key="x")


def _npy(array: np.ndarray) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / "a.npy", array)


REFUSED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "complex": ("a.npy", _npy(STACK[0] * 1j), "of type complex128, expected real or whole numbers"),
    "text": ("a.npy", _npy(np.array([["a", "b"]])), "of type <U1"),
    "truth": ("a.npy", _npy(STACK[0] > 9), "of type bool"),
    "one dimension": ("a.npy", _npy(STACK[0, 0]), r"shape \(31,\), expected one frame"),
    "four dimensions": ("a.npy", _npy(STACK[None]), r"shape \(1, 4, 37, 31\)"),
    "no pixels": ("a.npy", _npy(STACK[:0]), r"shape \(0, 37, 31\)"),
    "NaN": ("a.npy", _npy(np.where(STACK == 4000, np.nan, MEASURED)), "frame 2 of .*holds NaN"),
    "too large": ("a.npy", _npy(np.full((3, 4), 1e300)), "frame 0 of .*holds NaN or infinite"),
    "negative": (
        "a.npy",
        _npy(STACK[0].astype(np.int32) - 9 - STACK[0].min()),
        r"spans -9\.\..*expected digital numbers",
    ),
    "pickle": ("a.npy", lambda folder: np.save(folder / "a.npy", np.array([{}]), allow_pickle=True), "cannot be read"),
    "empty file": ("a.npy", lambda folder: (folder / "a.npy").touch(), "is empty"),
    "archive": (
        "a.npy",
        lambda folder: (np.savez(folder / "a.npz", a=STACK), (folder / "a.npz").rename(folder / "a.npy")),
        "is a .npz archive",
    ),
    "ending": ("a.txt", lambda folder: (folder / "a.txt").write_text("1 2"), r"ends in '.txt', expected one of .mat"),
    "colour png": ("a.png", lambda folder: save_png(folder / "a.png", np.ones((3, 4, 3), np.uint8)), "colour picture"),
    "colour tif": (
        "a.tif",
        lambda folder: tifffile.imwrite(folder / "a.tif", np.ones((3, 4, 3), np.uint8), photometric="rgb"),
        "marked as a colour picture",
    ),
    "complex mat": (
        "a.mat",
        lambda folder: scipy.io.savemat(folder / "a.mat", {"y": STACK[0] * 1j}),
        "is complex, expected real",
    ),
    "text mat": ("a.mat", lambda folder: scipy.io.savemat(folder / "a.mat", {"y": "text"}), "'y' .*is char"),
    "empty mat": ("a.mat", lambda folder: scipy.io.savemat(folder / "a.mat", {}), "holds nothing; expected one named"),
    "flat mat": ("a.mat", lambda folder: scipy.io.savemat(folder / "a.mat", {"v": np.ones(9)}), r"holds v double"),
    "empty folder": (".", lambda folder: (folder / "notes.txt").write_text(""), "holds no frames; expected files"),
    "mixed sizes": (
        ".",
        lambda folder: (np.save(folder / "a.npy", STACK[0]), np.save(folder / "b.npy", STACK[0, 1:])),
        r"b\.npy holds uint16 frames of shape \(36, 31\), .*a\.npy uint16 of \(37, 31\)",
    ),
    "mixed types": (
        ".",
        lambda folder: (np.save(folder / "a.npy", STACK[0]), np.save(folder / "b.npy", MEASURED[0])),
        "b.npy holds float32 frames",
    ),
    "mixed pages": (
        "a.tif",
        lambda folder: (
            tifffile.imwrite(folder / "a.tif", STACK[0]),
            tifffile.imwrite(folder / "a.tif", STACK[0, 1:], append=True),
        ),
        "pages of sizes",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused_says_why(tmp_path: Path, fault: str) -> None:
    name, make, message = REFUSED[fault]
    make(tmp_path)
    with pytest.raises(SourceError, match=message):
        FileFrames(tmp_path / name)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"a\.mat does not exist; give a file ending in"):
        FileFrames(tmp_path / "a.mat")


@pytest.mark.parametrize("name", WRITERS)
def test_truncated_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    WRITERS[name](path, STACK[0])
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(SourceUnsupportedError, match=r"cannot be read|holds nothing"):
            FileFrames(path)


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "v73.mat"])  # HDF5 itself is not fuzzed here
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(damage=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8), cut=st.floats(0, 1))
def test_damaged_files_give_frames_or_one_error(
    tmp_path: Path, name: str, damage: list[tuple[float, int]], cut: float
) -> None:
    path = tmp_path / name
    WRITERS[name](path, STACK[0, :9, :7])
    data = bytearray(path.read_bytes())
    head = min(len(data), 400)  # where lengths, types and offsets live
    for position, value in damage:
        data[int(position * (head - 1))] = value
    path.write_bytes(data[: max(1, int(len(data) * min(1.0, cut * 2)))])
    with contextlib.suppress(SourceError):  # nothing else may come out
        frames = FileFrames(path)
        for position in range(min(3, len(frames))):
            assert frames.frame(position).shape == frames.info.frame_shape


def test_real_measurements(shared: Path) -> None:
    frames = FileFrames(shared / "data" / "real_measurements")
    assert (len(frames), frames.info.frame_shape, frames.info.bit_depth) == (5, (660, 714), 0)
    assert all(frames.frame(k).pixels.max() == pytest.approx(1.0) for k in range(5))


def test_opencv_leaves_the_plugins_of_qt_alone() -> None:
    code = (
        "import os; os.environ['QT_QPA_FONTDIR'] = 'mine'; from livecassi.drivers.opencv import cv2; "
        "assert os.environ['QT_QPA_FONTDIR'] == 'mine'; assert 'QT_QPA_PLATFORM_PLUGIN_PATH' not in os.environ"
    )
    environment = {"PATH": "", "LANG": "C.UTF-8"}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


class _Never:
    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        return False


def _never() -> _Never:
    return _Never()
