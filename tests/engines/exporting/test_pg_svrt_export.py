"""PG-SVRT as it is exported: the mask inside or as an input, the authors' outputs, norms as one operator."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_networks import Exports, Session, decibels_of_several, run
from safetensors.torch import load_file
from torch import nn
from weight_files import save_pg_svrt

from livecassi.calibration import System
from livecassi.engines.exporting.export import exported
from livecassi.engines.exporting.registry import ExportRequest, export_specs
from livecassi.engines.networks import load_network
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.runtimes.onnx_tensors import declared_tensors
from livecassi.engines.runtimes.preparation import Unwatched

pytest.importorskip("onnx", reason="networks are exported with onnx")
pytest.importorskip("onnxruntime", reason="exported networks are run by ONNX Runtime")

FP32_DB = 80

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_mask_that_is_part_of_the_network_is_the_mask_as_an_input(exports: Exports) -> None:
    baked, free = (exports.of("pg-svrt", System.DD_CASSI, baked=baked) for baked in (True, False))
    assert baked.request.calibration is not None
    (declared,), _ = declared_tensors(baked.model.SerializeToString(), "it")
    assert declared.name == "measurement"
    seen = network_mask(baked.request.calibration)
    reference = export_specs()["pg-svrt"].reference(free.request)
    session = Session(baked.model, as_written=True)
    assert decibels_of_several(session, reference, {"measurement": declared.shape}, {"mask": seen})[-1] >= FP32_DB


def test_onnx_runtime_gives_the_authors_outputs(shared: Path, tmp_path: Path) -> None:
    """For SD-CASSI; for DD-CASSI torch gives them, and test_parity holds the graph to torch."""
    system = System.SD_CASSI
    folder = shared / "golden" / "pgsvrt_sd"
    state = load_file(folder / "weights.safetensors")
    weights = save_pg_svrt(tmp_path / "w.safetensors", system, lambda network: network.load_state_dict(state))
    with np.load(folder / "case_b64x96.npz") as case:
        mask, measurement, expected = (case[name].astype(np.float32) for name in ("mask2d", "meas", "out"))
    seen = np.stack([mask[:, :96]] * 30)
    model, _ = exported(ExportRequest("pg-svrt", weights, system, 64, 96), Unwatched())
    found = run(model, {"measurement": measurement[None], "mask": seen})
    error = (found[0] - torch.from_numpy(expected)).abs()
    assert error.median() <= 1e-6
    assert error.square().mean().sqrt() <= 1e-4  # 2e-6 where no gate falls to the other side


def test_every_layer_norm_is_one_operator_and_nothing_is_left_to_clean_up(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = exports.of("pg-svrt", System.DD_CASSI)
    network = load_network("pg-svrt", export.request.weights, export.request.system)
    calls: list[nn.Module] = []
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    monkeypatch.setattr("torch.onnx.is_in_onnx_export", lambda: True)
    with torch.inference_mode():
        network(torch.rand(1, 3, 20, 36), torch.rand(30, 20, 36))
    graph = export.model.graph
    assert Counter(node.op_type for node in graph.node)["LayerNormalization"] == len(calls) > 0

    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    made = [name for node in graph.node for name in node.output]
    assert all(read.intersection(node.output) for node in graph.node)
    assert {tensor.name for tensor in graph.initializer} <= read
    assert len(set(made)) == len(made)
