"""From an exported network to an engine that takes raw frames on TensorRT: prepared once, loaded, mended."""

import gc
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
from fake_tensorrt import FakeTrt, tensorrt_10, tensorrt_11, tensorrt_rtx
from fakes import BANDS, HEIGHT, WIDTH, small_calibration
from host_ops import HostOps

from livecassi.app.colour import device_colours
from livecassi.calibration import Calibration, System
from livecassi.drivers import Frame
from livecassi.engines import EngineError, EngineUnavailableError
from livecassi.engines.errors import DriverError, RuntimeUnavailableError
from livecassi.engines.exporting.card import MaskPlace, NetworkCard
from livecassi.engines.frame_engine import FrameEngine
from livecassi.engines.networks import prepared
from livecassi.engines.networks.engine import VideoSettings
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.video_runtimes import Bench, VideoRuntimes, Wish
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_entry import DamagedEntryError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.jobs import BuildPlan
from livecassi.engines.runtimes.nvidia_driver import Driver, Gpu
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.runtimes.onnx_tensors import declared_tensors
from livecassi.engines.runtimes.preparation import Unwatched
from livecassi.engines.runtimes.tensorrt import frame_plan
from livecassi.engines.runtimes.tensorrt.builder import build_plan
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.frame_plan import load_frame_plan
from livecassi.engines.runtimes.tensorrt.plan import BuildOptions, PlanFacts, facts_path, read_plan
from livecassi.engines.weights import TrainingState, mask_id

# ---- loading, against strict fakes of the libraries ------------------------------------------------------------------

ALL = {"10": tensorrt_10, "11": tensorrt_11, "rtx": tensorrt_rtx}


@pytest.fixture(params=ALL)
def trt(request: pytest.FixtureRequest) -> FakeTrt:
    return ALL[request.param]()


def flavour_of(trt: FakeTrt) -> Flavour:
    name = RuntimeName.TENSORRT if trt.has_timings else RuntimeName.TENSORRT_RTX
    return find_flavour(name, lambda module: cast(ModuleType, trt))


def driver(capability: tuple[int, int] = (8, 9)) -> Driver:
    return Driver(cuda=(13, 0), gpus=(Gpu(name="Fake GPU", memory_bytes=24 << 30, capability=capability),))


class WatchedOps(HostOps):
    """Says when it was closed first."""

    def __init__(self, trt: FakeTrt) -> None:
        super().__init__()
        self._trt, self._closed = trt, False

    def close(self) -> None:
        if not self._closed:
            self._trt.ends.append("device")
        self._closed = True
        super().close()


def plan_of(trt: FakeTrt, folder: Path) -> tuple[bytes, PlanFacts]:
    (folder / "network.onnx").write_bytes(b"an ONNX file")
    flavour, plan = flavour_of(trt), folder / "engine.plan"
    options = BuildOptions(flavour.name, Precision.FP16)
    build_plan(folder / "network.onnx", plan, options, flavour=flavour, ask_driver=driver)
    return read_plan(plan)


def test_a_plan_is_loaded_with_its_device_and_goes_before_it(trt: FakeTrt, tmp_path: Path) -> None:
    content, facts = plan_of(trt, tmp_path)
    plan = load_frame_plan(content, facts, lambda: WatchedOps(trt), driver, find=lambda _: flavour_of(trt))
    assert (plan.name, plan.precision) == (facts.runtime, Precision.FP16)
    assert plan.describes == f"{facts.runtime} {facts.version}, plain memory, fp16"
    assert plan.graph is trt.has_timings, "one of library and device records graphs, not both"
    assert plan.executable.inputs == facts.inputs
    plan.close()
    gc.collect()
    assert trt.ends == ["context", "engine", "runtime", "device"]
    plan.close()


