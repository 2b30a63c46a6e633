"""PG-SVRT, exported and widened to take camera frames, is understood by NVIDIA's own parser."""

import numpy as np
import pytest

from livecassi.calibration import System
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName, TensorSpec
from livecassi.engines.runtimes.tensorrt.flavour import find_flavour
from livecassi.engines.runtimes.tensorrt.native_log import native_log
from livecassi.engines.runtimes.tensorrt.parsing import parse, tensors_of

pytest.importorskip("tensorrt_rtx", reason="NVIDIA's parser comes with tensorrt-rtx")
pytest.importorskip("onnx", reason="networks are exported with onnx")
pytest.importorskip("torch", reason="PG-SVRT is exported with torch")

from exported_networks import Exports

from livecassi.engines.exporting.frame_graph import with_camera_frames
from livecassi.engines.exporting.mixed_precision import mixed

BANDS = 30


def test_pg_svrt_takes_camera_frames(exports: Exports) -> None:
    flavour = find_flavour(RuntimeName.TENSORRT_RTX)
    export = exports.of("pg-svrt", System.DD_CASSI, baked=True)
    height, width = export.request.height, export.request.width
    columns = width + 4  # more than the network reads
    table = np.arange(4096).astype(np.uint8)
    widened = with_camera_frames(mixed(export.model, Precision.FP16), table, (0, 1, 2), columns=columns)
    builder = flavour.api.Builder(native_log(flavour.api).native)
    inputs, outputs = tensors_of(parse(widened.SerializeToString(), builder, flavour), flavour)
    assert TensorSpec("frames", (3, height, columns, 2), "uint8") in inputs
    assert set(outputs) == {
        TensorSpec("cubes", (3, BANDS, height, width)),
        TensorSpec("pictures", (3, height, width, 3), "uint8"),
        TensorSpec("spectra", (3, 8, BANDS)),
    }
