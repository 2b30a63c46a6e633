"""The adapter against strict fakes of TensorRT 10, 11 and TensorRT-RTX: order of calls, errors, what is kept."""

import gc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fake_tensorrt import SHAPE, FakeTrt, tensorrt_10, tensorrt_11, tensorrt_rtx
from host_ops import HostOps

from livecassi.engines.errors import (
    DeviceMemoryError,
    DriverError,
    EngineError,
    NetworkFileError,
    PreparationError,
    RuntimeUnavailableError,
)
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache_entry import DamagedEntryError
from livecassi.engines.runtimes.contract import RuntimeName, TensorSpec, active
from livecassi.engines.runtimes.device.ops import Buffer, Stream
from livecassi.engines.runtimes.nvidia_driver import Driver, Gpu
from livecassi.engines.runtimes.tensorrt.builder import build_plan
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.plan import BuildOptions, PlanFacts, plan_fields, read_plan
from livecassi.engines.runtimes.tensorrt.runtime import TensorRtRuntime

ALL = {"10": tensorrt_10, "11": tensorrt_11, "rtx": tensorrt_rtx}
X = np.arange(15, dtype=np.float32).reshape(SHAPE)


@pytest.fixture(params=ALL)
def trt(request: pytest.FixtureRequest) -> FakeTrt:
    return ALL[request.param]()


def flavour_of(trt: FakeTrt) -> Flavour:
    name = RuntimeName.TENSORRT if trt.has_timings else RuntimeName.TENSORRT_RTX
    return find_flavour(name, lambda module: cast(ModuleType, trt))


def driver(capability: tuple[int, int] = (8, 9)) -> Driver:
    return Driver(cuda=(13, 0), gpus=(Gpu(name="Fake GPU", memory_bytes=24 << 30, capability=capability),))


class WatchedOps(HostOps):
    """Counts what is taken, and says when it was closed."""

    def __init__(self, trt: FakeTrt) -> None:
        super().__init__()
        trt.device = self
        self._trt = trt
        self.taken = self.closed = 0

    def alloc(self, nbytes: int) -> Buffer:
        self.taken += 1
        return super().alloc(nbytes)

    def close(self) -> None:
        if not self.closed:
            self._trt.ends.append("device")
        self.closed += 1
        super().close()


def build(trt: FakeTrt, folder: Path, **options: Any) -> tuple[Path, PlanFacts]:
    (folder / "network.onnx").write_bytes(b"an ONNX file")
    flavour, plan = flavour_of(trt), folder / "engine.plan"
    wanted = BuildOptions(flavour.name, Precision.FP16, **options)
    return plan, build_plan(folder / "network.onnx", plan, wanted, flavour=flavour, ask_driver=driver)


def runtime_for(trt: FakeTrt, folder: Path, **options: Any) -> TensorRtRuntime:
    build(trt, folder)
    content, facts = read_plan(folder / "engine.plan")
    return TensorRtRuntime(
        content,
        facts,
        options.pop("make_ops", lambda: WatchedOps(trt)),
        options.pop("ask_driver", driver),
        find=lambda name: flavour_of(trt),
        **options,
    )


# ---- building --------------------------------------------------------------------------------------------------------


def test_a_build_is_asked_for_as_each_library_wants_it(trt: FakeTrt, tmp_path: Path) -> None:
    _, facts = build(trt, tmp_path, level=4, workspace_bytes=123 << 20)
    config = trt.configs[0]
    assert config.builder_optimization_level == 4
    assert config.pools == {trt.MemoryPoolType.WORKSPACE: 123 << 20}
    assert config.cleared == [trt.BuilderFlag.TF32], "fp32 would be computed with ten bits"
    assert (facts.version, facts.inputs) == (trt.__version__, (TensorSpec("x", SHAPE),))


def test_measured_times_are_kept_by_tensorrt_only(trt: FakeTrt, tmp_path: Path) -> None:
    times = tmp_path / "caches" / "timing.cache"
    for _ in range(3):
        build(trt, tmp_path, timing_cache=times)
    if not trt.has_timings:
        assert not times.exists()
        return
    assert trt.measured == [b"", b"!", b"!!"]
    times.write_bytes(b"other GPU")
    build(trt, tmp_path, timing_cache=times)
    assert trt.measured[3:] == [b""], "times of another GPU were used"
    assert times.read_bytes() == b"!"


