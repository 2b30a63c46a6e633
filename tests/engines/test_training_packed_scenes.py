"""Scenes packed for the way: nearly the same afterwards, trained on and validated on like others."""

from pathlib import Path

import numpy as np
import pytest

from livecassi.engines.protocol import DD_NM, SCENE_NM, VALIDATION_SCENES, ProtocolError, prepare_scene
from livecassi.engines.training.errors import TrainingDataError
from livecassi.engines.training.packed_scenes import pack_scene, read_packed
from livecassi.engines.training.real_scenes import RealScenes
from livecassi.engines.training.validation import find_validation


def reflectance(height: int = 480, width: int = 512) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width].astype(np.float32) / 60
    bands = np.linspace(0, 3, len(SCENE_NM), dtype=np.float32)[:, None, None]
    scene: np.ndarray = 0.3 * (1 + np.sin(rows + bands) * np.cos(columns - bands))
    return scene


def test_a_packed_scene_is_that_of_the_protocol_but_for_rounding(tmp_path: Path) -> None:
    path = tmp_path / "waves.npz"
    pack_scene(path, "waves", reflectance())
    packed, expected = read_packed(path), prepare_scene("waves", reflectance()).frame
    assert packed.values.shape == (31, 384, 384)
    assert packed.values.dtype == np.float16
    assert packed.shrunk == 0.75
    error = np.square(packed.values.astype(np.float64) - expected).mean()
    assert -10 * np.log10(error) > 52
    assert path.stat().st_size < 0.5 * expected.nbytes / 4


def test_packed_scenes_are_trained_on_at_their_size_and_validated_on(tmp_path: Path) -> None:
    name = VALIDATION_SCENES[0]
    for each in ("waves", name):
        pack_scene(tmp_path / f"{each}.npz", each, reflectance())
    scenes = RealScenes(tmp_path)
    assert [(scene.name, scene.shrunk) for scene in scenes.scenes] == [("waves", 0.75)]
    clip = scenes.clip(np.random.default_rng(0), 2, 32, 40, DD_NM)
    assert clip.shape == (2, 30, 32, 40)
    validation = find_validation(tmp_path)
    assert validation.names == (name,)
    (truth,) = validation.clips(3, DD_NM, 48, 64)
    expected = prepare_scene(name, reflectance()).bands(DD_NM)[:, 104:152, 96:160]
    assert np.abs(truth[0] - expected).max() < 0.01


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"differences": np.zeros((31, 20, 30), np.uint8), "full_scale": 1.0, "shrunk": 1.0}, r"shape \(31, 20, 30\)"),
        ({"differences": np.zeros((31, 384, 384)), "full_scale": 1.0, "shrunk": 1.0}, "holds float64"),
        ({"companded": np.zeros(3)}, "not a packed scene"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    np.savez(tmp_path / "other.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(TrainingDataError, match=said):
        read_packed(tmp_path / "other.npz")


def test_damaged_files_and_other_cubes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(TrainingDataError, match="damaged"):
        read_packed(tmp_path / "cut.npz")
    with pytest.raises(ProtocolError, match="expected"):
        pack_scene(tmp_path / "few.npz", "few", np.ones((28, 40, 50)))
