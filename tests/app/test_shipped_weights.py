"""The weights that come with livecassi: small, described, for the benches of the protocol, and better than gap-tv."""

from pathlib import Path

import numpy as np
import pytest

from livecassi.app.engine_list import engine_specs
from livecassi.app.scoring_material import gather_material
from livecassi.app.weight_places import FOLDER_VARIABLE, shipped_folder
from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.engines import build_engine
from livecassi.engines.metrics import score
from livecassi.engines.protocol import VALIDATION_SCENES, Scene, protocol_calibration
from livecassi.engines.weights import TrainingState, WeightsCard, read_card, verify_weights

FILES = sorted(shipped_folder().glob("*.safetensors"))
LARGEST = 12e6  # bytes of a file
SYSTEMS = (System.SD_CASSI, System.DD_CASSI)


@pytest.fixture(autouse=True)
def no_weights_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))


def card_of(system: System) -> WeightsCard:
    cards = [card for card in map(read_card, FILES) if (card.network, card.system) == ("live", system)]
    assert len(cards) == 1
    return cards[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_small_whole_and_says_where_it_comes_from(path: Path) -> None:
    card = verify_weights(path)
    assert path.stat().st_size < LARGEST
    assert card.state is not TrainingState.UNTRAINED
    assert card.licence == "MIT"
    assert card.model_card is not None
    assert card.model_card.training_data
    assert card.model_card.limits
    assert (card.model_card.steps or 0) > 1000
    assert (card.model_card.hours or 0) > 0
    assert card.model_card.validation["psnr_db"] > card.model_card.validation["start_psnr_db"] + 0.5


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_live_network_serves_the_benches_of_the_field_out_of_the_box(system: System) -> None:
    calibration = protocol_calibration(system, gather_material(None).masks[system])
    assert engine_specs()["live"].unfit(calibration) == ""


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_scores_are_those_of_the_card_and_above_gap_tv(system: System, shared: Path) -> None:
    material = gather_material(shared / "data")
    calibration = protocol_calibration(system, material.masks[system])
    scenes = [material.scenes[name]() for name in VALIDATION_SCENES]
    live, rival = (psnr_db(name, calibration, scenes) for name in ("live", "gap-tv"))
    model_card = card_of(system).model_card
    assert model_card is not None
    assert live == pytest.approx(model_card.validation["psnr_db"], abs=0.1)
    assert live > rival + 0.5


def psnr_db(name: str, calibration: Calibration, scenes: list[Scene]) -> float:
    model, found = sensing_model(calibration), []
    with build_engine(engine_specs(), name, calibration) as engine:
        for scene in scenes:
            engine.reset()
            truth = scene.bands(calibration.wavelengths_nm)
            cube = engine.reconstruct(Measurement(model.forward(truth), calibration.id))
            assert cube is not None
            found.append(score(cube.values, truth).psnr_db)
    return float(np.mean(found))
