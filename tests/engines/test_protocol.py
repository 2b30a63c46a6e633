from pathlib import Path

import numpy as np
import pytest

from livecassi.calibration import System, sensing_model
from livecassi.engines.protocol import (
    DD_NM,
    SCENE_NM,
    SD_NM,
    VALIDATION_SCENES,
    ProtocolError,
    add_noise,
    load_scene,
    moving_path,
    prepare_scene,
    protocol_calibration,
    synthetic_mask,
    synthetic_scene,
)


def ramp(height: int = 48, width: int = 96) -> np.ndarray:
    """Grows by one per row and by ten per column, the same in every band but for a factor."""
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    return (1 + np.arange(31))[:, None, None] * (rows / height + 2 * columns / width)


def test_resizing_averages_areas() -> None:
    """Twice and three times as large, whole blocks are averaged: a ramp is met at each block's centre."""
    scene = prepare_scene("ramp", ramp(768, 1152))
    centre = (np.arange(384) + 0.5) / 384
    expected = 31 * (centre[:, None] + 2 * centre)
    ratio = scene.frame[30] / expected
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


def test_resizing_by_parts_of_pixels_keeps_the_light() -> None:
    """From 512 to 384 every third target pixel starts with a source pixel, so that 3 hold what 4 held."""
    source = np.random.default_rng(5).random((31, 512, 512))
    scene = prepare_scene("noise", source)
    ratio = scene.frame[4].reshape(128, 3, 128, 3).mean(axis=(1, 3)) / source[4].reshape(128, 4, 128, 4).mean(
        axis=(1, 3)
    )
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)


def test_the_centre_is_scaled_to_its_99_9_percentile() -> None:
    scene = prepare_scene("ramp", ramp(400, 500))
    centre = scene.frame[:, 64:320, 64:320]
    assert np.percentile(centre, 99.9) == pytest.approx(1.0, abs=1e-5)
    truth = scene.bands(DD_NM)
    assert truth.shape == (30, 256, 256)
    np.testing.assert_allclose(truth, centre[1:].clip(0, 1), atol=1e-6)


def test_bands_are_interpolated_over_wavelength() -> None:
    flat = np.broadcast_to(((SCENE_NM - 390) / 400)[:, None, None], (31, 40, 44))
    truth = prepare_scene("flat", flat).bands(SD_NM)
    np.testing.assert_allclose(truth[:, 7, 9], (SD_NM - 390) / 310, atol=1e-5)


@pytest.mark.parametrize(("shift", "part"), [((3.0, -5.0), None), ((0.25, 1.5), (0.25, 0.5))])
def test_a_shifted_view_moves_over_the_frame(shift: tuple[float, float], part: tuple[float, float] | None) -> None:
    scene = prepare_scene("noise", np.random.default_rng(0).random((31, 400, 430)) + 0.1)
    row, column = (int(np.floor(s)) + 64 for s in shift)
    near = scene.frame[:, row : row + 257, column : column + 257]
    down, right = part or (0.0, 0.0)
    blend = (1 - down) * near[:, :256] + down * near[:, 1:257]
    blend = (1 - right) * blend[:, :, :256] + right * blend[:, :, 1:257]
    np.testing.assert_allclose(scene.bands(SCENE_NM, shift), blend.clip(0, 1), atol=1e-5)


def test_the_moving_path_stays_inside_and_uses_parts_of_pixels() -> None:
    path = moving_path()
    assert len(path) == 10
    assert np.abs(path).max() < 60
    assert any(row % 1 for row, _ in path)
    with pytest.raises(ProtocolError, match="leaves the frame"):
        synthetic_scene().bands(SD_NM, (64.0, 0.0))


def test_unpacked_scenes_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "beads.npy", ramp().astype(np.float16))
    assert load_scene(tmp_path, "beads").frame.shape == (31, 384, 384)


def test_reference_scenes_are_read(shared: Path) -> None:
    pytest.importorskip("imagecodecs")
    scene = load_scene(shared / "data" / "scenes" / "cave", VALIDATION_SCENES[0])
    assert scene.bands(SD_NM).shape == (28, 256, 256)


@pytest.mark.parametrize(
    ("cube", "complaint"),
    [
        (np.ones((30, 8, 9)), r"\(30, 8, 9\), expected \(31"),
        (np.ones((31, 8)), "expected"),
        (np.zeros((31, 8, 9)), "is black"),
        (np.full((31, 8, 9), np.nan), "NaN"),
    ],
)
def test_what_is_no_scene_is_refused(cube: np.ndarray, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        prepare_scene("bad", cube)


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"no scene 'beads'.*beads\.npy"):
        load_scene(tmp_path, "beads")
    (tmp_path / "beads.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ProtocolError, match="unpack the scene again"):
        load_scene(tmp_path, "beads")


@pytest.mark.parametrize(("system", "shape"), [(System.SD_CASSI, (256, 310)), (System.DD_CASSI, (256, 256))])
def test_the_bench_of_the_protocol(system: System, shape: tuple[int, int]) -> None:
    mask = synthetic_mask(256, 318)
    calibration = protocol_calibration(system, mask)
    assert calibration.measurement_shape == shape
    truth = synthetic_scene().bands(calibration.wavelengths_nm)
    measured = sensing_model(calibration).forward(truth)
    row, column, expected = 17, 120, 0.0
    for band in range(len(truth)):
        seen = column - 2 * band if system is System.SD_CASSI else column
        coded = mask[row, seen if system is System.SD_CASSI else column + 2 * band]
        expected += coded * truth[band, row, seen] if seen >= 0 else 0.0
    assert measured[row, column] == pytest.approx(expected, rel=1e-4)


def test_other_benches_and_small_masks_are_refused() -> None:
    with pytest.raises(ProtocolError, match="not pmvis"):
        protocol_calibration(System.PMVIS, synthetic_mask(256, 318))
    with pytest.raises(ProtocolError, match=r"\(256, 300\), expected at least \(256, 314\)"):
        protocol_calibration(System.DD_CASSI, synthetic_mask(256, 300))


def test_noise_has_the_stated_size() -> None:
    flat = np.full((200, 300), 0.5, np.float32)
    flat[0, 0] = 2.0
    noisy = add_noise(flat, seed=3)
    expected = np.sqrt(2500 + 16) / 2500 * 0.5
    assert noisy[1:].std() == pytest.approx(expected, rel=0.02)
    assert noisy[1:].mean() == pytest.approx(0.5, rel=1e-3)
    assert np.array_equal(noisy, add_noise(flat, seed=3))
