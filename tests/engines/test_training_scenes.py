"""Real scenes for training: found, refused by name, cut, moved and exposed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scene_files import counts, save_png, save_v5, smooth_scene

from livecassi.calibration.import_mask import TSA28_NM
from livecassi.engines.datasets import DatasetError
from livecassi.engines.protocol import DD_NM, SCENE_NM, SD_NM, VALIDATION_SCENES
from livecassi.engines.training.camera_motion import CameraPath, MotionRange, draw_path, look_along
from livecassi.engines.training.errors import TrainingDataError
from livecassi.engines.training.real_scenes import Augmentation, RealScenes
from livecassi.engines.training.resizing import resize
from livecassi.engines.training.scene_files import is_validation_scene

PLAIN = Augmentation(scale=(0.999, 1.0, 1.001), exposure=(1.0, 1.0), spectral_gain=0.0, pasted_share=0.0, turned=False)


def scene(phase: float = 0.0, rows: int = 96, columns: int = 130) -> NDArray[np.float16]:
    return np.moveaxis(smooth_scene(len(SCENE_NM), rows, columns, phase), 2, 0).astype(np.float16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("toys", "cloth")):
        np.save(tmp_path / f"{name}.npy", scene(number))
    return tmp_path


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("wavelengths", [DD_NM, SD_NM], ids=["dd", "sd"])
def test_clips_are_in_range_and_the_same_for_the_same_state(
    folder: Path, frames: int, wavelengths: NDArray[np.float64]
) -> None:
    source = RealScenes(folder, augmentation=Augmentation(pasted_share=0.5))
    clips = [source.clip(np.random.default_rng(seed), frames, 40, 52, wavelengths) for seed in range(5)]
    for seed, clip in enumerate(clips):
        assert clip.shape == (frames, len(wavelengths), 40, 52)
        assert clip.dtype == torch.float32
        assert clip.is_contiguous()
        assert 0 <= clip.min() <= clip.max() <= 1
        assert clip.max() > 0.6
        assert torch.equal(clip, source.clip(np.random.default_rng(seed), frames, 40, 52, wavelengths))
    assert len({float(clip.mean()) for clip in clips}) == len(clips)


def test_bands_are_interpolated_and_nothing_else_changes_a_plain_clip(tmp_path: Path) -> None:
    values = scene(rows=64, columns=71)
    np.save(tmp_path / "one.npy", values)
    clip = RealScenes(tmp_path, augmentation=PLAIN).clip(np.random.default_rng(0), 1, 64, 71, SD_NM)[0].numpy()
    expected = np.stack([np.interp(SD_NM, SCENE_NM, values[:, 5, column]) for column in range(71)], axis=1)
    np.testing.assert_allclose(clip[:, 5] / clip[0, 5, 0], expected / expected[0, 0], rtol=2e-3)


@pytest.mark.parametrize("kind", [">f4", ">f2", "f8"])
def test_files_of_other_byte_orders_and_precisions_are_read(tmp_path: Path, kind: str) -> None:
    for place, written in (("plain", scene()), ("other", scene().astype(kind))):
        (tmp_path / place).mkdir()
        np.save(tmp_path / place / "one.npy", written)
    clips = [
        RealScenes(tmp_path / place).clip(np.random.default_rng(4), 2, 40, 52, SD_NM) for place in ("plain", "other")
    ]
    torch.testing.assert_close(*clips)


def test_a_camera_sees_a_ramp_move_by_what_was_drawn() -> None:
    rows, columns = torch.arange(50.0), torch.arange(60.0)
    image = torch.stack([rows[:, None].expand(50, 60), columns.expand(50, 60)])
    offsets = np.array([[0.0, 0.0], [0.3, -1.7], [-2.25, 4.5]])
    seen = look_along(image, CameraPath(offsets, np.zeros(3), np.ones(3)), 21, 32)
    for frame, (down, across) in zip(seen, offsets, strict=True):
        np.testing.assert_allclose(frame[0, :, 3], np.arange(21) + 14.5 + down, atol=1e-4)
        np.testing.assert_allclose(frame[1, 7], np.arange(32) + 14.0 + across, atol=1e-4)


def test_paths_are_smooth_keep_the_speed_limit_and_fit_the_room() -> None:
    random = np.random.default_rng(2)
    fastest = []
    for _ in range(200):
        path = draw_path(random, 8, MotionRange(fastest_px=10.0))
        steps = np.diff(path.offsets_px, axis=0)
        fastest.append(np.hypot(*steps.T).max())
        assert (np.abs(path.within(12.0, 7.0).offsets_px).max(axis=0) < (12.001, 7.001)).all()
    assert 7 < max(fastest) <= 10 + 1e-9
    assert 0.03 < np.mean(np.array(fastest) == 0) < 0.25


def test_scenes_move_by_parts_of_pixels(tmp_path: Path) -> None:
    """A ramp over columns: what a pixel gains from frame to frame is what the camera moved."""
    ramp = np.linspace(0.1, 0.9, 200, dtype=np.float32)
    np.save(tmp_path / "ramp.npy", np.broadcast_to(ramp, (31, 96, 200)))
    augmentation = Augmentation(
        (0.999, 1.0, 1.001), (1.0, 1.0), 0.0, 0.0, turned=False, motion=MotionRange(6.0, 0.0, 0.0, 0.0)
    )
    clip = RealScenes(tmp_path, augmentation=augmentation).clip(np.random.default_rng(5), 4, 64, 80, DD_NM)
    slope = float(clip[0, 0, 0, 41] - clip[0, 0, 0, 40])
    moved = ((clip[1:] - clip[:-1])[:, :, 20:40, 30:50] / slope).numpy()
    assert moved.std(axis=(1, 2, 3)).max() < 0.02
    steps = moved.mean(axis=(1, 2, 3))
    assert 0.05 < np.abs(steps).max() <= 6.0
    assert np.abs(steps - np.round(steps)).max() > 0.05


def test_shrinking_averages_areas_and_growing_is_linear() -> None:
    random = np.random.default_rng(3)
    bands = torch.from_numpy(random.random((2, 90, 66), np.float32))
    np.testing.assert_allclose(resize(bands, 45, 66)[:, 3], bands[:, 6:8].mean(1), atol=1e-6)
    np.testing.assert_allclose(resize(bands, 90, 44)[:, :, 0], (bands[:, :, 0] + bands[:, :, 1] / 2) / 1.5, atol=1e-6)
    np.testing.assert_allclose(resize(bands, 61, 47).mean((1, 2)), bands.mean((1, 2)), atol=1e-5)
    ramp = torch.arange(40.0).expand(1, 3, 40)
    np.testing.assert_allclose(resize(ramp, 3, 80)[0, 1, 1:-1], (np.arange(1, 79) + 0.5) / 2 - 0.5, atol=1e-5)


@pytest.mark.parametrize("name", [*VALIDATION_SCENES, "beads_ms", "CAVE-beads-512", "FakeAndRealFood", "Pompoms_ms_01"])
def test_scenes_for_validation_are_known_under_other_spellings(name: str) -> None:
    assert is_validation_scene(name)


@pytest.mark.parametrize("name", ["beadsy", "fake_and_real_sushi", "cloth", "real_food"])
def test_other_scenes_are_not_taken_for_them(name: str) -> None:
    assert not is_validation_scene(name)


def test_scenes_for_validation_are_left_out(folder: Path) -> None:
    np.save(folder / "beads_ms.npy", scene())
    assert [one.name for one in RealScenes(folder).scenes] == ["cloth", "toys"]
    assert [one.name for one in RealScenes(folder, ["toys"]).scenes] == ["toys"]
    with pytest.raises(TrainingDataError, match="'beads_ms' is for validation"):
        RealScenes(folder, ["toys", "beads_ms"])
    with pytest.raises(TrainingDataError, match=r"no scene shoes.*choose of: cloth, toys"):
        RealScenes(folder, ["shoes"])
    for name in ("toys", "cloth"):
        (folder / f"{name}.npy").unlink()
    with pytest.raises(TrainingDataError, match=r"only scenes for validation \(beads_ms\)"):
        RealScenes(folder)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (scene()[:30], r"shape \(30, 96, 130\), expected \(31, rows, columns\)"),
        (scene()[0], r"shape \(96, 130\)"),
        (scene()[:, :40], r"at least 64 x 64"),
        (counts(scene().astype(np.float64)), "holds uint16"),
        (scene().astype(np.float32) * 65535, r"values from .* expected reflectances of full scale 1"),
        (scene() - np.float16(0.6), "none below 0"),
        (scene() * np.float16(1e-3), "values from"),
        (np.where(scene() > 0.85, np.nan, scene()), "NaN"),
        (np.array([{}], object), "cannot read scene"),
    ],
)
def test_unusable_scenes_are_refused(folder: Path, values: NDArray, complaint: str) -> None:
    np.save(folder / "odd.npy", values, allow_pickle=True)
    with pytest.raises(TrainingDataError, match=complaint):
        RealScenes(folder)


def test_a_damaged_file_an_empty_and_a_missing_folder_are_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(TrainingDataError, match=r"(?s)no known data set.*NAME\.npy"):
        RealScenes(folder / "empty")
    with pytest.raises(TrainingDataError, match="does not exist"):
        RealScenes(folder / "nowhere")
    whole = (folder / "toys.npy").read_bytes()
    (folder / "toys.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingDataError, match=r"cannot read scene .*toys\.npy"):
        RealScenes(folder)


def test_wavelengths_outside_of_the_scene_are_refused(folder: Path) -> None:
    source = RealScenes(folder)
    with pytest.raises(TrainingDataError, match=r"410 to 720 nm .* measured from 400 to 700 nm"):
        source.clip(np.random.default_rng(0), 1, 32, 40, np.arange(410.0, 721.0, 10.0))


def test_scenes_smaller_than_the_clip_are_enlarged(tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", scene(rows=64, columns=70))
    clip = RealScenes(tmp_path).clip(np.random.default_rng(1), 2, 128, 90, DD_NM)
    assert clip.shape == (2, 30, 128, 90)


def test_packed_bands_are_read(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    values = scene(rows=64, columns=70).astype(np.float64)
    (tmp_path / "toys").mkdir()
    for nm, band in zip(SCENE_NM, np.round(np.sqrt(values) * 1023).astype(np.uint16), strict=True):
        (tmp_path / "toys" / f"{nm:.0f}nm.jxl").write_bytes(imagecodecs.jpegxl_encode(band, lossless=True))
    (one,) = RealScenes(tmp_path).scenes
    np.testing.assert_allclose(one.read(0), values, atol=2e-3)
    (tmp_path / "toys" / "500nm.jxl").write_bytes(b"broken")
    with pytest.raises(TrainingDataError, match="cannot decode"):
        RealScenes(tmp_path)
    (tmp_path / "toys" / "500nm.jxl").unlink()
    with pytest.raises(TrainingDataError, match=r"lacks 500nm\.jxl"):
        RealScenes(tmp_path)


def test_published_data_sets_are_read(tmp_path: Path) -> None:
    for name in ("beads_ms", "toys_ms"):
        for number, band in enumerate(counts(smooth_scene(31, 64, 70)).transpose(2, 0, 1)):
            save_png(tmp_path / name / f"{name}_{number + 1:02d}.png", band)
    (one,) = RealScenes(tmp_path).scenes
    assert one.name == "toys"
    assert RealScenes(tmp_path).clip(np.random.default_rng(0), 1, 32, 40, DD_NM).shape == (1, 30, 32, 40)


def test_the_frames_of_a_video_are_its_own(tmp_path: Path) -> None:
    nm = np.arange(400.0, 701.0, 2.0)
    for number in (1, 2, 3):
        save_v5(
            tmp_path / "walk" / f"0000{number}.mat",
            img=np.full((64, 70, 151), 10_000 * number, np.uint16),
            wavelength=nm[None],
        )
    clip = RealScenes(tmp_path, augmentation=PLAIN).clip(np.random.default_rng(0), 3, 40, 50, SD_NM)
    levels = clip.mean((1, 2, 3))
    np.testing.assert_allclose(levels / levels[2], [1 / 3, 2 / 3, 1], rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "arrays", "names", "complaint"),
    [
        ("scene1", {"data_slice": counts(smooth_scene(28, 64, 70))}, None, "numbers its scenes"),
        ("scene1", {"data_slice_31": 60000 * smooth_scene(30, 64, 70)}, None, "unpublished wavelengths"),
    ],
)
def test_sets_that_hide_validation_scenes_or_wavelengths_are_refused(
    tmp_path: Path, name: str, arrays: dict[str, NDArray], names: list[str] | None, complaint: str
) -> None:
    save_v5(tmp_path / f"{name}.mat", **arrays)
    with pytest.raises(DatasetError, match=complaint):
        RealScenes(tmp_path, names)


def test_numbered_scenes_are_read_where_they_are_named(tmp_path: Path) -> None:
    for number in (1, 2):
        save_v5(tmp_path / f"scene{number}.mat", data_slice=counts(smooth_scene(28, 64, 70)))
    source = RealScenes(tmp_path, ["scene2"])
    assert source.clip(np.random.default_rng(0), 1, 40, 44, np.array(TSA28_NM)).shape == (1, 28, 40, 44)