def test_what_cannot_be_loaded_leaves_nothing(trt: FakeTrt, tmp_path: Path) -> None:
    content, facts = plan_of(trt, tmp_path)

    def no_driver() -> Driver:
        raise DriverError("no NVIDIA driver")

    with pytest.raises(DriverError):
        load_frame_plan(content, facts, lambda: WatchedOps(trt), no_driver, find=lambda _: flavour_of(trt))
    if not trt.has_timings:
        with pytest.raises(RuntimeUnavailableError, match="not made for GPUs of compute capability 9"):
            load_frame_plan(
                content, facts, lambda: WatchedOps(trt), lambda: driver((9, 0)), find=lambda _: flavour_of(trt)
            )
    assert not trt.runtimes
    trt.refuses = True
    with pytest.raises(DamagedEntryError, match="refuses the plan") as raised:
        load_frame_plan(content, facts, lambda: WatchedOps(trt), driver, find=lambda _: flavour_of(trt))
    assert trt.ends[-1] == "device", "something outlived the device"
    assert trt.runtimes == trt.ends.count("runtime")
    assert raised.value is not None  # kept until here: it must not hold what was loaded


# ---- preparing, with a plan that is the network itself ---------------------------------------------------------------

onnx = pytest.importorskip("onnx", reason="networks are made with onnx")
pytest.importorskip("onnxruntime", reason="ONNX Runtime stands in for TensorRT")

from onnx_on_host import NetworkOnHost  # noqa: E402 - needs onnxruntime
from tiny_networks import video_network  # noqa: E402 - needs onnx

T, STEP, SYSTEM = 3, 2, System.SD_CASSI
NET = NetworkSpec("tiny", "tiny", T, BANDS, STEP, frozenset(System), lambda _: pytest.fail("nobody builds it"))
GPU = Offer(RuntimeName.TENSORRT_RTX, Place.CUDA, True, "ready", "1.7")
COLOURS = device_colours()


