"""Files of weights: what is written is read, and whatever is wrong with a file is one clear refusal."""

import json
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from livecassi.calibration import System
from livecassi.engines.errors import WeightsError
from livecassi.engines.weights import (
    CARD_KEY,
    ModelCard,
    SourceFile,
    TrainingState,
    WeightsCard,
    load_state,
    mask_id,
    read_card,
    read_checkpoint,
    read_header,
    save_weights,
    verify_weights,
)


def card(**others: object) -> WeightsCard:
    known: dict[str, object] = {
        "network": "tiny",
        "system": System.DD_CASSI,
        "bands": 3,
        "step_px": 1.5,
        "wavelengths_nm": (450.0, 520.5, 600.0),
        "created": datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
        "state": TrainingState.PARTLY_TRAINED,
    }
    return WeightsCard.model_validate(known | others)


def tensors() -> dict[str, torch.Tensor]:
    numbers = torch.Generator().manual_seed(1)
    return {
        "b.weight": torch.randn(5, 3, 2, generator=numbers),
        "a.bias": torch.randn(5, generator=numbers),
        "scale": torch.tensor(0.25),
        "count": torch.tensor([7], dtype=torch.int64),
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, card(), tensors())
    return path


def rewrite(path: Path, edit_card: dict[str, object] | str) -> Path:
    """The same tensors with another card."""
    text = edit_card if isinstance(edit_card, str) else json.dumps(edit_card)
    changed = path.with_name("changed.safetensors")
    save_file(load_state(path)[1], changed, {CARD_KEY: text})
    return changed


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    source = SourceFile(name="original.pth", sha256="0" * 64)
    how = ModelCard(training_data="18 scenes", steps=9000, hours=1.5, validation={"psnr_db": 31.25}, limits="bright")
    full = card(source=source, model_card=how, licence="MIT", mask_id="1" * 64)
    written = save_weights(path, full, tensors())
    assert len(written.tensors_sha256) == 64
    assert written.model_copy(update={"tensors_sha256": ""}) == full
    found, state = load_state(path)
    assert found == written == read_card(path) == verify_weights(path)
    assert state.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert state[name].dtype == tensor.dtype
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
    assert read_header(path).values == 30 + 5 + 1 + 1


def test_the_hash_covers_names_shapes_types_and_values_but_not_their_order(tmp_path: Path) -> None:
    def hashed(state: dict[str, torch.Tensor]) -> str:
        return save_weights(tmp_path / "one.safetensors", card(), state).tensors_sha256

    state = tensors()
    same = hashed(state)
    assert hashed(dict(reversed(state.items()))) == same
    others = [
        {**state, "c.bias": state["a.bias"]},
        {**state, "a.bias": state["a.bias"] + 1e-6},
        {**state, "b.weight": state["b.weight"].reshape(5, 6)},
        {**state, "count": state["count"].int()},
    ]
    assert len({same, *map(hashed, others)}) == 5


