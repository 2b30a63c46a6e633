"""TensorRT and TensorRT-RTX on a GPU: built, run, compared with ONNX Runtime on the CPU, in steady memory."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from weight_files import save_pg_svrt

from livecassi.calibration import System
from livecassi.engines.errors import RuntimeUnavailableError
from livecassi.engines.networks.pg_svrt.difference import difference
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache_entry import DamagedEntryError
from livecassi.engines.runtimes.contract import RuntimeName, active
from livecassi.engines.runtimes.device.ops import DeviceOps
from livecassi.engines.runtimes.device.pipeline import FramePipeline
from livecassi.engines.runtimes.device.torch_ops import TorchOps
from livecassi.engines.runtimes.preparation import Unwatched
from livecassi.engines.runtimes.tensorrt.builder import build_plan
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.loaded import LoadedPlan
from livecassi.engines.runtimes.tensorrt.plan import BuildOptions, PlanFacts, read_plan
from livecassi.engines.runtimes.tensorrt.runtime import TensorRtRuntime

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
onnx = pytest.importorskip("onnx", reason="networks are made with onnx")
ort = pytest.importorskip("onnxruntime", reason="results are compared with ONNX Runtime's")

from tiny_networks import mixed_precision_network, video_network  # noqa: E402 - needs onnx

from livecassi.engines.exporting.export import export_network  # noqa: E402
from livecassi.engines.exporting.frame_graph import with_camera_frames  # noqa: E402
from livecassi.engines.exporting.registry import ExportRequest  # noqa: E402

T, H, W, BANDS, STEP = 3, 48, 80, 6, 2
COLUMNS = W + STEP * (BANDS - 1)
SIZE = (96, 160)
EXACT_DB, HALF_DB = 80.0, 45.0
TABLE = np.round(255 * np.linspace(0, 1, 4096)).astype(np.uint8)


@pytest.fixture(params=[RuntimeName.TENSORRT, RuntimeName.TENSORRT_RTX], scope="module")
def flavour(request: pytest.FixtureRequest) -> Flavour:
    try:
        found = find_flavour(request.param)
        found.check_gpu(torch.cuda.get_device_capability())
    except RuntimeUnavailableError as error:
        pytest.skip(str(error))
    return found


def pycuda_ops() -> DeviceOps:
    pytest.importorskip("pycuda", reason="pycuda is not installed")
    from livecassi.engines.runtimes.device.pycuda_ops import PycudaOps

    return PycudaOps()


EACH = pytest.mark.parametrize("make_ops", [TorchOps, pycuda_ops], ids=["torch", "pycuda"])


def built(model: Any, folder: Path, flavour: Flavour, precision: Precision = Precision.FP32) -> Path:
    path, plan = folder / "network.onnx", folder / "engine.plan"
    if not isinstance(model, Path):
        onnx.save(model, path)
    build_plan(
        model if isinstance(model, Path) else path,
        plan,
        BuildOptions(flavour.name, precision, timing_cache=folder / "timing.cache"),
        flavour=flavour,
    )
    return plan


def runtime_of(plan: Path, make_ops: Callable[[], DeviceOps] = TorchOps, **options: Any) -> TensorRtRuntime:
    return TensorRtRuntime(*read_plan(plan), make_ops, **options)


def on_the_cpu(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs), strict=True))


def assert_close(found: Any, expected: Any, least_db: float) -> None:
    apart = difference(torch.from_numpy(np.array(found)), torch.from_numpy(np.array(expected)))
    assert apart.psnr_db is None or apart.psnr_db >= least_db, apart


@EACH
def test_small_networks_give_what_a_cpu_gives(
    flavour: Flavour, tmp_path: Path, make_ops: Callable[[], DeviceOps]
) -> None:
    random = np.random.default_rng(3)
    for model, name, shape, least_db in (
        (video_network(T, H, W, BANDS, STEP), "measurement", (1, T, H, COLUMNS), EXACT_DB),
        (mixed_precision_network(), "x", (1, 3, 12, 20), HALF_DB),
    ):
        inputs = {name: random.random(shape, dtype=np.float32)}
        with active(runtime_of(built(model, tmp_path, flavour), make_ops)) as runtime:
            for _ in range(3):
                for output, found in runtime.infer(inputs).items():
                    assert_close(found, on_the_cpu(model, inputs)[output], least_db)


def test_a_graph_replays_what_runs_without_it(flavour: Flavour, tmp_path: Path) -> None:
    plan = built(video_network(T, H, W, BANDS, STEP), tmp_path, flavour)
    random = np.random.default_rng(3)
    with active(runtime_of(plan)) as eager, active(runtime_of(plan, graph=True)) as graph:
        for _ in range(3):
            inputs = {"measurement": random.random((1, T, H, COLUMNS), dtype=np.float32)}
            assert_close(graph.infer(inputs)["cubes"], eager.infer(inputs)["cubes"], EXACT_DB)


@EACH
def test_camera_frames_become_pictures_while_streams_overlap(
    flavour: Flavour, tmp_path: Path, make_ops: Callable[[], DeviceOps]
) -> None:
    model = with_camera_frames(video_network(T, H, W, BANDS, STEP), TABLE)
    random = np.random.default_rng(6)
    frames = random.integers(0, 4096, (20, H, COLUMNS)).astype(np.uint16)
    settings = {
        "gain": np.full((H, COLUMNS), 1 / 4095, np.float32),
        "offset": np.full((H, COLUMNS), -0.01, np.float32),
        "added": np.zeros((T, H, COLUMNS), np.float32),
        "band_gain": np.linspace(0.5, 2, BANDS).astype(np.float32),
        "colour": random.random((3, BANDS), dtype=np.float32) / BANDS,
        "pick_weights": np.eye(8, H * W, dtype=np.float32),
    }
    content, facts = read_plan(built(model, tmp_path, flavour))
    ops, tickets = make_ops(), []
    with ops:
        loaded = LoadedPlan(content, facts, flavour)
        pipeline = FramePipeline(loaded, ops)
        pipeline.configure(settings)

        def check() -> None:
            ticket = tickets.pop(0)
            window = np.stack([frames[max(0, ticket.number - back)] for back in (2, 1, 0)])
            expected = on_the_cpu(model, {**settings, "frames": window.view(np.uint8).reshape(T, H, COLUMNS, 2)})
            found = pipeline.result(ticket)
            assert_close(found["cubes"], expected["cubes"], EXACT_DB)
            assert_close(found["spectra"], expected["spectra"], EXACT_DB)
            assert np.abs(found["pictures"].astype(int) - expected["pictures"]).max() <= 1

        for pixels in frames:
            if len(tickets) == 2:
                check()
            pipeline.take(pixels)
            tickets.append(pipeline.start(cubes=True))
        while tickets:
            check()
        loaded.close()
    ops.close()


@pytest.mark.parametrize(("precision", "least_db"), [(Precision.FP32, EXACT_DB), (Precision.FP16, HALF_DB)])
def test_pg_svrt_gives_what_a_cpu_gives(
    flavour: Flavour, tmp_path: Path, precision: Precision, least_db: float
) -> None:
    weights = save_pg_svrt(tmp_path / "weights.safetensors", System.DD_CASSI)
    request = ExportRequest("pg-svrt", weights, System.DD_CASSI, *SIZE)
    exact, path = tmp_path / "fp32.onnx", tmp_path / "network.onnx"
    export_network(request, exact, Unwatched())
    export_network(replace(request, precision=precision), path, Unwatched())
    random = np.random.default_rng(9)
    with active(runtime_of(built(path, tmp_path, flavour, precision))) as runtime:
        inputs = {spec.name: random.random(spec.shape, dtype=np.float32) for spec in runtime.inputs}
        assert_close(runtime.infer(inputs)["cubes"], on_the_cpu(exact, inputs)["cubes"], least_db)


def test_a_damaged_plan_is_refused_in_words(flavour: Flavour, tmp_path: Path) -> None:
    content, facts = read_plan(built(mixed_precision_network(), tmp_path, flavour))
    cut = content[: len(content) // 2]
    lying: PlanFacts = replace(facts, nbytes=len(cut), sha256=hashlib.sha256(cut).hexdigest())
    with pytest.raises(DamagedEntryError, match="refuses the plan"):
        TensorRtRuntime(cut, lying, TorchOps).activate()


def test_kernels_are_kept_for_the_next_start(flavour: Flavour, tmp_path: Path) -> None:
    if not flavour.traits.keeps_kernels:
        pytest.skip("TensorRT's plans hold their kernels")
    plan, kernels = built(mixed_precision_network(), tmp_path, flavour), tmp_path / "kernels"
    for _ in range(2):
        with active(runtime_of(plan, kernels=kernels)) as runtime:
            runtime.infer({"x": np.ones((1, 3, 12, 20), np.float32)})
        assert kernels.stat().st_size > 1000


def test_a_running_network_takes_no_memory_and_gives_back_what_it_had(flavour: Flavour, tmp_path: Path) -> None:
    plan = built(video_network(T, H, W, BANDS, STEP), tmp_path, flavour)
    inputs = {"measurement": np.ones((1, T, H, COLUMNS), np.float32)}

    def used() -> int:
        torch.cuda.synchronize()
        free, total = torch.cuda.mem_get_info()
        return total - free

    before: list[int] = []
    for _ in range(5):
        with active(runtime_of(plan)) as runtime:
            runtime.infer(inputs)
            settled = used()
            for _ in range(100):
                runtime.infer(inputs)
            assert used() == settled
        before.append(used())
    assert max(before[1:]) <= before[1] + (8 << 20)
