"""Both runtimes on the CPU keep the contract, allocate nothing per call, and start from what was kept."""

import gc
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from livecassi.engines.errors import (
    DeviceMemoryError,
    EngineError,
    NetworkFileError,
    PreparationError,
    RuntimeUnavailableError,
)
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.contract import AnyArray, RuntimeName, TensorSpec, active
from livecassi.engines.runtimes.onnx_runtime import GRAPH, OnnxRuntime, Provider
from livecassi.engines.runtimes.openvino_cpu import BLOB, OpenVinoCpu

pytest.importorskip("onnx", reason="the networks of these tests are made with the package onnx")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from small_onnx import FEATURES, MASK, convolution_network, declared, expected, network

AnyCpuRuntime = OpenVinoCpu | OnnxRuntime
Make = Callable[..., AnyCpuRuntime]


def openvino(content: bytes | Path, cache: ArtefactCache | None = None) -> OpenVinoCpu:
    return OpenVinoCpu(content, threads=1, blobs=cache)


def onnx_runtime(content: bytes | Path, cache: ArtefactCache | None = None) -> OnnxRuntime:
    return OnnxRuntime(content, threads=1, graphs=cache)


@pytest.fixture(params=[openvino, onnx_runtime], ids=["openvino", "onnxruntime"])
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param
    return found


@pytest.fixture
def cache(tmp_path: Path) -> ArtefactCache:
    return ArtefactCache(tmp_path / "networks")


def arrays(seed: int = 5) -> dict[str, AnyArray]:
    random = np.random.default_rng(seed)
    return {
        "features": random.normal(size=FEATURES).astype(np.float32),
        "mask": random.random(MASK).astype(np.float32),
    }


def cube(content: bytes, given: Mapping[str, AnyArray]) -> AnyArray:
    return expected(content, given["features"], given["mask"])


def test_it_computes_what_the_graph_says(make: Make) -> None:
    content = convolution_network()
    with active(make(content)) as runtime:
        for seed in (5, 6):
            given = arrays(seed)
            results = runtime.infer(given)
            assert results.keys() == {"cube", "sum"}
            np.testing.assert_allclose(results["cube"], cube(content, given), atol=1e-5)
            np.testing.assert_allclose(results["sum"], cube(content, given).sum(axis=1, keepdims=True), atol=1e-5)


