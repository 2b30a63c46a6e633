"""Still networks from the command line: a bench of other bands than theirs, and how sure a prior is."""

from pathlib import Path

import h5py
import pytest
from commands import Run

from livecassi.app import weight_places
from livecassi.app.opening import SourceRequest
from livecassi.app.simulation import record_simulation
from livecassi.app.weight_places import FOLDER_VARIABLE
from livecassi.calibration import System
from livecassi.calibration.import_mask import parse_wavelengths
from livecassi.engines.networks.drawn import save_drawn_weights
from livecassi.engines.weights import TrainingState, load_state, save_weights

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "hsra-s+sdp"
HEIGHT, WIDTH = 64, 72


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of weights, empty; and nothing comes with livecassi."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.setattr(weight_places, "shipped_folder", lambda: tmp_path / "shipped")
    return folder


def put_weights(folder: Path) -> None:
    """Random ones in the disguise of trained ones, for bands that the simulated bench does not have."""
    drawn = folder / "drawn.safetensors"
    save_drawn_weights(NAME, drawn, System.SD_CASSI)
    card, state = load_state(drawn)
    drawn.unlink()
    nm = tuple(map(float, parse_wavelengths("tsa28")))
    known = {"state": TrainingState.TRAINED, "wavelengths_nm": nm}
    save_weights(folder / "mine.safetensors", card.model_copy(update=known), state)


def test_cubes_of_an_adapted_network_say_so_and_carry_their_spread(run: Run, folder: Path, tmp_path: Path) -> None:
    recording, out = tmp_path / "recording", tmp_path / "cubes.h5"
    request = SourceRequest(system=System.SD_CASSI, height=HEIGHT, width=WIDTH, seed=2)
    record_simulation(request, recording, frames=1)
    command = ("reconstruct", str(recording), "--out", str(out), "-e", NAME, "-o", "runtime=torch")
    missing = run(*command)
    assert missing.code == 2
    assert "livecassi train --list" in missing.err
    put_weights(folder)
    refused = run(*command)
    assert refused.code == 2
    assert "adapt=yes" in refused.err
    made = run(*command, "-o", "adapt=yes", "-o", "starts=2")
    assert made.code == 0, made.err
    assert f"{NAME} was adapted to this bench, an approximation: 28 bands" in made.out
    with h5py.File(out) as file:
        assert file["spread"].shape == file["cube"].shape == (1, 28, HEIGHT, WIDTH)
        assert file["spread"][:].mean() > 0
        assert "adapted=28 bands" in file.attrs["engine_options"]
