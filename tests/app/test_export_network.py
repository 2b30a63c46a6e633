"""`livecassi export-network`: what it writes, says and refuses."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import Run
from exported_networks import Exports, bench
from weight_files import save_pg_svrt

from livecassi.app.weight_places import FOLDER_VARIABLE
from livecassi.calibration import System
from livecassi.calibration.store import save_calibration
from livecassi.engines.exporting.card import read_network_card
from livecassi.engines.weights import TrainingState

pytest.importorskip("onnx", reason="networks are exported with onnx")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


def test_the_shipped_live_network_is_exported_for_a_size(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "live.onnx"
    outcome = run("export-network", "live", "--system", "sd-cassi", "--size", "32x48", "--out", out)
    assert outcome.code == 0, outcome.err
    assert "takes    features (1, 21, 32, 48) float32" in outcome.out
    assert "gives    corrections (1, 12, 32, 48) float32" in outcome.out
    assert "mask     not seen by this network" in outcome.out
    assert "live-sd-cassi.safetensors, trained" in outcome.out
    assert "note" not in outcome.out
    card = read_network_card(out)
    assert (card.height, card.width, card.precision) == (32, 48, "fp32")


def test_a_bench_brings_system_size_and_mask(
    run: Run, tmp_path: Path, user: Path, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = exports.of("pg-svrt", System.DD_CASSI, baked=True)
    monkeypatch.setattr("livecassi.engines.networks.exporting.network_onnx", lambda _: export.model)
    calibration = bench(System.DD_CASSI, 20, 36)
    save_calibration(calibration, tmp_path / "bench.h5")
    save_pg_svrt(user / "w.safetensors", System.DD_CASSI, state=TrainingState.PARTLY_TRAINED)
    out = tmp_path / "network.onnx"
    command = ("export-network", "pg-svrt", "--calibration", tmp_path / "bench.h5", "--precision", "fp16")
    outcome = run(*command, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "dd-cassi, scenes of 20 x 36, fp16" in outcome.out
    assert "takes    measurement (1, 3, 20, 36) float32\n" in outcome.out
    assert "mask     part of the network" in outcome.out
    assert "note: these weights are partly trained" in outcome.out
    card = read_network_card(out)
    assert (card.calibration_id, card.mask) == (calibration.id, "baked")


def test_the_size_of_a_bench_is_rounded_up_for_the_live_network(run: Run, tmp_path: Path) -> None:
    save_calibration(bench(System.DD_CASSI, 20, 30), tmp_path / "bench.h5")
    out = tmp_path / "live.onnx"
    outcome = run("export-network", "live", "-c", tmp_path / "bench.h5", "--out", out)
    assert outcome.code == 0, outcome.err
    assert (read_network_card(out).height, read_network_card(out).width) == (24, 32)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("wishful", "--system", "sd-cassi", "--size", "32"), "choose one of: pg-svrt, live"),
        (("live", "--system", "pmvis", "--size", "32"), "is made for dd-cassi, sd-cassi"),
        (("live", "--system", "sd-cassi", "--size", "32x20"), "in multiples of 8, found 32 x 20"),
        (("live", "--system", "sd-cassi", "--size", "tiny"), "expected HEIGHTxWIDTH"),
        (("live", "--system", "sd-cassi", "--size", "0x8"), "expected HEIGHTxWIDTH"),
        (("live", "--system", "sd-cassi"), "--size is missing"),
        (("live", "--size", "32"), "--system is missing"),
        (("live", "--system", "sd-cassi", "--size", "32", "--precision", "int8"), "one of fp32, bf16, fp16"),
        (("pg-svrt", "--system", "ndssi", "--size", "32x40"), "no weights of 'pg-svrt' for ndssi"),
        (("live", "--system", "sd-cassi", "--size", "32", "--weights", "absent.safetensors"), "does not exist"),
        (("live", "--calibration", "absent.h5"), "absent.h5"),
    ],
)
def test_what_cannot_be_exported_is_refused(run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    outcome = run("export-network", *arguments, "--out", tmp_path / "x.onnx")
    assert outcome.code == 2
    plain = " ".join(outcome.err.replace("│", " ").split())
    assert words in plain
    assert "Traceback" not in outcome.err
    assert not list(tmp_path.glob("*.onnx"))


def test_the_file_must_be_named_as_one_of_onnx(run: Run, tmp_path: Path) -> None:
    outcome = run("export-network", "live", "--system", "sd-cassi", "--size", "32", "--out", tmp_path / "live.trt")
    assert outcome.code == 2
    assert "ending in .onnx" in outcome.err


def test_its_help_needs_neither_torch_nor_onnx() -> None:
    program = (
        "import sys; sys.argv = ['livecassi', 'export-network', '--help']\n"
        "from livecassi.app.command_line import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "print([name for name in ('torch', 'onnx', 'numpy') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert "HEIGHTxWIDTH" in ended.stdout