class Workshop:
    """A machine with a GPU where a plan is the network that it is built of, run by ONNX Runtime."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.kept = ArtefactCache(folder)
        self.built: list[str] = []
        self.loaded: list[NetworkOnHost] = []
        self.refused = 0
        patch.setattr(prepared, "probe_driver", driver)
        patch.setattr(prepared, "prepare_in_child", self._build)
        patch.setattr(frame_plan, "load_frame_plan", self._load)

    def _build(self, job: BuildPlan, *_: object) -> None:
        content = job.network.read_bytes()
        job.plan.write_bytes(content)
        inputs, outputs = declared_tensors(content, "the network")
        digest = hashlib.sha256(content).hexdigest()
        facts = PlanFacts(job.options.runtime, "1", Precision.FP32, inputs, outputs, len(content), digest, 1, 0.1)
        facts_path(job.plan).write_text(facts.to_json())
        self.built.append(digest)

    def _load(self, content: bytes, *_: object, **__: object) -> NetworkOnHost:
        if self.refused:
            self.refused -= 1
            raise DamagedEntryError("the plan was refused; it is built anew")
        self.loaded.append(NetworkOnHost(content))
        return self.loaded[-1]


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    pytest.importorskip("tensorrt_rtx", reason="the version of TensorRT-RTX names a plan")
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    return Workshop(folder, monkeypatch)


def bench_of(folder: Path, calibration: Calibration, mask: MaskPlace = MaskPlace.BAKED) -> Bench:
    path = folder / "tiny.onnx"
    onnx.save(video_network(T, HEIGHT, WIDTH, BANDS, STEP), path)
    card = NetworkCard(
        network="tiny",
        system=SYSTEM,
        bands=BANDS,
        height=HEIGHT,
        width=WIDTH,
        precision=Precision.FP32,
        opset=18,
        mask=mask,
        mask_id=mask_id(calibration.mask) if mask is MaskPlace.BAKED else None,
        calibration_id=calibration.id,
        weights="tiny",
        weights_sha256="0" * 64,
        weights_state=TrainingState.TRAINED,
        livecassi="0",
        created=datetime.now(UTC),
    )
    return Bench(NET, calibration, path, card)


def runtimes_of(workshop: Workshop, **options: Any) -> VideoRuntimes:
    return VideoRuntimes(lambda: (GPU,), lambda: workshop.kept, options.get("colours", COLOURS))


def test_a_network_is_widened_and_built_once_and_its_engine_takes_raw_frames(
    workshop: Workshop, tmp_path: Path
) -> None:
    calibration, wish = small_calibration(SYSTEM), Wish(RuntimeName.TENSORRT_RTX)
    bench, runtimes = bench_of(tmp_path, calibration), runtimes_of(workshop)
    with pytest.raises(EngineUnavailableError, match="no plan of tensorrt-rtx was built for this bench and GPU yet"):
        runtimes.engine(bench, wish, VideoSettings(), "tiny.onnx")
    steps = runtimes.preparation(bench, wish)
    assert steps is not None
    steps.run(Unwatched())
    assert runtimes.preparation(bench, wish) is None
    frame = Frame(np.full(calibration.measurement_shape, 900, np.uint16), 4, 0)
    for settings in (VideoSettings(), VideoSettings(hop=3)):  # one plan serves every way to work
        engine = runtimes.engine(bench, wish, settings, "tiny.onnx")
        assert isinstance(engine, FrameEngine)
        with engine:
            made = engine.reconstruct_frame(frame) + engine.flush_frames()
        assert [one.seen.frame_index for one in made if one.seen] == [4]
        assert made[0].seen is not None
        assert made[0].seen.picture.any()
    assert len(workshop.built) == 1
    assert [network.closed for network in workshop.loaded] == [1, 1]


def test_a_plan_that_is_refused_is_built_anew_once(workshop: Workshop, tmp_path: Path) -> None:
    wish, runtimes = Wish(RuntimeName.TENSORRT_RTX), runtimes_of(workshop)
    bench = bench_of(tmp_path, small_calibration(SYSTEM))
    steps = runtimes.preparation(bench, wish)
    assert steps is not None
    steps.run(Unwatched())
    workshop.refused = 1
    with runtimes.engine(bench, wish, VideoSettings(), "tiny.onnx"):
        assert len(workshop.built) == 2
    workshop.refused = 2
    with pytest.raises(DamagedEntryError):
        runtimes.engine(bench, wish, VideoSettings(), "tiny.onnx")
    assert len(workshop.built) == 3


def test_frames_of_other_columns_are_another_network(workshop: Workshop, tmp_path: Path) -> None:
    wish, runtimes = Wish(RuntimeName.TENSORRT_RTX), runtimes_of(workshop)
    first = small_calibration(SYSTEM)
    shifts = first.dispersion_px.copy()
    shifts[-1] += 0.3
    wider = Calibration(first.header, first.wavelengths_nm, first.mask, shifts, first.response)
    assert wider.measurement_shape[1] == first.measurement_shape[1] + 1
    for calibration in (first, wider):
        bench = bench_of(tmp_path, calibration)
        steps = runtimes.preparation(bench, wish)
        assert steps is not None
        steps.run(Unwatched())
        frame = Frame(np.full(calibration.measurement_shape, 900, np.uint16), 4, 0)
        engine = runtimes.engine(bench, wish, VideoSettings(), "tiny.onnx")
        assert isinstance(engine, FrameEngine)
        with engine:
            assert engine.reconstruct_frame(frame)
    assert len(set(workshop.built)) == 2


def test_an_engine_that_cannot_be_made_gives_the_device_back(workshop: Workshop, tmp_path: Path) -> None:
    wish, runtimes = Wish(RuntimeName.TENSORRT_RTX), runtimes_of(workshop)
    bench = bench_of(tmp_path, small_calibration(SYSTEM))
    steps = runtimes.preparation(bench, wish)
    assert steps is not None
    steps.run(Unwatched())

    def plain(*_: object, **__: object) -> NetworkOnHost:
        workshop.loaded.append(NetworkOnHost(bench.path.read_bytes()))
        return workshop.loaded[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_plan, "load_frame_plan", plain)
        with pytest.raises(EngineError, match="takes no raw frames"):
            runtimes.engine(bench, wish, VideoSettings(), "tiny.onnx")
    assert workshop.loaded[-1].closed == 1


@pytest.mark.parametrize("how", ["given its mask with every window", "without colours"])
def test_otherwise_it_is_built_of_the_network_as_it_is(workshop: Workshop, tmp_path: Path, how: str) -> None:
    wish = Wish(RuntimeName.TENSORRT_RTX)
    with_mask = how.startswith("given")
    bench = bench_of(tmp_path, small_calibration(SYSTEM), MaskPlace.INPUT if with_mask else MaskPlace.BAKED)
    runtimes = runtimes_of(workshop, colours=COLOURS if with_mask else None)
    steps = runtimes.preparation(bench, wish)
    assert steps is not None
    steps.run(Unwatched())
    assert workshop.built == [hashlib.sha256(bench.path.read_bytes()).hexdigest()]