def test_times_that_cannot_be_kept_do_not_fail_a_build(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    plan, _ = build(tensorrt_10(), tmp_path, timing_cache=tmp_path / "file" / "timing.cache")
    assert plan.exists()


def test_a_target_is_named_to_tensorrt_rtx_only(trt: FakeTrt, tmp_path: Path) -> None:
    build(trt, tmp_path, capability=(8, 9))
    if not trt.has_timings:
        assert [target.name for target in trt.configs[0].targets] == ["SM89"]


def test_tensorrt_is_not_asked_to_build_without_a_driver(tmp_path: Path) -> None:
    trt = tensorrt_11()
    trt.driver = False

    def no_driver() -> Driver:
        raise DriverError("no NVIDIA driver")

    (tmp_path / "network.onnx").write_bytes(b"an ONNX file")
    options = BuildOptions(RuntimeName.TENSORRT, Precision.FP32)
    with pytest.raises(DriverError, match="no NVIDIA driver"):
        build_plan(tmp_path / "network.onnx", tmp_path / "p", options, flavour=flavour_of(trt), ask_driver=no_driver)


def test_failed_builds_tell_why_and_leave_no_plan(trt: FakeTrt, tmp_path: Path) -> None:
    trt.no_memory = True
    with pytest.raises(DeviceMemoryError, match=r"the memory of the GPU does not hold it .*out of memory"):
        build(trt, tmp_path)
    trt.no_memory, trt.fails = False, True
    with pytest.raises(PreparationError, match=r"made no plan \(ERROR: Could not find any implementation"):
        build(trt, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.log", "network.onnx"]
    assert "Could not find any implementation" in (tmp_path / "build.log").read_text()


def parser_error(node: int, what: str) -> Any:
    code = SimpleNamespace(name="UNSUPPORTED_NODE" if node >= 0 else "MODEL_DESERIALIZE_FAILED")
    return SimpleNamespace(
        code=lambda: code, desc=lambda: what, node=lambda: node, node_name=lambda: "n", node_operator=lambda: "Scan"
    )


def test_errors_of_the_parser_come_in_words(trt: FakeTrt, tmp_path: Path) -> None:
    trt.parser_errors = [parser_error(number, "no such plugin") for number in range(5)]
    with pytest.raises(PreparationError, match=r"node 0 'n' \(Scan\): UNSUPPORTED_NODE, no such plugin; .* and 2 more"):
        build(trt, tmp_path)
    trt.parser_errors = [parser_error(-1, "failed to parse")]
    with pytest.raises(NetworkFileError, match=r"cannot read the ONNX file \(failed to parse\)"):
        build(trt, tmp_path)


# ---- flavours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "version", "fine"),
    [
        (RuntimeName.TENSORRT, "10.6.0.post1", False),
        (RuntimeName.TENSORRT, "8.6.1", False),
        (RuntimeName.TENSORRT, "10.7.0", True),
        (RuntimeName.TENSORRT, "11.4.0.106", True),
        (RuntimeName.TENSORRT_RTX, "1.2.0.54", False),
        (RuntimeName.TENSORRT_RTX, "1.7.1.116", True),
    ],
)
def test_old_versions_are_refused(name: RuntimeName, version: str, fine: bool) -> None:
    def load(module: str) -> ModuleType:
        assert module == ("tensorrt" if name is RuntimeName.TENSORRT else "tensorrt_rtx")
        return cast(ModuleType, SimpleNamespace(__version__=version))

    if fine:
        assert find_flavour(name, load).version == version
        return
    with pytest.raises(RuntimeUnavailableError, match=rf"{version} is installed, \d+\.7 or later is needed; pip"):
        find_flavour(name, load)


@pytest.mark.parametrize("error", [ImportError("libnvinfer.so.11: no such file"), OSError("bad image")])
def test_what_cannot_be_loaded_says_how_to_install_it(error: Exception) -> None:
    def load(module: str) -> ModuleType:
        raise error

    with pytest.raises(RuntimeUnavailableError, match=r"tensorrt cannot be loaded .*livecassi\[tensorrt\]"):
        find_flavour(RuntimeName.TENSORRT, load)


def test_options_for_another_library_are_refused() -> None:
    with pytest.raises(EngineError, match="options for tensorrt-rtx were given to tensorrt"):
        plan_fields(
            "abc",
            flavour_of(tensorrt_10()),
            (13, 0),
            cast(Any, None),
            BuildOptions(RuntimeName.TENSORRT_RTX, Precision.FP16),
            [],
        )


# ---- running ---------------------------------------------------------------------------------------------------------


def test_a_network_runs_again_and_again_in_the_same_memory(trt: FakeTrt, tmp_path: Path) -> None:
    made: list[WatchedOps] = []

    def make_ops() -> WatchedOps:
        made.append(WatchedOps(trt))
        return made[-1]

    runtime = runtime_for(trt, tmp_path, make_ops=make_ops)
    assert runtime.inputs == (TensorSpec("x", SHAPE),)
    assert runtime.outputs == (TensorSpec("y", SHAPE),)
    for _ in range(2):  # it may be activated again
        with active(runtime):
            assert "plain memory" in runtime.describes
            for factor in (1, 2, 3):
                np.testing.assert_array_equal(runtime.infer({"x": factor * X})["y"], 2 * factor * X + 1)
            assert made[-1].taken == 2
        assert made[-1].closed
    assert "fp16" in runtime.describes
    assert runtime.name is flavour_of(trt).name
    assert runtime.precision is Precision.FP16


def test_only_what_is_wanted_is_fetched(trt: FakeTrt, tmp_path: Path) -> None:
    with active(runtime_for(trt, tmp_path)) as runtime:
        runtime.infer({"x": X})
        assert runtime.infer({"x": 5 * X}, wanted=()) == {}
        with pytest.raises(EngineError, match="the network gives y, not z"):
            runtime.infer({"x": X}, wanted=("z",))


def test_other_inputs_are_refused_and_the_next_pass_works(trt: FakeTrt, tmp_path: Path) -> None:
    with active(runtime_for(trt, tmp_path)) as runtime:
        for inputs in ({}, {"x": X, "z": X}, {"x": X[..., 1:]}, {"x": X.astype(np.float64)}):
            with pytest.raises(EngineError, match="export the network"):
                runtime.infer(inputs)
        np.testing.assert_array_equal(runtime.infer({"x": X})["y"], 2 * X + 1)


def test_before_and_after_it_is_active_it_says_so(trt: FakeTrt, tmp_path: Path) -> None:
    runtime = runtime_for(trt, tmp_path)
    with pytest.raises(EngineError, match="not active; activate it first"):
        runtime.infer({"x": X})
    runtime.activate()
    runtime.activate()
    runtime.deactivate()
    runtime.deactivate()
    assert trt.runtimes == 1
    with pytest.raises(EngineError, match="not active"):
        runtime.infer({"x": X})


def test_what_is_loaded_goes_before_the_device_does(trt: FakeTrt, tmp_path: Path) -> None:
    runtime = runtime_for(trt, tmp_path)
    runtime.activate()
    runtime.deactivate()
    gc.collect()
    assert trt.ends == ["context", "engine", "runtime", "device"]


def test_without_a_driver_no_runtime_is_made(trt: FakeTrt, tmp_path: Path) -> None:
    def no_driver() -> Driver:
        raise DriverError("no NVIDIA driver; install one")

    runtime = runtime_for(trt, tmp_path, ask_driver=no_driver)
    trt.driver = False
    with pytest.raises(DriverError, match="no NVIDIA driver"):
        runtime.activate()
    assert not trt.runtimes


def test_a_gpu_without_kernels_is_refused_before_anything_is_loaded(trt: FakeTrt, tmp_path: Path) -> None:
    runtime = runtime_for(trt, tmp_path, ask_driver=lambda: driver((9, 0)))
    if trt.has_timings:
        runtime.activate()
        runtime.deactivate()
        return
    with pytest.raises(RuntimeUnavailableError, match=r"not made for GPUs of compute capability 9\.0"):
        runtime.activate()
    assert not trt.runtimes


def refuses(trt: FakeTrt) -> None:
    trt.refuses = True


def no_memory(trt: FakeTrt) -> None:
    trt.no_memory = True


def no_context(trt: FakeTrt) -> None:
    trt.no_context = True


def other_shape(trt: FakeTrt) -> None:
    trt.plan_shape = (1, 3, 7)


def other_version(trt: FakeTrt) -> None:
    trt.__version__ = f"{trt.__version__}.1"


def fails(trt: FakeTrt) -> None:
    trt.fails = True


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (refuses, DamagedEntryError, r"refuses the plan \(ERROR: Serialization assertion.*built anew"),
        (no_memory, DeviceMemoryError, r"the memory of the GPU does not hold it .*smaller region"),
        (no_context, EngineError, "made no execution context"),
        (other_shape, DamagedEntryError, r"the plan has the inputs .*\(1, 3, 7\).*it is built anew"),
        (other_version, DamagedEntryError, r"the plan was built by .* is here; it is built anew"),
        (fails, EngineError, "the network failed on the GPU"),
    ],
)
def test_what_cannot_be_activated_says_why_and_leaves_nothing(
    trt: FakeTrt, tmp_path: Path, spoil: Callable[[FakeTrt], None], error: type[EngineError], message: str
) -> None:
    runtime = runtime_for(trt, tmp_path)
    spoil(trt)
    with pytest.raises(error, match=message) as raised:
        runtime.activate()
    assert trt.ends[-1] == "device", "something outlived the device"
    assert trt.runtimes == trt.ends.count("runtime")
    assert raised.value is not None  # kept until here: it must not hold what was loaded
    with pytest.raises(EngineError, match="not active"):
        runtime.infer({"x": X})


