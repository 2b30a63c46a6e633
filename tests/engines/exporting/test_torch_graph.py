"""What torch's exporter is asked for, beside the networks themselves."""

import os
import tempfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("onnxscript", reason="torch exports networks with onnxscript")

from livecassi.engines.exporting.torch_graph import graph_of


class Doubled(nn.Module):
    def forward(self, given: Tensor) -> Tensor:
        return 2 * torch.relu(given)


def test_an_export_leaves_nothing_among_the_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    network = Doubled()
    model = graph_of(network, network.forward, {"given": (1, 3, 5)}, "twice", "doubled")
    assert [value.name for value in model.graph.output] == ["twice"]
    assert list(tmp_path.iterdir()) == []
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
