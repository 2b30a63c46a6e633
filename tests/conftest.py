"""Fixtures for all tests: shared reference data, and a check that no test leaves threads behind."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commands import Outcome, Run

from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.engines.runtimes.cache_folder import CACHE_VARIABLE

if TYPE_CHECKING:
    from exported_networks import Exports

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden outputs and real data beside the checkout; skips where it is absent."""
    folder = Path(os.environ.get("LIVECASSI_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip("the folder of reference data (shared) is not beside this checkout")
    return folder


@pytest.fixture(autouse=True, scope="session")
def prepared_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where networks prepared in tests are kept: not among the user's own."""
    folder = tmp_path_factory.mktemp("networks", numbered=True)
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder))
        yield folder


@pytest.fixture(autouse=True, scope="session")
def kept_calibrations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where drafts and calibrations made in tests are kept: not among the user's own."""
    folder = tmp_path_factory.mktemp("calibrations", numbered=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CALIBRATIONS_VARIABLE, str(folder))
        yield folder


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fails a test that leaves a live thread of livecassi behind."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2.0
    while True:
        leaked = [t for t in set(threading.enumerate()) - before if t.name.startswith("livecassi")]
        if not leaked or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    assert not leaked, f"threads still running: {[t.name for t in leaked]}"


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> "Exports":
    """Networks exported once for all tests; skips where what that takes is not installed."""
    for package in ("torch", "onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"networks are exported with {package}")
    from exported_networks import Exports

    return Exports(tmp_path_factory.mktemp("exports"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch computes on one thread: sums are always of the same order, and threads do not wait for busy cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command `livecassi` with these arguments in this process."""
    from livecassi.app.command_line import main

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["livecassi", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        captured = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call
