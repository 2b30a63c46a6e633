"""The weights that are here: which engines find, and what `livecassi weights` says and writes."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import Run
from safetensors.torch import save_file

from livecassi.app import weight_places
from livecassi.app.weight_places import FOLDER_VARIABLE, Place, find_weights, look_for_weights, user_folder
from livecassi.calibration import System
from livecassi.calibration.import_mask import import_mask, parse_wavelengths
from livecassi.calibration.store import save_calibration
from livecassi.engines.networks import load_network, network_specs
from livecassi.engines.weights import TrainingState, WeightsCard, mask_id, read_card, save_weights


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, "weights")


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of weights, not made yet; and nothing comes with livecassi."""
    folder = tmp_path / "user" / "weights"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.setattr(weight_places, "shipped_folder", lambda: tmp_path / "shipped")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random tensors of PG-SVRT as a checkpoint would hold them."""
    path = tmp_path_factory.mktemp("checkpoint") / "model_epoch_80.pth"
    network = network_specs()["pg-svrt"].build(System.DD_CASSI)
    torch.save({"state_dict": {f"module.{name}": t for name, t in network.state_dict().items()}, "epoch": 80}, path)
    return path


def put(folder: Path, name: str, day: int, network: str = "net", system: System = System.PMVIS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    card = WeightsCard(
        network=network,
        system=system,
        bands=3,
        step_px=2,
        created=datetime(2026, 3, day, tzinfo=UTC),
        state=TrainingState.UNTRAINED,
    )
    save_weights(folder / f"{name}.safetensors", card, {"a": torch.ones(2)})
    return folder / f"{name}.safetensors"


def test_the_users_newest_weights_come_first_then_the_shipped(user: Path, tmp_path: Path) -> None:
    shipped = tmp_path / "shipped"
    assert look_for_weights() == ([], [])
    late_shipped = put(shipped, "a", 30)
    old, new = put(user, "b", 2), put(user, "c", 9)
    put(user, "d", 10, network="another")
    put(user, "e", 11, system=System.SD_CASSI)
    found = find_weights("net", "pmvis")
    assert [(file.path, file.place) for file in found] == [
        (new, Place.USER),
        (old, Place.USER),
        (late_shipped, Place.SHIPPED),
    ]
    assert find_weights("net", System.NDSSI) == []
    elsewhere = find_weights("net", "pmvis", user=shipped, shipped=tmp_path / "absent")
    assert [file.place for file in elsewhere] == [Place.USER]


def test_cards_are_read_again_only_where_files_have_changed(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine of the list asks for all weights, many times when a window opens it."""
    read: list[str] = []

    def reading(path: Path) -> WeightsCard:
        read.append(path.stem)
        return read_card(path)

    monkeypatch.setattr(weight_places, "read_card", reading)
    put(user, "a", 1)
    content = put(user, "b", 2).read_bytes()
    (user / "b.safetensors").write_bytes(content[:50])
    for _ in range(3):
        (usable,), (unusable,) = look_for_weights()
        assert usable.path.stem == "a"
        assert "b.safetensors is truncated" in unusable.reason
    assert sorted(read) == ["a", "b"]
    (user / "b.safetensors").write_bytes(content)
    (user / "a.safetensors").unlink()
    put(user, "a", 3, network="another")
    for _ in range(2):
        usable_now, unusable_now = look_for_weights()
        assert [(file.path.stem, file.card.network) for file in usable_now] == [("a", "another"), ("b", "net")]
        assert unusable_now == []
    assert sorted(read) == ["a", "a", "b", "b"]


def test_a_broken_file_does_not_hide_the_others(run: Run, user: Path) -> None:
    good = put(user, "good", 1)
    (user / "broken.safetensors").write_bytes(good.read_bytes()[:50])
    save_file({"a": torch.ones(2)}, user / "bare.safetensors")
    (user / "notes.txt").write_text("not weights")
    usable, unusable = look_for_weights()
    assert [file.path for file in usable] == [good]
    assert [fault.path.name for fault in unusable] == ["bare.safetensors", "broken.safetensors"]
    assert "no card" in unusable[0].reason
    assert "truncated" in unusable[1].reason
    listed = run("list").out
    assert str(good) in listed
    assert listed.count("not usable") == 2


def test_without_a_variable_weights_lie_with_the_users_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert user_folder().name == "weights"
    assert "livecassi" in user_folder().parts


