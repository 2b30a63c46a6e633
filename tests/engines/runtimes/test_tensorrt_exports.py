"""NVIDIA's own parser takes every network that livecassi exports, in every precision, and with camera frames."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import random_bench

from livecassi.calibration import Calibration, SubSteps, System
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName, TensorSpec
from livecassi.engines.runtimes.preparation import Unwatched
from livecassi.engines.runtimes.tensorrt.flavour import find_flavour
from livecassi.engines.runtimes.tensorrt.native_log import native_log
from livecassi.engines.runtimes.tensorrt.parsing import parse, tensors_of

pytest.importorskip("tensorrt_rtx", reason="NVIDIA's parser comes with tensorrt-rtx")
pytest.importorskip("onnx", reason="networks are exported with onnx")
pytest.importorskip("torch", reason="PG-SVRT is exported with torch")

from onnx import ModelProto
from weight_files import save_live, save_pg_svrt

from livecassi.engines.exporting.export import exported
from livecassi.engines.exporting.frame_graph import with_camera_frames
from livecassi.engines.exporting.mixed_precision import mixed
from livecassi.engines.exporting.registry import ExportRequest, export_specs

SIZE = (32, 48)
BANDS = 30
TABLE = np.arange(4096).astype(np.uint8)

Tensors = dict[str, TensorSpec]


def parsed(model: ModelProto) -> Tensors:
    """Inputs and outputs as NVIDIA's parser has them."""
    flavour = find_flavour(RuntimeName.TENSORRT_RTX)
    builder = flavour.api.Builder(native_log(flavour.api).native)
    inputs, outputs = tensors_of(parse(model.SerializeToString(), builder, flavour), flavour)
    return {spec.name: spec for spec in (*inputs, *outputs)}


def bench(system: System) -> Calibration:
    return random_bench(system, SubSteps.POINT, [2.0 * band for band in range(BANDS)], height=32, width=48, seed=1)


def pg_svrt(folder: Path, calibration: Calibration | None) -> ModelProto:
    weights = save_pg_svrt(folder / "pg-svrt.safetensors", System.DD_CASSI)
    return exported(ExportRequest("pg-svrt", weights, System.DD_CASSI, *SIZE, calibration=calibration), Unwatched())[0]


def live(folder: Path, calibration: Calibration) -> ModelProto:
    weights = save_live(folder / "live.safetensors", System.DD_CASSI, calibration.wavelengths_nm)
    return exported(ExportRequest("live", weights, System.DD_CASSI, *SIZE, calibration=calibration), Unwatched())[0]


NETWORKS: dict[str, Callable[[Path, Calibration], ModelProto]] = {"pg-svrt": pg_svrt, "live": live}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """In fp32, for one bench."""
    calibration = bench(System.DD_CASSI)
    folder = tmp_path_factory.mktemp("exports")
    return {name: write(folder, calibration).SerializeToString() for name, write in NETWORKS.items()}


def test_every_network_that_can_be_exported_is_tried_here() -> None:
    assert set(NETWORKS) == set(export_specs())


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("network", NETWORKS)
def test_exported_networks_are_understood(models: dict[str, bytes], network: str, precision: Precision) -> None:
    found = parsed(mixed(ModelProto.FromString(models[network]), precision))
    assert all(spec.shape[-2:] == SIZE for spec in found.values())
    assert all(spec.dtype == "float32" for spec in found.values())


def test_pg_svrt_takes_camera_frames(models: dict[str, bytes]) -> None:
    half = mixed(ModelProto.FromString(models["pg-svrt"]), Precision.FP16)
    found = parsed(with_camera_frames(half, TABLE, (0, 1, 2), columns=SIZE[1] + 4))
    assert found["frames"] == TensorSpec("frames", (3, 32, 52, 2), "uint8")
    assert found["pictures"] == TensorSpec("pictures", (3, *SIZE, 3), "uint8")
    assert found["cubes"].shape == (3, BANDS, *SIZE)


@pytest.mark.slow
def test_a_mask_may_be_an_input(tmp_path: Path) -> None:
    found = parsed(mixed(pg_svrt(tmp_path, None), Precision.FP16))
    assert found["mask"].shape == (BANDS, *SIZE)
