"""From checkpoints to networks: what fits is loaded, what does not is refused with words that help."""

import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError, WeightsError
from livecassi.engines.networks import NetworkSpec, find_network, import_checkpoint, load_network, network_specs
from livecassi.engines.weights import TrainingState, load_state, save_weights

DUAL = frozenset({System.DD_CASSI, System.NDSSI})


def tiny_network(bands: int = 6) -> nn.Module:
    return nn.Sequential(OrderedDict(first=nn.Conv2d(1, bands, 3), norm=nn.BatchNorm2d(bands), drop=nn.Dropout(0.5)))


def other_network(_: System) -> nn.Module:
    return nn.Sequential(OrderedDict(first=nn.Linear(4, 2), second=nn.Linear(2, 3), third=nn.Linear(3, 1)))


SPECS = {
    spec.name: spec
    for spec in (
        NetworkSpec("tiny", "Tiny", 1, 6, 2, DUAL, lambda _: tiny_network()),
        NetworkSpec("other", "Other", 1, 6, 2, frozenset(System), other_network),
    )
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model_epoch_80.pth"
    state = {f"module.{name}": tensor for name, tensor in tiny_network().state_dict().items()}
    torch.save({"state_dict": state, "epoch": 80}, path)
    return path


def test_importing_the_networks_does_not_import_torch() -> None:
    code = (
        "import sys, livecassi.engines.networks, livecassi.engines.weights as w; "
        "sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_checkpoint_becomes_a_file_with_a_card_and_a_network(checkpoint: Path, tmp_path: Path) -> None:
    imported = import_checkpoint(
        checkpoint,
        "tiny",
        "ndssi",
        wavelengths_nm=[410, 420, 430, 440, 450, 460],
        mask_id="5" * 64,
        licence="MIT",
        specs=SPECS,
    )
    assert imported.notes == ()
    path = tmp_path / "tiny.safetensors"
    card = save_weights(path, imported.card, imported.state)
    assert (card.network, card.system, card.bands, card.step_px) == ("tiny", System.NDSSI, 6, 2)
    assert (card.state, card.licence, card.mask_id) == (TrainingState.TRAINED, "MIT", "5" * 64)
    assert card.wavelengths_nm == (410, 420, 430, 440, 450, 460)
    assert card.source is not None
    assert card.source.name == "model_epoch_80.pth"
    network = load_network("tiny", path, System.NDSSI, SPECS)
    named = load_network("tiny", str(path), "ndssi", SPECS)
    torch.testing.assert_close(named.state_dict(), network.state_dict(), rtol=0, atol=0)
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    wanted = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, wanted[f"module.{name}"])


def test_only_the_card_tells_systems_with_the_same_tensors_apart(checkpoint: Path, tmp_path: Path) -> None:
    imported = import_checkpoint(checkpoint, "tiny", "dd-cassi", specs=SPECS)
    path = tmp_path / "tiny.safetensors"
    save_weights(path, imported.card, imported.state)
    with pytest.raises(EngineMismatchError, match="another system: dd-cassi, expected ndssi"):
        load_network("tiny", path, "ndssi", SPECS)
    with pytest.raises(EngineMismatchError, match="another system"):
        import_checkpoint(path, "tiny", "ndssi", specs=SPECS)
    with pytest.raises(EngineMismatchError, match="another network: tiny, expected other"):
        load_network("other", path, "dd-cassi", SPECS)
    for system in DUAL:  # without a card the caller's word counts
        load_network("tiny", checkpoint, system, SPECS)


def test_a_card_with_other_bands_or_step_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    imported = import_checkpoint(checkpoint, "tiny", "dd-cassi", specs=SPECS)
    path = tmp_path / "tiny.safetensors"
    for change, words in (({"bands": 5}, "number of bands: 5, expected 6"), ({"step_px": 1.5}, "step in px per band")):
        save_weights(path, imported.card.model_copy(update=change), imported.state)
        with pytest.raises(EngineMismatchError, match=words):
            load_network("tiny", path, "dd-cassi", SPECS)


def test_a_file_with_a_card_keeps_it_when_imported_again(checkpoint: Path, tmp_path: Path) -> None:
    first = import_checkpoint(checkpoint, "tiny", "dd-cassi", state=TrainingState.UNTRAINED, licence="A", specs=SPECS)
    path = tmp_path / "tiny.safetensors"
    written = save_weights(path, first.card, first.state)
    again = import_checkpoint(path, "tiny", "dd-cassi", licence="B", specs=SPECS)
    assert again.card == written.model_copy(update={"licence": "B"})


def test_other_precisions_become_float32_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "half.pth"
    torch.save(tiny_network().half().state_dict(), path)
    imported = import_checkpoint(path, "tiny", "dd-cassi", specs=SPECS)
    assert imported.notes == ("6 of 7 tensors were float16 and became float32",)
    assert {str(tensor.dtype) for tensor in imported.state.values()} == {"torch.float32", "torch.int64"}


def save(path: Path, state: dict[str, Tensor]) -> Path:
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, path)
    return path


