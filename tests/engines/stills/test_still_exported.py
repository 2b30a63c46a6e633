"""A still network that was exported with the mask as an input: one file for every bench of its size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_networks import Exports

from livecassi.calibration import Measurement, System, sensing_model
from livecassi.engines import build_engine
from livecassi.engines.exporting.card import add_card
from livecassi.engines.networks import find_network, load_network
from livecassi.engines.networks.drawn import drawn_bench, drawn_scene
from livecassi.engines.networks.engine_spec import network_engine
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.weights import TrainingState

pytest.importorskip("onnxruntime", reason="exported networks are run with onnxruntime")
pytestmark = pytest.mark.usefixtures("one_thread")

NAME, SYSTEM = "mst-s", System.SD_CASSI
ONNXRUNTIME = Offer(RuntimeName.ONNXRUNTIME, Place.CPU, True, "ready", "1.31")


@pytest.fixture
def exported(exports: Exports, tmp_path: Path) -> Path:
    """Random weights in the disguise of trained ones."""
    export, out = exports.of(NAME, SYSTEM), tmp_path / "any.onnx"
    disguised = type(export.model)()
    disguised.CopyFrom(export.model)
    add_card(disguised, export.card.model_copy(update={"weights_state": TrainingState.TRAINED}))
    out.write_bytes(disguised.SerializeToString())
    return out


def test_behind_a_single_disperser_every_band_is_given_the_one_mask(exports: Exports, exported: Path) -> None:
    spec = network_engine(find_network(NAME), "dear", lambda _name, _system: (), offered=lambda: (ONNXRUNTIME,))
    network = load_network(NAME, exports.of(NAME, SYSTEM).request.weights, SYSTEM)
    assert isinstance(network, StillNetwork)
    usual = drawn_bench(find_network(NAME), SYSTEM, 16, 24)
    for calibration in (usual, replace(usual, mask=usual.mask[::-1].copy())):
        (scene,) = drawn_scene(calibration.bands, 16, 24, frames=1)
        seen = sensing_model(calibration).forward(scene)
        options = {"weights": str(exported), "brightness": "1"}
        with build_engine({NAME: spec}, NAME, calibration, options) as engine:
            cube = engine.reconstruct(Measurement(seen, calibration.id))
        with torch.inference_mode():
            expected = network(torch.from_numpy(seen)[None, None], network.for_bench(calibration))[0, 0].numpy()
        assert cube is not None
        np.testing.assert_allclose(cube.values, expected, atol=1e-4 * np.abs(expected).max())
