"""The published data sets: recognised by their files, read in order, refused by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scene_files import counts, save_png, save_v5, save_v73, smooth_scene

from livecassi.calibration.import_mask import TSA28_NM
from livecassi.drivers.opencv import cv2
from livecassi.engines.datasets import (
    DatasetError,
    DatasetKind,
    MeasurementSet,
    SceneFrame,
    open_dataset,
    open_scenes,
    resample_bands,
)

TSA = np.array(TSA28_NM, np.float32)
NM_151 = np.arange(400.0, 701.0, 2.0)
SAVERS = {"v5": save_v5, "v7.3": save_v73}


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.parametrize(
    ("kind", "key", "shape", "full_scale", "wavelengths"),
    [
        (DatasetKind.KAIST_TRUTH, "img", (256, 256, 28), 1, TSA),
        (DatasetKind.KAIST_CVPR2021, "HSI", (27, 33, 28), 1, TSA),
        (DatasetKind.CAVE_512_28, "data_slice", (15, 12, 28), 65535, TSA),
        (DatasetKind.CAVE_1024_28, "img_expand", (12, 17, 28), 65536, TSA),
        (DatasetKind.CAVE_1024_28, "img", (12, 17, 28), 65536, TSA),
    ],
)
def test_a_file_is_a_scene(
    tmp_path: Path,
    save: Callable[..., None],
    kind: DatasetKind,
    key: str,
    shape: tuple[int, int, int],
    full_scale: int,
    wavelengths: NDArray[np.float32],
) -> None:
    rows, columns, bands = shape
    stored = {}
    for number in (10, 9):
        scene = smooth_scene(bands, rows, columns, number)
        stored[f"scene{number}"] = scene if full_scale == 1 else counts(scene)
        save(tmp_path / f"scene{number}.mat", **{key: stored[f"scene{number}"]})
    found = open_scenes(tmp_path)
    assert found.kind is kind
    assert [sequence.name for sequence in found.sequences] == ["scene9", "scene10"]
    for sequence in found.sequences:
        (frame,) = sequence
        assert frame.values.dtype == np.float32
        expected = np.moveaxis(stored[sequence.name], 2, 0) / full_scale
        np.testing.assert_allclose(frame.values, expected, atol=1e-6)
        np.testing.assert_array_equal(frame.wavelengths_nm, wavelengths)


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
def test_the_raw_release_keeps_its_wavelengths(tmp_path: Path, save: Callable[..., None]) -> None:
    scene = counts(smooth_scene(151, 6, 9))
    for name in ("toys/00002.mat", "toys/00001.mat", "cars/00001.mat"):
        save(tmp_path / name, img=scene // (1 + int(name[-5])), wavelength=NM_151[None])
    found = open_scenes(tmp_path)
    assert found.kind is DatasetKind.DYNASPEC_RAW
    assert [(sequence.name, len(sequence)) for sequence in found.sequences] == [("cars", 1), ("toys", 2)]
    second = found.sequences[1].frame(1)
    np.testing.assert_allclose(second.values, np.moveaxis(scene // 3, 2, 0) / 65535, atol=1e-6)
    np.testing.assert_array_equal(second.wavelengths_nm, NM_151)


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
def test_the_benchmark_copy_is_clipped_and_has_no_known_wavelengths(tmp_path: Path, save: Callable[..., None]) -> None:
    scene = 60000.0 * smooth_scene(30, 320, 320)
    scene[4, 7, 2] = 70000.0
    save(tmp_path / "set" / "a" / "1.mat", img=scene)
    (tmp_path / "set" / ".trash").mkdir()
    (frame,) = open_scenes(tmp_path / "set").sequences[0]
    np.testing.assert_allclose(frame.values, (np.moveaxis(scene, 2, 0) / 65536).clip(0, 1), atol=1e-6)
    assert frame.values[2, 4, 7] == 1
    assert frame.wavelengths_nm is None
    assert open_scenes(tmp_path / "set" / "a").sequences[0].name == "a"  # one sequence alone
    assert open_scenes(tmp_path).folder == tmp_path / "set"  # unpacked into a folder of its own


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.parametrize(
    ("kind", "key", "scale", "side"),
    [(DatasetKind.CAVE_50030, "data_slice_31", 65536, 384), (DatasetKind.KAIST_50030, "img_31", 1, 320)],
)
def test_static_scenes_are_resized(
    tmp_path: Path, save: Callable[..., None], kind: DatasetKind, key: str, scale: int, side: int
) -> None:
    """Twice as fine, bilinear: a ramp stays a ramp, met at the new pixels' centres."""
    ramp = np.linspace(0.1, 0.9, side // 2)
    scene = np.broadcast_to(ramp[:, None, None], (side // 2, side // 4, 30)) * scale
    for number in (1, 30, 31):
        save(tmp_path / f"scene{number}.mat", **{key: np.ascontiguousarray(scene)})
    found = open_scenes(tmp_path)
    assert (found.kind, len(found.sequences)) == (kind, 2 if kind is DatasetKind.CAVE_50030 else 3)
    values = found.sequences[0].frame(0).values
    assert values.shape == (30, side, side)
    places = (np.arange(side) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(values[3, :, 5], np.interp(places, np.arange(side // 2), ramp), atol=1e-5)


def write_cave(folder: Path, scene: NDArray[np.uint16], name: str) -> None:
    for band in range(scene.shape[2]):
        save_png(folder / f"{name}_{band + 1:02d}.png", scene[..., band])


def test_cave_is_read_however_it_was_unpacked(tmp_path: Path) -> None:
    scene = counts(smooth_scene(31, 13, 17))
    write_cave(tmp_path / "beads_ms" / "beads_ms", scene, "beads_ms")
    write_cave(tmp_path / "cd_ms", scene // 2, "cd_ms")
    (tmp_path / "beads_ms" / "beads_ms" / "beads_RGB.bmp").write_bytes(b"thumbnail")
    for band in range(31):  # a grey scene as 8 bit colour with a channel of opacity
        grey = cv2.cvtColor((scene[..., band] // 257).astype(np.uint8), cv2.COLOR_GRAY2BGRA)
        save_png(tmp_path / "watercolors_ms" / "watercolors_ms" / f"watercolors_ms_{band + 1:02d}.png", grey)
    found = open_scenes(tmp_path)
    assert found.kind is DatasetKind.CAVE
    assert [sequence.name for sequence in found.sequences] == ["beads", "cd", "watercolors"]
    expected = np.moveaxis(scene, 2, 0) / 65535
    for sequence, factor, step in zip(found.sequences, (1, 0.5, 1), (1e-6, 2e-5, 1 / 255), strict=True):
        (frame,) = sequence
        np.testing.assert_allclose(frame.values, factor * expected, atol=step)
        np.testing.assert_array_equal(frame.wavelengths_nm, np.arange(400, 701, 10))
    assert open_scenes(tmp_path / "beads_ms").sequences[0].name == "beads"


def test_pictures_that_are_no_scene_are_refused(tmp_path: Path) -> None:
    scene = counts(smooth_scene(31, 6, 7))
    write_cave(tmp_path / "a", scene[..., :30], "a")
    write_cave(tmp_path / "b", scene, "b")
    save_png(tmp_path / "b" / "b_07.png", scene[:, :5, 0])
    write_cave(tmp_path / "c", scene, "c")
    save_png(tmp_path / "c" / "c_02.png", np.arange(6 * 7 * 3, dtype=np.uint8).reshape(6, 7, 3))
    write_cave(tmp_path / "d", scene, "d")
    whole = (tmp_path / "d" / "d_03.png").read_bytes()
    (tmp_path / "d" / "d_03.png").write_bytes(whole[: len(whole) // 2])
    for sequence, complaint in zip(
        open_scenes(tmp_path).sequences,
        ("30 PNG pictures, expected 31", r"\(6, 5\) pixels", "colour picture", r"d_03\.png cannot be read"),
        strict=True,
    ):
        with pytest.raises(DatasetError, match=complaint):
            sequence.frame(0)


def test_real_measurements_come_with_their_mask(tmp_path: Path) -> None:
    measured = np.random.default_rng(1).random((12, 66)).astype(np.float32) * 1.2 - 0.1
    save_v5(tmp_path / "Measurements" / "scene1.mat", meas_real=measured)
    found = open_dataset(tmp_path)
    assert isinstance(found, MeasurementSet)
    assert found.mask_path is None
    save_v5(tmp_path / "mask.mat", mask=measured[:, :12].clip(0, 1))
    for folder in (tmp_path, tmp_path / "Measurements"):
        again = open_dataset(folder)
        assert isinstance(again, MeasurementSet)
        assert again.mask_path == tmp_path / "mask.mat"
        assert [one.name for one in again.measurements] == ["scene1"]
        np.testing.assert_array_equal(again.measurements[0].read(), measured.clip(0, 1))
    with pytest.raises(DatasetError, match="without truth"):
        open_scenes(tmp_path)


def test_reference_measurements_are_read(shared: Path) -> None:
    found = open_dataset(shared / "data" / "real_measurements")
    assert isinstance(found, MeasurementSet)
    assert len(found.measurements) == 5
    assert found.measurements[4].read().shape == (660, 714)


def test_what_is_no_data_set_lists_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"(?s)neither \.mat nor \.png.*data_slice_31.*meas_real"):
        open_dataset(tmp_path)
    save_v5(tmp_path / "x" / "cube.mat", img=np.ones((5, 6, 29)))
    with pytest.raises(DatasetError, match=r"(?s)cube\.mat with img \(5 x 6 x 29, double\).*looked for.*CAVE"):
        open_dataset(tmp_path / "x")
    (tmp_path / "x" / "cube.mat").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cube\.mat is empty"):
        open_dataset(tmp_path / "x")


HALF = smooth_scene(28, 12, 17)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"other": HALF}, r"holds other .*; expected data_slice"),
        ({"data_slice": HALF[..., :27]}, r"12 x 17 x 27.*expected as in CAVE_512_28"),
        ({"data_slice": HALF}, r"reaches 0\.\d+; expected 16 bit"),
        ({"data_slice": (255 * HALF).astype(np.uint8)}, "is uint8 and reaches .*; expected 16 bit"),
        ({"data_slice": 1e7 * HALF}, "expected 16 bit"),
        ({"data_slice": np.where(HALF > 0.8, np.nan, 60000 * HALF)}, "NaN"),
    ],
)
def test_a_file_of_another_kind_is_refused_when_its_turn_comes(
    tmp_path: Path, arrays: dict[str, NDArray], complaint: str
) -> None:
    save_v5(tmp_path / "scene1.mat", data_slice=counts(HALF))
    save_v5(tmp_path / "scene2.mat", **arrays)
    good, bad = open_scenes(tmp_path).sequences
    assert good.frame(0).values.shape == (28, 12, 17)
    with pytest.raises(DatasetError, match=complaint):
        bad.frame(0)


def test_counts_where_full_scale_is_one_are_refused(tmp_path: Path) -> None:
    save_v5(tmp_path / "1.mat", HSI=counts(HALF))
    with pytest.raises(DatasetError, match="expected values of full scale 1"):
        open_scenes(tmp_path).sequences[0].frame(0)


def test_a_damaged_file_and_an_empty_sequence_are_refused(tmp_path: Path) -> None:
    save_v73(tmp_path / "a" / "1.mat", img=counts(smooth_scene(151, 5, 6)), wavelength=NM_151[None])
    save_v5(tmp_path / "b" / "1.mat", img=counts(smooth_scene(151, 5, 6)), wavelength=NM_151[None, ::-1].copy())
    whole = (tmp_path / "a" / "1.mat").read_bytes()
    (tmp_path / "a" / "2.mat").write_bytes(whole[: len(whole) // 2])
    first, second = open_scenes(tmp_path).sequences
    with pytest.raises(DatasetError, match=r"2\.mat cannot be read"):
        list(first)
    with pytest.raises(DatasetError, match="ascending band centres"):
        second.frame(0)
    (tmp_path / "c").mkdir()
    with pytest.raises(DatasetError, match=r"sequence .*c holds no \.mat"):
        open_dataset(tmp_path)


def test_what_other_systems_leave_beside_the_data_is_not_seen(tmp_path: Path) -> None:
    save_v5(tmp_path / "all" / "CAVE_512_28" / "scene1.mat", data_slice=counts(HALF))
    write_cave(tmp_path / "png" / "a_ms" / "a_ms", counts(smooth_scene(31, 6, 7)), "a_ms")
    save_v5(tmp_path / "raw" / "a" / "1.mat", img=counts(smooth_scene(151, 5, 6)), wavelength=NM_151[None])
    for name in ("all", "png", "raw"):
        for beside in ("__MACOSX", "@eaDir", ".Trashes"):
            (tmp_path / name / beside).mkdir()
            (tmp_path / name / beside / "._scene1.mat").write_bytes(b"of the Finder")
        (tmp_path / name / ".DS_Store").write_bytes(b"of the Finder")
        (scene,) = open_scenes(tmp_path / name).sequences
        assert len(list(scene)) == 1
    (tmp_path / "all" / "CAVE_512_28" / "._scene1.mat").write_bytes(b"of the Finder")
    assert len(open_scenes(tmp_path / "all").sequences) == 1


def test_values_far_below_zero_and_wavelengths_in_other_units_are_refused(tmp_path: Path) -> None:
    wrapped = np.round(65535 * HALF).astype(np.uint16).view(np.int16)
    save_v5(tmp_path / "a" / "1.mat", data_slice=wrapped)
    with pytest.raises(DatasetError, match=r"values from -3\d+ to 3\d+, expected none far below 0"):
        open_scenes(tmp_path / "a").sequences[0].frame(0)
    save_v5(tmp_path / "b" / "1.mat", img=counts(smooth_scene(151, 5, 6)), wavelength=1e-3 * NM_151[None])
    with pytest.raises(DatasetError, match=r"0\.4.*ascending band centres in nm"):
        open_scenes(tmp_path / "b").sequences[0].frame(0)


def test_frames_of_a_sequence_are_of_one_size(tmp_path: Path) -> None:
    for number, columns in ((1, 6), (2, 6), (3, 9)):
        scene = counts(smooth_scene(151, 5, columns))
        save_v5(tmp_path / f"{number}.mat", img=scene, wavelength=NM_151[None])
    frames = iter(open_scenes(tmp_path).sequences[0])
    assert next(frames).values.shape == next(frames).values.shape == (151, 5, 6)
    with pytest.raises(DatasetError, match=r"3\.mat holds a cube of shape \(151, 5, 9\), the frames before"):
        next(frames)


def test_bands_are_resampled_linearly_and_never_guessed() -> None:
    known = np.array([400.0, 410.0, 430.0], np.float32)
    frame = SceneFrame((known[:, None, None] / 1000 * np.ones((1, 4, 5))).astype(np.float32), known)
    wanted = np.array([400.0, 404.5, 410.0, 425.0, 430.0])
    found = resample_bands(frame, wanted)
    np.testing.assert_allclose(found.values[:, 2, 3], wanted / 1000, atol=1e-6)
    np.testing.assert_array_equal(found.wavelengths_nm, wanted.astype(np.float32))
    with pytest.raises(DatasetError, match="395 to 410 nm were asked for, the scene has 400 to 430"):
        resample_bands(frame, np.array([395.0, 410.0]))
    with pytest.raises(DatasetError, match="not published"):
        resample_bands(SceneFrame(frame.values, None), wanted)