def test_what_does_not_fit_is_named_and_counted(tmp_path: Path) -> None:
    state = tiny_network().state_dict()
    path = tmp_path / "bare.safetensors"
    missing = {name: tensor for name, tensor in state.items() if not name.startswith("norm")}
    misshapen = {**state, "first.weight": state["first.weight"][..., :1]}
    for wrong, words in (
        (missing, r"\(7 tensors; the file has 2\): 5 missing \(norm.weight, norm.bias, norm.running_mean, …\)\."),
        ({**state, "extra": torch.ones(2)}, r"1 unexpected \(extra\)\."),
        (misshapen, r"1 of another shape \(first.weight \(6, 1, 3, 1\) instead of \(6, 1, 3, 3\)\)\."),
    ):
        for use in (load_network, lambda n, w, s, specs: import_checkpoint(w, n, s, specs=specs)):
            with pytest.raises(WeightsError, match=words):
                use("tiny", save(path, wrong), "dd-cassi", SPECS)


def test_weights_rounded_to_whole_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "quantised.pth"
    torch.save({name: (100 * tensor).to(torch.int8) for name, tensor in tiny_network().state_dict().items()}, path)
    for use in (load_network, lambda n, w, s, specs: import_checkpoint(w, n, s, specs=specs)):
        with pytest.raises(WeightsError, match=r"in 6 of 7 tensors \(first\.weight, first\.bias, norm\.weight, …\)"):
            use("tiny", path, "dd-cassi", SPECS)


def test_weights_of_another_network_or_number_of_bands_are_recognised(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    with pytest.raises(WeightsError, match="tensors of network 'other': choose that one"):
        load_network("tiny", save(path, other_network(System.PMVIS).state_dict()), "dd-cassi", SPECS)
    with pytest.raises(WeightsError, match="trained for 4 bands, this network has 6"):
        load_network("tiny", save(path, tiny_network(4).state_dict()), "dd-cassi", SPECS)


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    state = {**tiny_network().state_dict(), "norm.bias": torch.full((6,), torch.nan)}
    for path in (save(tmp_path / "bare.safetensors", state), tmp_path / "nan.pth"):
        torch.save(state, tmp_path / "nan.pth")
        with pytest.raises(WeightsError, match=r"norm\.bias"):
            load_network("tiny", path, "dd-cassi", SPECS)
        with pytest.raises(WeightsError, match=r"norm\.bias"):
            import_checkpoint(path, "tiny", "dd-cassi", specs=SPECS)


def test_unknown_networks_systems_and_senseless_wavelengths_are_refused(checkpoint: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="choose one of: tiny, other"):
        load_network("wishful", checkpoint, "dd-cassi", SPECS)
    with pytest.raises(EngineUnavailableError, match="pg-svrt"):
        find_network("wishful")
    for system in ("pmvis", "xd-cassi"):
        with pytest.raises(EngineMismatchError, match=f"made for dd-cassi, ndssi, not for '{system}'"):
            load_network("tiny", checkpoint, system, SPECS)
    for wavelengths in ([500, 600], [500, 400, 600, 700, 800, 900], [float("nan")] * 6):
        with pytest.raises(WeightsError, match="one wavelength for each of the 6 bands"):
            import_checkpoint(checkpoint, "tiny", "dd-cassi", wavelengths_nm=wavelengths, specs=SPECS)


def test_without_torch_the_refusal_says_how_to_get_it(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(EngineUnavailableError, match=r"needs safetensors.*livecassi\[torch\]"):
        load_network("tiny", checkpoint, "dd-cassi", SPECS)


def test_loading_leaves_the_random_numbers_of_others_alone(checkpoint: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_network("tiny", checkpoint, "dd-cassi", SPECS)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("name", network_specs())
def test_every_network_is_as_its_line_says(name: str) -> None:
    spec = network_specs()[name]
    for system in sorted(spec.systems):
        height, width = 18, 26
        with torch.device("meta"):  # shapes without numbers
            network = spec.build(system).to("meta").eval()
            bench = network.prepare(torch.empty(spec.bands_for(system), height, width))  # type: ignore[operator]
            beyond = spec.step_px * (spec.bands_for(system) - 1) if system.single_disperser else 0
            cubes = network(torch.empty(1, spec.frames, height, width + beyond), bench)
        assert cubes.shape == (1, spec.frames, spec.bands_for(system), height, width)


@pytest.mark.parametrize(("folder", "system"), [("pgsvrt_dd", System.DD_CASSI), ("pgsvrt_sd", System.SD_CASSI)])
def test_the_official_tensors_of_pg_svrt_make_the_whole_way(
    shared: Path, tmp_path: Path, folder: str, system: System
) -> None:
    official = shared / "golden" / folder / "weights.safetensors"
    wanted = load_file(official)
    imported = import_checkpoint(official, "pg-svrt", system, state=TrainingState.UNTRAINED)
    path = tmp_path / "pg-svrt.safetensors"
    card = save_weights(path, imported.card, imported.state)
    assert not card.trained
    assert load_state(path)[0] == card
    for source in (path, official):
        found = load_network("pg-svrt", weights=source, system=system).state_dict()
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_tensors_of_pg_svrt_are_those_of_the_authors(shared: Path) -> None:
    lines = (shared / "specs" / "pg-svrt-state-dict.tsv").read_text().splitlines()
    official = dict(line.split("\t")[:2] for line in lines)
    for system in System:
        state = network_specs()["pg-svrt"].build(system).state_dict()
        assert {name: str(tuple(tensor.shape)) for name, tensor in state.items()} == official


def test_checkpoints_of_other_networks_are_refused(shared: Path) -> None:
    for path in ("golden/stills/mst_s_weights_fp16.pt", "data/weights/bisci_simulation_bisrnet.pth"):
        with pytest.raises(WeightsError, match="1058 missing"):
            import_checkpoint(shared / path, "pg-svrt", "sd-cassi")