def test_a_plan_of_other_bytes_is_not_loaded(trt: FakeTrt, tmp_path: Path) -> None:
    build(trt, tmp_path)
    content, facts = read_plan(tmp_path / "engine.plan")
    runtime = TensorRtRuntime(content + b"x", facts, lambda: WatchedOps(trt), driver, find=lambda name: flavour_of(trt))
    with pytest.raises(DamagedEntryError, match="is not the one of"):
        runtime.activate()
    assert not trt.runtimes


def test_a_pass_that_fails_is_named_and_the_next_one_works(trt: FakeTrt, tmp_path: Path) -> None:
    with active(runtime_for(trt, tmp_path)) as runtime:
        trt.fails = True
        with pytest.raises(EngineError, match="the network failed on the GPU"):
            runtime.infer({"x": X})
        trt.fails = False
        np.testing.assert_array_equal(runtime.infer({"x": X})["y"], 2 * X + 1)


# ---- kernels and graphs ----------------------------------------------------------------------------------------------


def test_kernels_are_kept_by_tensorrt_rtx_only(trt: FakeTrt, tmp_path: Path) -> None:
    kernels = tmp_path / "kernels" / "cache"
    runtime = runtime_for(trt, tmp_path, kernels=kernels)
    for _ in range(2):
        with active(runtime):
            pass
    if trt.has_timings:
        assert not kernels.exists()
        return
    assert kernels.read_bytes() == b"kernels.."
    assert trt.contexts[1].cache.loaded == b"kernels."
    kernels.write_bytes(b"of another GPU")
    with active(runtime) as again:
        np.testing.assert_array_equal(again.infer({"x": X})["y"], 2 * X + 1)
    assert kernels.read_bytes() == b"kernels."


