"""Whether a video network can serve a bench, and which file would mend that."""

from pathlib import Path

from fakes import random_bench, small_calibration

from livecassi.calibration import SubSteps, System
from livecassi.engines.networks import find_network
from livecassi.engines.networks.engine_spec import network_engine


def test_weights_are_wanted_where_only_they_are_missing(tmp_path: Path) -> None:
    spec = network_engine(find_network("pg-svrt"), "dear", lambda _name, _system: [], lambda: tmp_path)
    shifts = [2.0 * band for band in range(30)]
    bench = random_bench(System.DD_CASSI, SubSteps.POINT, shifts, height=18, width=20, seed=4)
    assert spec.wanting(bench) == "weights"
    assert "no trained weights for pg-svrt and dd-cassi" in spec.unfit(bench)
    five_bands = small_calibration()
    assert spec.wanting(five_bands) == "", "no file would mend that"
    assert spec.unfit(five_bands)


def test_a_file_of_weights_can_be_looked_for_and_its_path_may_begin_at_home(tmp_path: Path) -> None:
    option = network_engine(find_network("pg-svrt"), "dear", lambda _name, _system: [], lambda: tmp_path).options[
        "weights"
    ]
    assert option.files is not None
    assert option.files.folder() == tmp_path
    assert option.files.suffixes == (".safetensors", ".onnx")
    assert option.parse("~/mine.safetensors") == Path.home() / "mine.safetensors"
    assert option.parse("auto") is None