def test_views_and_tensors_that_share_memory_can_be_saved(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    path = tmp_path / "views.safetensors"
    save_weights(path, card(), {"whole": base, "turned": base.T, "same": base, "parameter": torch.nn.Parameter(base)})
    _, state = load_state(path)
    torch.testing.assert_close(state["turned"], base.T)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_stored_as_they_are_and_loaded_in_float32(tmp_path: Path, kind: torch.dtype) -> None:
    path = tmp_path / "half.safetensors"
    values = torch.tensor([[0.5, -2.0, 3.25]], dtype=kind)
    save_weights(path, card(), {"a": values})
    _, state = load_state(path)
    assert state["a"].dtype == torch.float32
    assert state["a"].tolist() == [[0.5, -2.0, 3.25]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    path = tmp_path / "broken.safetensors"
    broken = {**tensors(), "a.bias": torch.tensor([1.0, value])}
    with pytest.raises(WeightsError, match=r"1 of 4 tensors .*NaN or infinite values \(a.bias\)"):
        save_weights(path, card(), broken)
    assert not list(tmp_path.iterdir())


def test_values_beyond_float32_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    save_weights(path, card(), {**tensors(), "a.bias": torch.tensor([1.0, 1e300], dtype=torch.float64)})
    with pytest.raises(WeightsError, match=r"NaN or infinite values \(a.bias\)"):
        load_state(path)


def test_tensors_that_no_file_can_hold_are_refused_by_name(tmp_path: Path) -> None:
    for odd in (torch.ones(2, dtype=torch.complex64), torch.eye(3).to_sparse(), torch.ones(2, device="meta")):
        with pytest.raises(WeightsError, match="'odd'"):
            save_weights(tmp_path / "odd.safetensors", card(), {"fine": torch.ones(1), "odd": odd})
    assert not list(tmp_path.iterdir())


def test_a_failing_save_leaves_the_old_file_and_nothing_else(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WeightsError, match="No space left"):
        save_weights(saved, card(), {"other": torch.ones(3)})
    with pytest.raises(WeightsError, match="No space left"):
        save_weights(tmp_path / "new.safetensors", card(), tensors())
    assert list(tmp_path.iterdir()) == [saved]
    assert saved.read_bytes() == before
    with pytest.raises(WeightsError, match="can be written"):
        save_weights(tmp_path / "absent" / "new.safetensors", card(), tensors())


def test_a_file_that_came_meanwhile_is_not_replaced_unasked(saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(WeightsError, match="is there already"):
        save_weights(saved, card(), {"other": torch.ones(3)}, replace=False)
    assert saved.read_bytes() == before
    assert list(tmp_path.iterdir()) == [saved]


def test_several_may_save_the_same_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "same.safetensors"
    with ThreadPoolExecutor(4) as pool:
        for written in [pool.submit(save_weights, path, card(), tensors()) for _ in range(20)]:
            written.result()
    verify_weights(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_changed_file_is_recognised(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    assert read_card(saved).network == "tiny"
    for read in (load_state, verify_weights):
        with pytest.raises(WeightsError, match="changed or damaged"):
            read(saved)


def test_cards_of_others_are_refused(saved: Path) -> None:
    good = json.loads(read_card(saved).model_dump_json())
    for other, words in (
        ({**good, "schema_version": 2}, "schema version 2, this livecassi reads 1"),
        ({**good, "flavour": "sweet"}, "flavour"),
        ({**good, "state": "fresh"}, "state"),
        ({**good, "system": "xd-cassi"}, "system"),
        ({**good, "wavelengths_nm": [450, 500]}, "2 wavelengths were given for 3 bands"),
        ({**good, "wavelengths_nm": [450, 500, 500]}, "ascend"),
        ({**good, "created": "2026-05-04T03:02:01"}, "created"),
        ({key: value for key, value in good.items() if key != "network"}, "network"),
        ({"name": "somebody's"}, "schema_version"),
        ("no JSON", "schema_version"),
        ("[1]", "schema_version"),
    ):
        with pytest.raises(WeightsError, match=words):
            read_card(rewrite(saved, other))


def test_files_that_are_no_files_of_weights_are_refused(saved: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.safetensors"
    save_file(tensors(), bare)
    empty = tmp_path / "empty.safetensors"
    empty.touch()
    torch.save(tensors(), tmp_path / "plain.pth")
    for path, words in (
        (bare, "no card"),
        (empty, "not a safetensors file"),
        (tmp_path / "plain.pth", "weights import"),
        (tmp_path / "absent.safetensors", "does not exist"),
        (tmp_path, "is a folder"),
    ):
        for read in (read_card, load_state, verify_weights):
            with pytest.raises(WeightsError, match=words):
                read(path)


def test_a_file_cut_anywhere_is_refused(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in (0, 5, 8, 9, 60, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(WeightsError, match=r"cut\.safetensors"):
            load_state(cut)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.dictionaries(st.sampled_from(["a", "__metadata__", "b"]), st.recursive(
    st.none() | st.integers(-3, 2**70) | st.text(max_size=4) | st.just("F32"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["dtype", "shape", "data_offsets", CARD_KEY]), inner, max_size=4),
    max_leaves=8,
)), rest=st.binary(max_size=40))  # fmt: skip
def test_no_header_whatever_makes_anything_but_a_refusal(
    tmp_path: Path, header: dict[str, object], rest: bytes
) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + rest)
    with pytest.raises(WeightsError):
        load_state(path)
    try:
        read_checkpoint(path)
    except WeightsError as error:
        assert "odd.safetensors" in str(error)  # noqa: PT017 - a header that happens to be sound is no fault


class Dangerous:
    """Unpickled by the ordinary reader, it would make the file whose path it holds."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for number, content in enumerate(
        (Dangerous(marker), {"state_dict": {"a": Dangerous(marker)}}, {"a": torch.ones(2), "b": Dangerous(marker)})
    ):
        path = tmp_path / f"{number}.pth"
        torch.save(content, path)
        with pytest.raises(WeightsError, match="reading it would run") as refusal:
            read_checkpoint(path)
        assert "weights_only" not in str(refusal.value)
        assert not marker.exists()
    torch.load(tmp_path / "0.pth", weights_only=False)
    assert marker.exists()  # so the test can fail


def test_checkpoints_in_every_usual_shape_are_read(tmp_path: Path) -> None:
    state = tensors()
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    for number, content in enumerate(
        (state, wrapped, {"state_dict": wrapped, "epoch": 80}, {"model": state, "loss": 0.1}, {"params": state})
    ):
        for new_format in (True, False):
            path = tmp_path / f"{number}.pth"
            torch.save(content, path, _use_new_zipfile_serialization=new_format)
            found = read_checkpoint(path)
            assert found.keys() == state.keys()
            assert all(torch.equal(found[name], state[name]) for name in state)
    save_file(wrapped, tmp_path / "bare.safetensors")
    assert read_checkpoint(tmp_path / "bare.safetensors").keys() == state.keys()


def test_what_is_no_checkpoint_is_refused_with_the_reason(tmp_path: Path) -> None:
    def write(name: str, content: object) -> None:
        torch.save(content, tmp_path / name)

    write("list.pth", [torch.ones(2)])
    write("number.pth", {"epoch": 3, "a": torch.ones(2)})
    write("empty.pth", {})
    write("module.pth", torch.nn.Linear(3, 2))
    write("whole.pth", tensors())
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "words.pth").write_bytes(b"hello, this is no checkpoint")
    (tmp_path / "nothing.pth").touch()
    (tmp_path / "words.safetensors").write_bytes(b"<html>404</html>")
    for name, words in (
        ("list.pth", "holds a list, expected tensors by name"),
        ("number.pth", r"epoch \(int\)"),
        ("empty.pth", "holds nothing"),
        ("module.pth", r"would run 'torch\.nn\.modules\.linear\.Linear'"),
        ("cut.pth", "damaged or not a checkpoint"),
        ("words.pth", "damaged or not a checkpoint"),
        ("nothing.pth", "damaged or not a checkpoint"),
        ("words.safetensors", "not a safetensors file"),
        ("absent.pth", "does not exist"),
    ):
        with pytest.raises(WeightsError, match=words):
            read_checkpoint(tmp_path / name)


def test_a_mask_is_known_by_its_values() -> None:
    mask = np.random.default_rng(2).random((5, 7)).astype(np.float32)
    assert mask_id(mask) == mask_id(np.asfortranarray(mask))
    assert len({mask_id(mask), mask_id(mask[:, :6]), mask_id(mask.reshape(7, 5)), mask_id(1 - mask)}) == 4