def test_it_declares_its_tensors_before_it_is_active(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(convolution_network())
    runtime = make(path)
    assert runtime.inputs == (TensorSpec("features", FEATURES), TensorSpec("mask", MASK))
    assert runtime.outputs == (TensorSpec("cube", (1, 4, 24, 36)), TensorSpec("sum", (1, 1, 24, 36)))
    assert runtime.precision is Precision.FP32
    assert runtime.name in (RuntimeName.OPENVINO, RuntimeName.ONNXRUNTIME)
    assert "fp32, 1 threads" in runtime.describes
    with pytest.raises(EngineError, match="activate it first"):
        runtime.infer(arrays())


def test_only_what_is_wanted_comes_back_and_the_next_call_overwrites_it(make: Make) -> None:
    with active(make(convolution_network())) as runtime:
        first = runtime.infer(arrays(5), ["sum"])
        assert list(first) == ["sum"]
        before = first["sum"].copy()
        runtime.infer(arrays(6))
        assert np.abs(first["sum"] - before).max() > 1e-3
        with pytest.raises(EngineError, match="gives cube, sum, not cubes"):
            runtime.infer(arrays(), ["cubes"])


def test_an_input_written_in_place_is_not_copied(make: Make) -> None:
    content = convolution_network()
    given = arrays()
    with active(make(content)) as runtime:
        features = runtime.buffer("features")
        features[:] = given["features"]
        results = runtime.infer({"features": features, "mask": given["mask"]})
        np.testing.assert_allclose(results["cube"], cube(content, given), atol=1e-5)
        assert features.ctypes.data % 64 == 0


def test_wrong_inputs_are_refused(make: Make) -> None:
    with active(make(convolution_network())) as runtime:
        with pytest.raises(EngineError, match="takes the inputs features, mask, found features"):
            runtime.infer({"features": arrays()["features"]})
        with pytest.raises(EngineError, match=r"input 'features' .* has shape \(1, 5, 36, 24\)"):
            runtime.infer({**arrays(), "features": np.zeros((1, 5, 36, 24), np.float32)})
        with pytest.raises(EngineError, match="type float64"):
            runtime.infer({**arrays(), "mask": np.zeros(MASK)})


def test_it_can_be_deactivated_twice_and_activated_again(make: Make) -> None:
    content = convolution_network()
    runtime = make(content)
    runtime.activate()
    runtime.activate()
    kept = runtime.infer(arrays())["cube"]
    runtime.deactivate()
    runtime.deactivate()
    gc.collect()
    np.testing.assert_allclose(kept, cube(content, arrays()), atol=1e-5)  # what was given out stays readable
    with pytest.raises(EngineError, match="activate it first"):
        runtime.buffer("features")
    with active(runtime):
        np.testing.assert_allclose(runtime.infer(arrays())["cube"], cube(content, arrays()), atol=1e-5)


def test_a_call_allocates_nothing(make: Make) -> None:
    given = arrays()
    with active(make(convolution_network())) as runtime:
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(300):  # until Python's own stores of freed objects are full
                runtime.infer(given)
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            for _ in range(500):
                runtime.infer(given)
            after, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 2000
    assert peak - before < 8000 < given["features"].nbytes


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_memory_stays_flat_over_ten_thousand_calls(name: str) -> None:
    child = Path(__file__).parents[2] / "runtime_memory_child.py"
    told = subprocess.run([sys.executable, str(child), name], capture_output=True, text=True, check=True, timeout=240)
    assert int(told.stdout) < 4 << 20


# ---- what is kept --------------------------------------------------------------------------------------------------


def test_it_starts_from_what_was_kept(make: Make, cache: ArtefactCache, monkeypatch: pytest.MonkeyPatch) -> None:
    content = convolution_network()
    runtime = make(content, cache)
    assert cache.find(runtime.fields) is None
    with active(runtime):
        first = runtime.infer(arrays())["cube"].copy()
    assert cache.find(runtime.fields) is not None
    again = make(content, cache)
    monkeypatch.setattr(again, "_compiled" if isinstance(again, OpenVinoCpu) else "_optimised", forbidden)
    with active(again):
        np.testing.assert_array_equal(again.infer(arrays())["cube"], first)


def forbidden(*_: object) -> None:
    raise AssertionError("what was kept was not used")


def test_another_network_is_another_entry(make: Make, cache: ArtefactCache) -> None:
    contents = [convolution_network(seed) for seed in (3, 4)]
    for _ in range(2):
        for content in contents:
            with active(make(content, cache)) as runtime:
                np.testing.assert_allclose(runtime.infer(arrays())["cube"], cube(content, arrays()), atol=1e-5)
    assert len({make(content, cache).fields["network_sha256"] for content in contents}) == 2


@pytest.mark.parametrize("spoiled", [b"", b"no network at all", None], ids=["empty", "other bytes", "one bit"])
def test_what_was_damaged_is_made_anew(make: Make, cache: ArtefactCache, spoiled: bytes | None) -> None:
    content = convolution_network()
    runtime = make(content, cache)
    with active(runtime):
        pass
    found = cache.find(runtime.fields)
    assert found is not None
    path = found.folder / next(iter(found.files))
    path.write_bytes(flipped(path.read_bytes()) if spoiled is None else spoiled)
    with active(make(content, cache)) as again:
        np.testing.assert_allclose(again.infer(arrays())["cube"], cube(content, arrays()), atol=1e-5)
    assert len(list((cache.folder / "quarantine").iterdir())) == 1
    repaired = cache.find(runtime.fields)
    assert repaired is not None
    assert repaired.load(path.name).size


def flipped(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def test_what_the_runtime_refuses_is_made_anew(make: Make, cache: ArtefactCache) -> None:
    """Whole by its hash, and yet nothing that the runtime takes, as of another version of it."""
    content = convolution_network()
    runtime = make(content, cache)
    name = BLOB if isinstance(runtime, OpenVinoCpu) else GRAPH
    cache.make(runtime.fields, lambda folder: (folder / name).write_bytes(b"of another version") and None)
    with active(runtime):
        np.testing.assert_allclose(runtime.infer(arrays())["cube"], cube(content, arrays()), atol=1e-5)
    assert len(list((cache.folder / "quarantine").iterdir())) == 1


def test_without_a_place_to_keep_it_it_runs_all_the_same(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    content = convolution_network()
    with active(make(content, ArtefactCache(tmp_path / "file"))) as runtime:
        np.testing.assert_allclose(runtime.infer(arrays())["cube"], cube(content, arrays()), atol=1e-5)
    assert "is not kept" in caplog.text
    if isinstance(runtime, OpenVinoCpu):
        assert not runtime.prepared()


# ---- what cannot be run --------------------------------------------------------------------------------------------


def test_files_that_are_no_network_are_refused(make: Make, tmp_path: Path) -> None:
    content = convolution_network()
    for bad in (b"", b"no network at all", content[: len(content) // 2], bytes(1000), b"\xff" * 100):
        with pytest.raises(NetworkFileError, match="export the network"):
            make(bad)
    with pytest.raises(NetworkFileError, match=r"absent\.onnx cannot be read"):
        make(tmp_path / "absent.onnx")


def test_shapes_that_are_not_fixed_are_refused(make: Make) -> None:
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    with pytest.raises(NetworkFileError, match="'x' of the network has no fixed shape"):
        make(network(nodes, [declared("x", (1, "H", 4))], [declared("y", (1, "H", 4))], []))
    foreign = network(nodes, [declared("x", (1, 3, 4), TensorProto.BFLOAT16)], [declared("y", (1, 3, 4))], [])
    with pytest.raises(NetworkFileError, match="which NumPy does not have"):
        make(foreign)


def test_a_graph_that_contradicts_itself_is_a_named_error(make: Make) -> None:
    from onnx import helper

    nodes = [helper.make_node("NoSuchOperator", ["x"], ["y"])]
    runtime = make(network(nodes, [declared("x", (1, 3, 4))], [declared("y", (1, 3, 4))], []))
    with pytest.raises(NetworkFileError, match="export it again"):
        runtime.activate()
    runtime.deactivate()


def test_no_memory_is_a_named_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(*_: object, **__: object) -> None:
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr("openvino.Core.compile_model", scarce)
    monkeypatch.setattr("onnxruntime.InferenceSession", scarce)
    with pytest.raises(DeviceMemoryError, match="memory of this machine"):
        make(convolution_network()).activate()


def test_arrays_that_the_memory_does_not_hold_are_a_named_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(*_: object) -> None:
        raise MemoryError

    runtime = make(convolution_network())
    with monkeypatch.context() as patched:
        patched.setattr("livecassi.engines.runtimes.buffers.np.zeros", scarce)
        with pytest.raises(DeviceMemoryError, match="memory of this machine"):
            runtime.activate()
    with active(runtime):  # nothing is half ready
        assert runtime.infer(arrays()).keys() == {"cube", "sum"}


# ---- OpenVINO ------------------------------------------------------------------------------------------------------


def test_bf16_is_taken_where_the_cpu_has_it() -> None:
    content = convolution_network()
    with active(OpenVinoCpu(content, Precision.BF16, threads=1)) as runtime:
        found = runtime.infer(arrays())["cube"]
        np.testing.assert_allclose(found, cube(content, arrays()), atol=0.1)
        exact = np.allclose(found, cube(content, arrays()), atol=1e-6)
    assert exact == (runtime.precision is Precision.FP32)


def test_a_cpu_that_only_imitates_bf16_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openvino.Core.get_property", lambda _, device, name: ["FP32"] if "CAPAB" in name else "a CPU")
    for precision in (Precision.BF16, Precision.FP16):
        runtime = OpenVinoCpu(convolution_network(), precision, threads=1)
        assert runtime.precision is Precision.FP32
        assert "fp32" in runtime.describes


def test_an_openvino_that_cannot_be_loaded_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(RuntimeUnavailableError, match="pip install --force-reinstall openvino"):
        OpenVinoCpu(convolution_network())


def test_openvino_is_touched_first_in_threads_that_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino as ov

    inside: list[str] = []
    compile_model, get_property = ov.Core.compile_model, ov.Core.get_property

    def compiling(*arguments: object) -> object:
        inside.append(threading.current_thread().name)
        return compile_model(*arguments)

    def asking(*arguments: object) -> object:
        inside.append(threading.current_thread().name)
        return get_property(*arguments)

    monkeypatch.setattr("openvino.Core.compile_model", compiling)
    monkeypatch.setattr("openvino.Core.get_property", asking)
    with active(OpenVinoCpu(convolution_network(), threads=1)):
        assert len(inside) == 3
        assert all(name.startswith("livecassi-openvino") for name in inside)


def test_a_network_can_be_compiled_for_others(cache: ArtefactCache, monkeypatch: pytest.MonkeyPatch) -> None:
    content = convolution_network()
    runtime = OpenVinoCpu(content, threads=1, blobs=cache)
    assert not runtime.prepared()
    cache.make(runtime.fields, lambda folder: runtime.compile_to(folder / BLOB))
    assert runtime.prepared()
    monkeypatch.setattr(runtime, "_compiled", forbidden)
    with active(runtime):
        np.testing.assert_allclose(runtime.infer(arrays())["cube"], cube(content, arrays()), atol=1e-5)


# ---- ONNX Runtime --------------------------------------------------------------------------------------------------


def test_onnx_runtime_sends_nothing_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    OnnxRuntime(convolution_network())
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_a_provider_that_is_not_installed_is_named() -> None:
    import onnxruntime

    if Provider.CUDA in onnxruntime.get_available_providers():
        pytest.skip("the ONNX Runtime that is installed has CUDA")
    with pytest.raises(RuntimeUnavailableError, match="pip install onnxruntime-gpu"):
        OnnxRuntime(convolution_network(), provider=Provider.CUDA)


def test_a_provider_that_does_not_start_is_not_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime itself would go on, on the CPU."""
    import onnxruntime

    asked: list[list[str]] = []
    session = onnxruntime.InferenceSession

    def on_the_cpu(content: bytes, options: object, providers: list[str]) -> object:
        asked.append(providers)
        return session(content, options, providers=["CPUExecutionProvider"])

    offered = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: offered)
    monkeypatch.setattr("onnxruntime.InferenceSession", on_the_cpu)
    runtime = OnnxRuntime(convolution_network(), Precision.FP16, provider=Provider.TENSORRT)
    assert "on Tensorrt, fp16" in runtime.describes
    with pytest.raises(RuntimeUnavailableError, match="could not start TensorrtExecutionProvider"):
        runtime.activate()
    assert asked == [["TensorrtExecutionProvider", "CPUExecutionProvider"]]


def test_what_nobody_foresaw_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_: object, **__: object) -> None:
        raise PreparationError("as it is")

    monkeypatch.setattr("onnxruntime.InferenceSession", surprise)
    with pytest.raises(PreparationError, match="as it is"):
        OnnxRuntime(convolution_network(), threads=1).activate()
