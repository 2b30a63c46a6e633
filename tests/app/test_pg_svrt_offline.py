"""The engine pg-svrt from the command line: what the list says of it, and a recording reconstructed with every hop."""

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from commands import Run
from weight_files import save_pg_svrt

from livecassi.app import weight_places
from livecassi.app.opening import SourceRequest
from livecassi.app.recording import Recording
from livecassi.app.simulation import record_simulation
from livecassi.app.weight_places import FOLDER_VARIABLE
from livecassi.calibration import Corrector, System
from livecassi.engines.networks import load_network
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.weights import TrainingState

HEIGHT, WIDTH, FRAMES = 64, 72, 3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of weights, empty; and nothing comes with livecassi."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.setattr(weight_places, "shipped_folder", lambda: tmp_path / "shipped")
    return folder


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "recording"
    record_simulation(SourceRequest(system=System.NDSSI, height=HEIGHT, width=WIDTH, seed=2), out, frames=FRAMES)
    return out


def listed(run: Run) -> dict[str, object]:
    engines = json.loads(run("engines", "--json").out)
    found: dict[str, object] = next(engine for engine in engines if engine["name"] == "pg-svrt")
    return found


def test_the_list_says_which_weights_there_are(run: Run, folder: Path) -> None:
    assert listed(run)["weights"] == "missing: 'livecassi weights import' takes the authors' checkpoint"
    assert "no weights" in run("engines", "pg-svrt").out
    save_pg_svrt(folder / "raw.safetensors", System.PMVIS, state=TrainingState.UNTRAINED)
    assert str(listed(run)["weights"]).startswith("missing")
    save_pg_svrt(folder / "good.safetensors", System.NDSSI)
    save_pg_svrt(folder / "half.safetensors", System.SD_CASSI, state=TrainingState.PARTLY_TRAINED)
    found = listed(run)
    assert found["weights"] == "ndssi: good.safetensors (trained); sd-cassi: half.safetensors (partly trained)"
    assert found["missing"] == ""
    options = found["options"]
    assert isinstance(options, dict)
    names = ["hop", "output", "frames", "weights", "runtime", "device", "precision", "tile", "brightness"]
    assert list(options) == names
    assert "so 3 times the rate, but 2 frames late" in options["hop"]["help"]
    assert "state    ready" in run("engines", "pg-svrt").out


def test_without_weights_a_reconstruction_says_what_to_do(run: Run, recording: Path, tmp_path: Path) -> None:
    outcome = run("reconstruct", recording, "--out", tmp_path / "cubes.h5", "--engine", "pg-svrt")
    assert outcome.code == 2
    assert "livecassi weights import CHECKPOINT --network pg-svrt --system ndssi" in " ".join(outcome.err.split())
    assert not (tmp_path / "cubes.h5").exists()


def test_every_hop_gives_every_frame_its_cube(run: Run, recording: Path, folder: Path, tmp_path: Path) -> None:
    weights = save_pg_svrt(folder / "good.safetensors", System.NDSSI)

    def reconstructed(hop: int, *options: str) -> np.ndarray:
        out = tmp_path / f"hop{hop}.h5"
        asked = ("--engine", "pg-svrt", "-o", f"hop={hop}", "-o", "brightness=1", *options)
        outcome = run("reconstruct", recording, "--out", out, *asked)
        assert outcome.code == 0, outcome.err
        with h5py.File(out) as file:
            assert file["frame_index"][:].tolist() == list(range(FRAMES))
            assert f"weights=good.safetensors, frames=video, hop={hop}" in file.attrs["engine_options"]
            cubes: np.ndarray = file["cube"][:].astype(np.float32)
        assert cubes.shape == (FRAMES, 30, HEIGHT, WIDTH)
        return cubes

    cubes = {hop: reconstructed(hop) for hop in (1, 2, 3)}
    with Recording(recording) as frames:
        assert frames.calibration is not None
        calibration = frames.calibration
        corrector = Corrector(calibration)
        values = [corrector.correct(frames.frame(position)).values for position in range(FRAMES)]
    network = load_network("pg-svrt", weights, System.NDSSI)
    scaled = torch.from_numpy(np.stack(values))[None] / float(calibration.response.max())
    with torch.inference_mode():
        direct = network(scaled, torch.from_numpy(network_mask(calibration).copy()))[0].numpy()
    direct = direct * (calibration.response.max() / calibration.response)[:, None, None]
    np.testing.assert_allclose(cubes[3], direct, rtol=0, atol=2e-3 * np.abs(direct).max())
    np.testing.assert_array_equal(cubes[1][2], cubes[3][2])  # the last of the same three frames
    assert np.abs(cubes[1][1] - cubes[3][1]).max() > 1e-3  # the second of two, and of three