def test_an_imported_checkpoint_is_found_listed_shown_and_loaded(run: Run, checkpoint: Path, user: Path) -> None:
    empty = run("list")
    assert f"no weights in {user}" in empty.out
    assert json.loads(run("list", "--json").out)["weights"] == []
    imported = run("import", checkpoint, "--network", "pg-svrt", "--system", "dd-cassi", "--licence", "MIT, (c) us")
    assert imported.code == 0, imported.err
    best = find_weights("pg-svrt", "dd-cassi")[0]
    assert best.path == user / "pg-svrt-dd-cassi-model_epoch_80.safetensors"
    assert best.card.state is TrainingState.TRAINED
    assert str(best.path) in imported.out
    listed = json.loads(run("list", "--json").out)
    assert listed["folders"]["user"] == str(user)
    assert listed["weights"][0]["card"]["source"]["name"] == "model_epoch_80.pth"
    assert "pg-svrt, dd-cassi, 30 bands, wavelengths unknown, trained" in run("list").out
    shown = run("show", best.path)
    assert "1058 tensors, 2476966 values, as the card says" in shown.out
    assert "MIT, (c) us" in shown.out
    assert WeightsCard.model_validate_json(run("show", best.path, "--json").out) == best.card
    load_network("pg-svrt", best.path, "dd-cassi")


def test_everything_that_is_known_goes_onto_the_card(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.npy"
    np.save(mask, np.random.default_rng(0).random((24, 90)).astype(np.float32))
    calibration = import_mask(mask, System.DD_CASSI, parse_wavelengths("410:700:10"), 2)
    save_calibration(calibration, tmp_path / "bench.h5")
    ids = []
    for given in (mask, tmp_path / "bench.h5"):
        out = tmp_path / f"{given.suffix[1:]}.safetensors"
        known = ("--wavelengths", "410:700:10", "--mask", given, "--state", "partly trained", "--out", out)
        outcome = run("import", checkpoint, "--network", "pg-svrt", "--system", "dd-cassi", *known)
        assert outcome.code == 0, outcome.err
        card = read_card(out)
        assert card.wavelengths_nm is not None
        assert (card.wavelengths_nm[0], card.wavelengths_nm[-1], len(card.wavelengths_nm)) == (410, 700, 30)
        assert card.state is TrainingState.PARTLY_TRAINED
        ids.append(card.mask_id)
    assert ids == [mask_id(calibration.mask)] * 2


def test_nothing_is_overwritten_without_force(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    command = ("import", checkpoint, "--network", "pg-svrt", "--system", "pmvis", "--out", out)
    assert run(*command).code == 0
    before = out.read_bytes()
    refused = run(*command, "--state", "untrained")
    assert refused.code == 2
    assert "--force" in refused.err
    assert out.read_bytes() == before
    assert run(*command, "--state", "untrained", "--force").code == 0
    assert read_card(out).state is TrainingState.UNTRAINED
    onto_itself = run("import", out, "--network", "pg-svrt", "--system", "pmvis", "--out", out, "--force")
    assert onto_itself.code == 2
    assert "into the input" in onto_itself.err


def test_what_cannot_be_imported_leaves_no_file(run: Run, checkpoint: Path, user: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pth"
    torch.save({"a": torch.ones(2)}, stranger)
    usual = ("--network", "pg-svrt", "--system", "sd-cassi")
    for command, words in (
        ((stranger, *usual), "does not fit network 'pg-svrt'"),
        ((tmp_path / "absent.pth", *usual), "does not exist"),
        ((checkpoint, "--network", "wishful", "--system", "sd-cassi"), "choose one of: pg-svrt"),
        ((checkpoint, "--network", "pg-svrt", "--system", "xd-cassi"), "is made for dd-cassi, ndssi"),
        ((checkpoint, *usual, "--wavelengths", "tsa28"), "28 wavelengths were given for 30 bands"),
        ((checkpoint, *usual, "--wavelengths", "blue"), "not understood"),
        ((checkpoint, *usual, "--state", "fresh"), "partly trained"),
        ((checkpoint, *usual, "--mask", tmp_path / "absent.npy"), "does not exist"),
        ((checkpoint, *usual, "--out", tmp_path / "weights.pth"), "ending in .safetensors"),
        ((checkpoint, *usual, "--out", tmp_path / "none" / "a.safetensors"), "that is not there"),
    ):
        outcome = run("import", *command)
        assert outcome.code == 2, (command, outcome)
        assert words in " ".join(outcome.err.split()), outcome.err
        assert "Traceback" not in outcome.err
    assert not list(user.glob("*"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["stranger.pth"]


def test_show_refuses_what_has_no_card(run: Run, checkpoint: Path) -> None:
    outcome = run("show", checkpoint)
    assert outcome.code == 2
    assert "weights import" in outcome.err


def test_weights_of_the_live_network_are_copied_not_imported(run: Run, checkpoint: Path, user: Path) -> None:
    refused = run("import", str(checkpoint), "--network", "live", "--system", "sd-cassi")
    assert refused.code == 2
    assert f"copy the file into {user}" in " ".join(refused.err.split())
