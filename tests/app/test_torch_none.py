"""Commands that need torch where it is not installed: a message with the way out, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from livecassi.app.command_line import main; main()"


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "hsra-s", "--out", "run"),
        ("weights", "import", "bisrnet.pth", "--network", "bisrnet", "--system", "sd-cassi", "--out", "w.safetensors"),
        ("export-network", "bisrnet", "--system", "sd-cassi", "--size", "16x24", "--out", "n.onnx"),
    ],
)
def test_what_needs_torch_says_how_to_install_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "bisrnet.pth").write_bytes(b"PK\3\4")
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    if arguments[0] == "export-network":
        command += ["--weights", "bisrnet.pth"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "needs torch" in ended.stderr
    assert "pip install 'livecassi[torch" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bisrnet.pth"]
