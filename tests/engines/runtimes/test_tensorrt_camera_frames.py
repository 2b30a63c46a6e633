"""PG-SVRT, exported and widened to take camera frames, is understood by NVIDIA's own parser."""

from pathlib import Path

import numpy as np
import pytest
from fakes import random_bench

from livecassi.calibration import SubSteps, System
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName, TensorSpec
from livecassi.engines.runtimes.preparation import Unwatched
from livecassi.engines.runtimes.tensorrt.flavour import find_flavour
from livecassi.engines.runtimes.tensorrt.native_log import native_log
from livecassi.engines.runtimes.tensorrt.parsing import parse, tensors_of

pytest.importorskip("tensorrt_rtx", reason="NVIDIA's parser comes with tensorrt-rtx")
pytest.importorskip("onnx", reason="networks are exported with onnx")
pytest.importorskip("torch", reason="PG-SVRT is exported with torch")

from weight_files import save_pg_svrt

from livecassi.engines.exporting.export import exported
from livecassi.engines.exporting.frame_graph import with_camera_frames
from livecassi.engines.exporting.registry import ExportRequest

H, W, BANDS = 32, 48, 30


def test_pg_svrt_takes_camera_frames(tmp_path: Path) -> None:
    system, flavour = System.SD_CASSI, find_flavour(RuntimeName.TENSORRT_RTX)
    bench = random_bench(system, SubSteps.POINT, [2.0 * band for band in range(BANDS)], height=H, width=W, seed=1)
    columns = bench.measurement_shape[1] + 4  # more than the network reads
    request = ExportRequest(
        "pg-svrt", save_pg_svrt(tmp_path / "weights.safetensors", system), system, H, W, Precision.FP16, bench
    )
    widened = with_camera_frames(
        exported(request, Unwatched())[0], np.arange(4096).astype(np.uint8), (0, 1, 2), columns=columns
    )
    builder = flavour.api.Builder(native_log(flavour.api).native)
    inputs, outputs = tensors_of(parse(widened.SerializeToString(), builder, flavour), flavour)
    assert TensorSpec("frames", (3, H, columns, 2), "uint8") in inputs
    assert set(outputs) == {
        TensorSpec("cubes", (3, BANDS, H, W)),
        TensorSpec("pictures", (3, H, W, 3), "uint8"),
        TensorSpec("spectra", (3, 8, BANDS)),
    }
