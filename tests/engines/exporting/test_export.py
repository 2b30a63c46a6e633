"""What is exported, where it is written, what its card says, and what is refused."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_networks import bench, weights_of
from weight_files import save_pg_svrt

from livecassi.calibration import System
from livecassi.engines.errors import (
    EngineMismatchError,
    EngineUnavailableError,
    LivecassiError,
    NetworkFileError,
    PreparationCancelledError,
    PreparationError,
    WeightsError,
)
from livecassi.engines.exporting import operators
from livecassi.engines.exporting.card import CARD_KEY, MaskPlace, add_card, read_network_card
from livecassi.engines.exporting.export import export_network, exported
from livecassi.engines.exporting.graph import GraphWriter
from livecassi.engines.exporting.operators import check_graph, check_operators
from livecassi.engines.exporting.registry import ExportRequest, ExportSpec, export_specs
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.preparation import Unwatched, Watched
from livecassi.engines.weights import TrainingState, mask_id, read_card

onnx = pytest.importorskip("onnx", reason="networks are exported with onnx")

SYSTEM = System.SD_CASSI


@pytest.fixture
def live(tmp_path: Path) -> ExportRequest:
    return ExportRequest("live", weights_of("live", SYSTEM, tmp_path), SYSTEM, 16, 24)


def doubling(request: ExportRequest) -> Any:
    """A network of one operator: what it is given, twice."""
    writer = GraphWriter("doubling")
    given = writer.input("given", (1, request.height, request.width))
    return writer.model({"twice": writer.add("Add", [given, given], given.shape)})


def registered(**changes: Any) -> dict[str, ExportSpec]:
    spec = replace(export_specs()["live"], name="pg-svrt", write=doubling, packages=("onnx",), **changes)
    return {"pg-svrt": spec}


def test_the_card_tells_what_was_exported(live: ExportRequest, tmp_path: Path) -> None:
    out = tmp_path / "live.onnx"
    said: list[str] = []
    card = export_network(replace(live, precision=Precision.FP16), out, Watched(lambda what, _: said.append(what)))
    assert read_network_card(out) == card == read_network_card(out.read_bytes())
    assert (card.network, card.system, card.height, card.width) == ("live", SYSTEM, 16, 24)
    assert (card.precision, card.mask, card.mask_id, card.calibration_id) == ("fp16", MaskPlace.NONE, None, None)
    assert (card.input_scale, card.opset) == (1.0, onnx.load(out).opset_import[0].version)
    weights = read_card(live.weights)
    assert card.weights == live.weights.name
    assert card.weights_sha256 == weights.tensors_sha256
    assert card.weights_state is TrainingState.TRAINED
    assert card.wavelengths_nm == weights.wavelengths_nm
    assert [path.name for path in tmp_path.iterdir()] == ["live.onnx"]
    assert len(said) == 4


def test_the_card_of_a_bench_names_its_mask_and_its_scale(tmp_path: Path) -> None:
    system = System.NDSSI
    calibration = bench(system, 20, 30, largest_response=0.5)
    weights = save_pg_svrt(tmp_path / "w.safetensors", system, state=TrainingState.PARTLY_TRAINED)
    specs = registered(systems=frozenset(System), takes_mask=True, multiple=1)
    request = ExportRequest("pg-svrt", weights, system, 20, 30, calibration=calibration)
    _, card = exported(request, Unwatched(), specs)
    assert (card.mask, card.mask_id) == (MaskPlace.BAKED, mask_id(calibration.mask))
    assert (card.calibration_id, card.input_scale, card.bands, card.step_px) == (calibration.id, 2.0, 30, 2.0)
    assert card.wavelengths_nm == tuple(map(float, calibration.wavelengths_nm))
    assert card.weights_state is TrainingState.PARTLY_TRAINED
    _, without = exported(replace(request, calibration=None), Unwatched(), specs)
    assert (without.mask, without.mask_id, without.wavelengths_nm) == (MaskPlace.INPUT, None, None)


def test_a_bench_that_is_no_multiple_gets_a_network_that_is_larger(tmp_path: Path) -> None:
    system = System.DD_CASSI
    calibration = bench(system, 50, 66)
    assert export_specs()["live"].size_for(calibration) == (56, 72)
    request = ExportRequest("live", weights_of("live", system, tmp_path), system, 56, 72, calibration=calibration)
    model, card = exported(request, Unwatched())
    assert [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim] == [1, 21, 56, 72]
    assert (card.mask, card.calibration_id) == (MaskPlace.NONE, calibration.id)


def test_a_bench_that_the_weights_were_not_trained_for_is_refused(live: ExportRequest) -> None:
    with pytest.raises(EngineMismatchError, match=r"trained for bands of 453\.5 to 648 nm, calibration 'drawn'"):
        exported(replace(live, height=24, width=32, calibration=bench(SYSTEM, 20, 30)), Unwatched())


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"network": "wishful"}, EngineUnavailableError, "choose one of: pg-svrt, live"),
        ({"system": System.PMVIS}, EngineMismatchError, "is made for dd-cassi, sd-cassi, not for 'pmvis'"),
        ({"system": System.DD_CASSI}, EngineMismatchError, "made for another system: sd-cassi, expected dd-cassi"),
        ({"network": "pg-svrt"}, EngineMismatchError, "17 rows and columns or more, found 16 x 24"),
        ({"height": 20}, EngineMismatchError, "in multiples of 8, found 20 x 24"),
        ({"calibration": bench(SYSTEM, 32, 40)}, EngineMismatchError, "scenes of 32 x 40, found 16 x 24"),
        ({"calibration": bench(System.DD_CASSI, 16, 24)}, EngineMismatchError, "'drawn' is for dd-cassi"),
        ({"weights": Path("absent.safetensors")}, WeightsError, "does not exist"),
    ],
)
def test_what_does_not_go_together_is_refused(
    live: ExportRequest, tmp_path: Path, changes: dict[str, Any], error: type[LivecassiError], words: str
) -> None:
    with pytest.raises(error, match=words):
        export_network(replace(live, **changes), tmp_path / "x.onnx", Unwatched())
    assert not list(tmp_path.iterdir())


def test_weights_of_another_network_are_refused(live: ExportRequest) -> None:
    with pytest.raises(EngineMismatchError, match="made for another network: live, expected pg-svrt"):
        exported(replace(live, network="pg-svrt", height=17), Unwatched())


def test_a_missing_package_is_named_with_what_installs_it(live: ExportRequest) -> None:
    specs = {"live": replace(export_specs()["live"], packages=("onnx", "absent_one", "absent_two"))}
    with pytest.raises(EngineUnavailableError, match=r"absent_one and absent_two.*'livecassi\[torch,onnx\]'"):
        exported(live, Unwatched(), specs)


def test_a_disk_that_refuses_leaves_the_old_file_and_nothing_else(
    live: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "live.onnx"
    out.write_text("the old one")
    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(PreparationError, match=r"live.onnx \(No space left on device\)"):
        export_network(live, out, Unwatched())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the old one"]


def test_a_folder_that_is_not_there_is_told(live: ExportRequest, tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match="choose a folder"):
        export_network(live, tmp_path / "absent" / "live.onnx", Unwatched())


def test_an_export_that_nobody_wants_any_more_leaves_nothing(live: ExportRequest, tmp_path: Path) -> None:
    said: list[str] = []
    watched = Watched(lambda what, _: said.append(what), gone=lambda: len(said) == 2)
    with pytest.raises(PreparationCancelledError):
        export_network(live, tmp_path / "live.onnx", watched)
    assert not list(tmp_path.iterdir())


def small_model(operator: str = "Relu", shape: Sequence[int] = (2, 3), domain: str = "") -> Any:
    writer = GraphWriter("small")
    writer.place = "down1.0"
    given = writer.input("given", shape)
    result = writer.add(operator, [given], shape)
    model = writer.model({"result": result})
    model.graph.node[0].domain = domain
    return model


def test_operators_that_some_runtime_lacks_are_named_with_their_place() -> None:
    with pytest.raises(PreparationError, match=r"operator Einsum at 'down1\.0/Einsum_0'"):
        check_operators(small_model("Einsum"))
    with pytest.raises(PreparationError, match=r"domain 'com\.microsoft'"):
        check_operators(small_model(domain="com.microsoft"))
    check_operators(small_model())


def test_graphs_that_are_old_open_in_size_or_broken_are_refused() -> None:
    check_graph(small_model(), "small")
    old = small_model()
    old.opset_import[0].version = 16
    with pytest.raises(PreparationError, match="opset 16, expected 17"):
        check_graph(old, "small")
    broken = small_model()
    broken.graph.node[0].input[0] = "nothing"
    with pytest.raises(PreparationError, match="not valid"):
        check_graph(broken, "small")
    open_size = small_model()
    for value in (*open_size.graph.input, *open_size.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del open_size.graph.value_info[:]
    with pytest.raises(PreparationError, match="expected one that is fixed"):
        check_graph(open_size, "small")


def test_a_network_too_large_for_one_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "LARGEST_FILE", 100)
    with pytest.raises(PreparationError, match="export it for smaller scenes"):
        check_graph(small_model(), "small")


def test_files_that_are_no_networks_of_ours_are_refused(live: ExportRequest, tmp_path: Path) -> None:
    out = tmp_path / "live.onnx"
    card = export_network(live, out, Unwatched())
    whole = out.read_bytes()
    model = onnx.load(out)
    for content, words in (
        (b"", "no ONNX file, or damaged"),
        (b"not a network at all", "no ONNX file, or damaged"),
        (whole[:-20], "cut off"),
        (whole[: len(whole) // 2], "cut off"),
        (small_model().SerializeToString(), "another program made it"),
        (_with_card(model, card.model_dump_json().replace('"schema_version":1', '"schema_version":7')), "version 7"),
        (_with_card(model, card.model_dump_json().replace('"height":16', '"height":0')), "height"),
        (_with_card(model, card.model_dump_json().replace('"opset"', '"surprise"')), "not valid"),
        (_with_card(model, card.model_dump_json().replace('"none"', '"baked"')), "a baked mask has an id"),
        (_with_card(model, "{}"), "names no schema_version"),
    ):
        out.write_bytes(content)
        with pytest.raises(NetworkFileError, match=words):
            read_network_card(out)
    with pytest.raises(NetworkFileError, match="cannot be read"):
        read_network_card(tmp_path / "absent.onnx")


def _with_card(model: Any, text: str) -> bytes:
    (entry,) = (entry for entry in model.metadata_props if entry.key == CARD_KEY)
    entry.value = text
    return model.SerializeToString()


def test_a_card_replaces_the_one_before_and_leaves_what_others_wrote(live: ExportRequest) -> None:
    model, card = exported(live, Unwatched())
    model.metadata_props.add(key="note", value="of another program")
    newer = card.model_copy(update={"weights": "newer.safetensors"})
    add_card(model, newer)
    assert read_network_card(model.SerializeToString()) == newer
    assert {entry.key for entry in model.metadata_props} == {CARD_KEY, "note"}


def test_the_same_export_has_the_same_graph(live: ExportRequest) -> None:
    first, second = (exported(live, Unwatched())[0].graph.SerializeToString() for _ in range(2))
    assert first == second
    assert np.frombuffer(first, np.uint8).size > 1_000_000
