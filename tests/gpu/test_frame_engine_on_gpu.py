"""Raw frames through TensorRT and TensorRT-RTX on a GPU: the pictures, spectra and cubes of a CPU, step by step."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from livecassi.app.colour import device_colours
from livecassi.calibration import Corrector, System
from livecassi.engines.errors import RuntimeUnavailableError
from livecassi.engines.networks.engine import VideoSettings
from livecassi.engines.networks.frame_engine import FrameVideoEngine
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.device.ops import DeviceOps
from livecassi.engines.runtimes.device.torch_ops import TorchOps
from livecassi.engines.runtimes.tensorrt.builder import build_plan
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.frame_plan import load_frame_plan
from livecassi.engines.runtimes.tensorrt.plan import BuildOptions, read_plan

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
onnx = pytest.importorskip("onnx", reason="networks are made with onnx")
pytest.importorskip("onnxruntime", reason="results are compared with ONNX Runtime's")

from raw_frames import (  # noqa: E402 - needs onnx and onnxruntime
    LATEST,
    MODES,
    NET,
    PEDESTAL,
    SEQUENCES,
    WANTED,
    assert_same,
    bench,
    frame,
    given,
    one_by_one,
    widened,
)

PRECISION = 1e-5  # kernels of a GPU sum in another order


def pycuda_ops() -> DeviceOps:
    pytest.importorskip("pycuda", reason="pycuda is not installed")
    from livecassi.engines.runtimes.device.pycuda_ops import PycudaOps

    return PycudaOps()


EACH = pytest.mark.parametrize("make_ops", [TorchOps, pycuda_ops], ids=["torch", "pycuda"])


@pytest.fixture(params=[RuntimeName.TENSORRT, RuntimeName.TENSORRT_RTX], scope="module")
def flavour(request: pytest.FixtureRequest) -> Flavour:
    try:
        found = find_flavour(request.param)
        found.check_gpu(torch.cuda.get_device_capability())
    except RuntimeUnavailableError as error:
        pytest.skip(str(error))
    return found


@pytest.fixture(params=[System.SD_CASSI, System.DD_CASSI], scope="module")
def plan(request: pytest.FixtureRequest, flavour: Flavour, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan for `bench(system)`, in a folder that is named after the system."""
    folder = tmp_path_factory.mktemp(str(request.param))
    onnx.save(widened(bench(request.param)), folder / "network.onnx")
    build_plan(
        folder / "network.onnx", folder / "engine.plan", BuildOptions(flavour.name, Precision.FP32), flavour=flavour
    )
    return folder / "engine.plan"


def engine_of(plan: Path, make_ops: Callable[[], DeviceOps], settings: VideoSettings = LATEST) -> FrameVideoEngine:
    loaded = load_frame_plan(*read_plan(plan), make_ops)
    calibration = bench(system_of(plan))
    return FrameVideoEngine(NET, loaded, calibration, settings, "tiny.onnx", device_colours())


def system_of(plan: Path) -> System:
    return System.SD_CASSI if plan.parent.name.startswith(System.SD_CASSI) else System.DD_CASSI


@EACH
@pytest.mark.parametrize("more", [False, True])
def test_frames_give_what_correction_network_and_rendering_give(
    plan: Path, make_ops: Callable[[], DeviceOps], more: bool
) -> None:
    calibration = bench(system_of(plan))
    for settings in MODES:
        for indices in SEQUENCES:
            frames = [frame(calibration, index) for index in indices]
            expected = one_by_one(calibration, settings, frames, PEDESTAL)
            with engine_of(plan, make_ops, settings) as engine:
                engine.want(WANTED)
                made = given(engine, frames, more=more)
            assert len(made) == len(frames)
            for one, index in zip(made, indices, strict=True):
                assert_same(one, expected[index], precision=PRECISION)


@EACH
def test_measurements_go_through_the_same_plan(plan: Path, make_ops: Callable[[], DeviceOps]) -> None:
    calibration = bench(system_of(plan))
    frames = [frame(calibration, index) for index in range(5)]
    expected, corrector = one_by_one(calibration, LATEST, frames, PEDESTAL), Corrector(calibration, PEDESTAL)
    with engine_of(plan, make_ops) as engine:
        for one in frames:
            cube = engine.reconstruct(corrector.correct(one))
            assert cube is not None
            scale = float(np.abs(cube.values).max())
            np.testing.assert_allclose(cube.values, expected[one.index].values, atol=PRECISION * scale)


def test_a_running_engine_takes_no_memory_and_gives_all_back(plan: Path) -> None:
    calibration = bench(system_of(plan))
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    with engine_of(plan, TorchOps) as engine:
        engine.want(WANTED)

        def run(first: int) -> tuple[int, int]:
            for index in range(first, first + 20):
                engine.reconstruct_frame(frame(calibration, index), PEDESTAL, more=True)
            engine.flush_frames()
            stats = torch.cuda.memory_stats()
            return stats["num_device_alloc"], stats["allocated_bytes.all.current"]

        settled = run(0)
        assert [run(100 * times) for times in range(1, 4)] == [settled] * 3
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() == before