def test_kernels_that_cannot_be_kept_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with active(runtime_for(tensorrt_rtx(), tmp_path, kernels=tmp_path / "file" / "cache")) as runtime:
        np.testing.assert_array_equal(runtime.infer({"x": X})["y"], 2 * X + 1)


class CapturingHostOps(WatchedOps):
    """Records work and replays it, as torch does."""

    replays = 0

    def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
        def replay() -> None:
            self.replays += 1
            work()

        return replay


def test_graphs_are_recorded_by_the_device_or_by_tensorrt_rtx_itself(trt: FakeTrt, tmp_path: Path) -> None:
    made: list[CapturingHostOps] = []

    def make_ops() -> CapturingHostOps:
        made.append(CapturingHostOps(trt))
        return made[-1]

    with active(runtime_for(trt, tmp_path, make_ops=make_ops, graph=True)) as runtime:
        assert trt.runs == 1, "nothing was run before the graph was recorded"
        for _ in range(3):
            np.testing.assert_array_equal(runtime.infer({"x": X})["y"], 2 * X + 1)
    if trt.has_timings:
        assert made[0].replays == 3
    else:
        assert made[0].replays == 0
        assert trt.contexts[0].cuda_graph_strategy.name == "WHOLE_GRAPH_CAPTURE"


def test_without_a_graph_passes_run_one_by_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Unable(WatchedOps):
        def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
            raise EngineError("the work cannot be captured as a CUDA graph: operation not permitted")

    trt = tensorrt_10()
    with active(runtime_for(trt, tmp_path, make_ops=lambda: Unable(trt), graph=True)) as runtime:
        np.testing.assert_array_equal(runtime.infer({"x": X})["y"], 2 * X + 1)
    assert "passes run without a CUDA graph: the work cannot be captured" in caplog.text
