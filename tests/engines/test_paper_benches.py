"""The evaluations of two papers: which clips, which bench, which mask."""

from pathlib import Path

import numpy as np
import pytest
from scene_files import counts, save_v5, smooth_scene

from livecassi.calibration import System, sensing_model
from livecassi.engines.datasets import DatasetError
from livecassi.engines.datasets.dynaspec import SceneClass, dynaspec_calibration, open_benchmark
from livecassi.engines.datasets.kaist import find_mask, kaist_calibration, open_truths

STATIC, DYNAMIC = "Kaist_Truth_50030", "Dyna_Spec_train_320_ref_norm_50030_test"


def write_frames(folder: Path, count: int) -> None:
    """Frames of 320 x 320 whose rows and columns can be told, each darker than the one before."""
    row, column, band = np.ogrid[:320, :320, :30]
    for index in range(count):
        scene = (0.2 + row / 800 + column / 1600 + band / 300) / (1 + index)
        save_v5(folder / f"{index + 1:05d}.mat", img=counts(scene))


def test_clips_are_cut_as_published(tmp_path: Path) -> None:
    write_frames(tmp_path / DYNAMIC / "toys", 10)
    write_frames(tmp_path / DYNAMIC.replace("test", "train") / "never", 1)
    save_v5(tmp_path / STATIC / "1.mat", img_31=smooth_scene(30, 320, 320))
    (tmp_path / "mask_folder").mkdir()
    benchmark = open_benchmark(tmp_path)
    clips = list(benchmark.clips())
    assert len(clips) == len(benchmark) == 4
    assert [(clip.scene, clip.scene_class, clip.first_frame) for clip in clips] == [
        ("1", SceneClass.STATIC, 0),
        ("toys", SceneClass.DYNAMIC, 0),
        ("toys", SceneClass.DYNAMIC, 3),
        ("toys", SceneClass.DYNAMIC, 6),
    ]
    still = np.moveaxis(smooth_scene(30, 320, 320), 2, 0)[:, 32:288, 32:288]
    for truth in clips[0].truths:
        np.testing.assert_allclose(truth, still, atol=1e-6)
    for clip in clips[1:]:
        for offset, truth in enumerate(clip.truths):
            assert truth.shape == (30, 256, 256)
            expected = (0.2 + (32 + 5) / 800 + (32 + 9) / 1600 + 7 / 300) / (1 + clip.first_frame + offset)
            assert truth[7, 5, 9] == pytest.approx(expected, abs=3e-5)
    assert benchmark.missing == (
        "found 1 static (K) scenes, the published evaluation has 10",
        "found 1 dynamic (D) scenes, the published evaluation has 5",
    )


def test_what_the_benchmark_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"(?s)holds no test scenes.*Kaist_Truth_50030 and .*_test"):
        open_benchmark(tmp_path)
    write_frames(tmp_path / DYNAMIC / "toys", 4)
    benchmark = open_benchmark(tmp_path)
    assert len(benchmark) == 1
    assert "'toys' has 4 frames: 1 of 3 clips" in benchmark.missing
    write_frames(tmp_path / DYNAMIC / "short", 2)
    with pytest.raises(DatasetError, match="'short' has 2 frames, expected at least 3"):
        open_benchmark(tmp_path)
    (tmp_path / STATIC).mkdir()
    (tmp_path / STATIC / "1.mat").write_bytes(b"half a copy")
    with pytest.raises(DatasetError, match=r"1\.mat cannot be read"):
        open_benchmark(tmp_path)


@pytest.mark.parametrize("system", [System.DD_CASSI, System.NDSSI, System.PMVIS])
def test_the_bench_measures_what_the_published_code_does(shared: Path, system: System) -> None:
    golden = np.load(shared / "golden" / "sensing" / "full256.npz")
    given = shared / "data" / "masks" / "dynaspec_mask_dd_binary.mat" if system is System.DD_CASSI else None
    calibration = dynaspec_calibration(system, given)
    name = {System.DD_CASSI: "dd"}.get(system, str(system))
    np.testing.assert_array_equal(calibration.mask, golden[f"mask_{name}"])
    c, y, x = np.ogrid[:30, :256, :256]
    cube = (((7919 * c + 10473 * y + 12997 * x) % 1009) / 1009).astype(np.float32)
    measured = sensing_model(calibration).forward(cube)
    np.testing.assert_allclose(measured, golden[f"meas_{name}"][0], rtol=0, atol=1e-5)


def test_a_wide_single_disperser_mask_is_cut_as_published(tmp_path: Path) -> None:
    wide = np.random.default_rng(2).integers(0, 2, (256, 314)).astype(np.uint8)
    save_v5(tmp_path / "mask_dd_2d.mat", mask_dd_2d=wide)
    np.testing.assert_array_equal(
        dynaspec_calibration(System.SD_CASSI, tmp_path / "mask_dd_2d.mat").mask, wide[:, 30:286]
    )
    save_v5(tmp_path / "exact.mat", mask=wide[:, :256])
    np.testing.assert_array_equal(dynaspec_calibration(System.SD_CASSI, tmp_path / "exact.mat").mask, wide[:, :256])


def test_masks_that_cannot_serve_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"dd-cassi needs .* 256 x 314; give it as --mask \(mask_dd_binary"):
        dynaspec_calibration(System.DD_CASSI, None)
    with pytest.raises(DatasetError, match="sd-cassi needs"):
        dynaspec_calibration(System.SD_CASSI, None)
    save_v5(tmp_path / "low.mat", mask=np.ones((200, 314)))
    with pytest.raises(DatasetError, match="200 x 314 pixels, expected 256 x 314"):
        dynaspec_calibration(System.DD_CASSI, tmp_path / "low.mat")
    save_v5(tmp_path / "narrow.mat", mask=np.ones((256, 270)))
    with pytest.raises(DatasetError, match="256 x 270 pixels, expected 256 x 256"):
        dynaspec_calibration(System.SD_CASSI, tmp_path / "narrow.mat")
    with pytest.raises(DatasetError, match="256 x 270 pixels, expected 256 x 256"):
        kaist_calibration(tmp_path / "narrow.mat")


def test_the_archive_of_the_literature(tmp_path: Path) -> None:
    for number in (2, 1):
        save_v5(tmp_path / "Truth" / f"scene{number:02d}.mat", img=smooth_scene(28, 256, 256, number))
    with pytest.raises(DatasetError, match="give the mask, 256 x 256"):
        find_mask(tmp_path / "Truth")
    mask = np.random.default_rng(3).random((256, 256)).astype(np.float32)
    save_v5(tmp_path / "mask.mat", mask=mask)
    for folder in (tmp_path, tmp_path / "Truth"):
        assert [scene.name for scene in open_truths(folder)] == ["scene01", "scene02"]
        assert find_mask(folder) == tmp_path / "mask.mat"
    calibration = kaist_calibration(tmp_path / "mask.mat")
    assert calibration.measurement_shape == (256, 310)
    truth = open_truths(tmp_path)[0].frame(0).values
    row, column = 100, 57
    seen = [(band, column - 2 * band) for band in range(28) if column >= 2 * band]
    expected = sum(mask[row, at] * truth[band, row, at] for band, at in seen)
    assert sensing_model(calibration).forward(truth)[row, column] == pytest.approx(expected, rel=1e-5)


def test_another_set_is_no_kaist_truth(tmp_path: Path) -> None:
    save_v5(tmp_path / "scene1.mat", data_slice=counts(smooth_scene(28, 6, 7)))
    with pytest.raises(DatasetError, match="is the data set 'cave-512-28', expected the KAIST truths"):
        open_truths(tmp_path)
