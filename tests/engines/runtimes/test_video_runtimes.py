"""A video network on the runtimes of this machine: the cubes of torch, prepared once, and what is refused."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from exported_networks import Exports, bench
from numpy.typing import NDArray

from livecassi.calibration import Calibration, Measurement, System
from livecassi.engines import EngineMismatchError, EngineSpec, EngineUnavailableError, build_engine
from livecassi.engines.errors import NetworkFileError, RuntimeUnavailableError
from livecassi.engines.exporting import registry
from livecassi.engines.exporting.card import add_card
from livecassi.engines.exporting.registry import ExportRequest
from livecassi.engines.networks import find_network
from livecassi.engines.networks.engine_spec import network_engine
from livecassi.engines.networks.prepared import NETWORK
from livecassi.engines.precision import Precision
from livecassi.engines.registry import parsed_options
from livecassi.engines.runtimes.cache_folder import CACHE_VARIABLE, CacheError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.runtimes.preparation import Preparation, Progress, Unwatched, Watched
from livecassi.engines.weights import TrainingState, read_card

pytestmark = pytest.mark.usefixtures("one_thread")

NAME, SYSTEM = "pg-svrt", System.DD_CASSI
BENCH = bench(SYSTEM, 20, 36)
TORCH = Offer(RuntimeName.TORCH, Place.CPU, True, "ready", "2.13")
OPENVINO = Offer(RuntimeName.OPENVINO, Place.CPU, True, "ready", "2026.4")
ONNXRUNTIME = Offer(RuntimeName.ONNXRUNTIME, Place.CPU, True, "ready", "1.31")
NOTHING = Offer(RuntimeName.OPENVINO, Place.CPU, False, "not installed", "", "pip install openvino")
Array32 = NDArray[np.float32]


def masked(seed: int) -> Calibration:
    """The bench with another mask."""
    return replace(BENCH, mask=np.random.default_rng(seed).random(BENCH.mask.shape).astype(np.float32))


@pytest.fixture(scope="module", autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory, exports: Exports) -> Iterator[Path]:
    """A cache of this module's own, into which networks come that were exported before."""
    folder = tmp_path_factory.mktemp("kept")
    folder.chmod(0o700)

    def export_in_child(request: ExportRequest, out: Path, progress: Progress, _log: Path) -> None:
        progress.say(f"exporting {request.network}")
        assert request.calibration is not None
        assert request.calibration.id == BENCH.id
        out.write_bytes(exports.of(NAME, SYSTEM, baked=True).model.SerializeToString())

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder))
        patch.setattr("livecassi.engines.networks.prepared.export_in_child", export_in_child)
        yield folder


@pytest.fixture(scope="module")
def weights(exports: Exports) -> Path:
    return exports.of(NAME, SYSTEM, baked=True).request.weights


def spec_with(weights: Path, *offered: Offer) -> EngineSpec:
    """The engine on a machine that offers these runtimes."""

    class Found:
        path, card = weights, read_card(weights)

    def find(_name: str, system: System) -> Sequence[Found]:
        return [Found()] if Found.card.system == system else []

    return network_engine(find_network(NAME), "dear", find, offered=lambda: offered)


def preparation(spec: EngineSpec, calibration: Calibration = BENCH, **options: str) -> Preparation | None:
    return spec.preparation(calibration, parsed_options(spec, options))


def cubes(spec: EngineSpec, calibration: Calibration = BENCH, **options: str) -> tuple[Array32, dict[str, str]]:
    """The cubes `(4, C, H, W)` of a short sequence, and the options that the engine was built with."""
    frames = [np.random.default_rng(i).uniform(0, 6, calibration.measurement_shape).astype("f4") for i in range(4)]
    with build_engine({NAME: spec}, NAME, calibration, {"brightness": "0.5", **options}) as engine:
        made = [engine.reconstruct(Measurement(values, calibration.id, i)) for i, values in enumerate(frames)]
        return np.stack([cube.values for cube in made if cube is not None]), dict(engine.info.options)


def assert_same(found: Array32, expected: Array32) -> None:
    """Where a hard gate falls to the other side by rounding, a cube as small as these loses up to 60 dB."""
    errors = (found.astype(np.float64) - expected).reshape(len(found), -1)
    decibels = 20 * np.log10(np.abs(expected).max() / np.maximum(np.sqrt((errors**2).mean(axis=1)), 1e-12))
    assert decibels.max() >= 80
    assert decibels.min() >= 45


@pytest.fixture(scope="module")
def prepared(weights: Path) -> EngineSpec:
    """The engine once it was prepared for OpenVINO in fp32."""
    spec = spec_with(weights, TORCH, OPENVINO, ONNXRUNTIME)
    steps = preparation(spec, runtime="openvino")
    assert steps is not None
    said: list[str] = []
    steps.run(Watched(lambda doing, _: said.append(doing)))
    assert any("exporting pg-svrt" in line for line in said)
    assert "compiling for OpenVINO" in said
    return spec


# ---- cubes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", [RuntimeName.OPENVINO, RuntimeName.ONNXRUNTIME])
def test_runtimes_give_the_cubes_of_torch(prepared: EngineSpec, runtime: RuntimeName) -> None:
    expected, _ = cubes(prepared, runtime="torch")
    found, options = cubes(prepared, runtime=runtime)
    assert (options["runtime"], options["precision"]) == (runtime, "fp32")
    assert_same(found, expected)


def test_what_was_prepared_is_taken_by_itself_and_needs_no_torch(prepared: EngineSpec) -> None:
    assert preparation(prepared) is None
    _, options = cubes(prepared)
    assert options["runtime"] == "openvino"


def test_until_then_torch_is_taken(weights: Path) -> None:
    spec, other = spec_with(weights, TORCH, OPENVINO), masked(6)
    steps = preparation(spec, other)
    assert steps is not None
    assert not steps.needed
    assert steps.meanwhile == {"runtime": RuntimeName.TORCH}
    assert cubes(spec, other)[1]["runtime"] == "torch"


def test_a_runtime_that_was_asked_for_is_waited_for(weights: Path) -> None:
    spec, other = spec_with(weights, TORCH, OPENVINO), masked(7)
    steps = preparation(spec, other, runtime="openvino")
    assert steps is not None
    assert steps.needed
    with pytest.raises(EngineUnavailableError, match="not prepared for openvino and this bench yet"):
        cubes(spec, other, runtime="openvino")


def test_a_network_that_was_damaged_is_made_anew(prepared: EngineSpec, kept: Path) -> None:
    (file,) = kept.glob(f"*/{NETWORK}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    found, options = cubes(prepared, runtime="onnxruntime")
    assert options["runtime"] == "onnxruntime"
    assert_same(found, cubes(prepared, runtime="torch")[0])
    assert list((kept / "quarantine").iterdir())


# ---- choices and refusals ------------------------------------------------------------------------------------------


def test_tiles_and_devices_are_torchs(weights: Path) -> None:
    spec = spec_with(weights, TORCH, OPENVINO)
    assert preparation(spec, tile="128") is None
    assert cubes(spec, device="cpu")[1]["runtime"] == "torch"
    with pytest.raises(RuntimeUnavailableError, match="tile=128 was asked for, which only torch knows"):
        cubes(spec, tile="128", runtime="openvino")


def test_fp16_is_refused_on_a_processor(weights: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="precision=fp16 was asked for on OpenVINO"):
        cubes(spec_with(weights, TORCH, OPENVINO), precision="fp16", runtime="openvino")


def test_a_runtime_that_is_not_there_is_named_with_what_to_do(weights: Path) -> None:
    spec = spec_with(weights, NOTHING)
    with pytest.raises(RuntimeUnavailableError, match=r"OpenVINO cannot be used here .*pip install openvino"):
        cubes(spec, runtime="openvino")
    assert "none of the runtimes" in spec.runs_on()


def test_the_list_of_engines_says_where_it_would_run_and_why(weights: Path) -> None:
    assert spec_with(weights, TORCH, OPENVINO).runs_on() == "OpenVINO on the processor: the quickest there"
    assert spec_with(weights, TORCH, NOTHING).runs_on().startswith("torch on the processor")


def test_a_cache_that_cannot_be_used_is_told_and_torch_runs(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    occupied = tmp_path / "a_file"
    occupied.touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(occupied))
    spec = spec_with(weights, TORCH, OPENVINO)
    assert cubes(spec)[1]["runtime"] == "torch"
    assert f"prepared networks cannot be kept in {occupied}" in caplog.text
    steps = preparation(spec)
    assert steps is not None
    assert not steps.needed
    with pytest.raises(CacheError, match=CACHE_VARIABLE):
        steps.run(Unwatched())


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Hides a package from those who look whether it is installed."""

    def hide(package: str) -> None:
        monkeypatch.setattr(registry, "find_spec", lambda name: None if name == package else find_spec(name))

    return hide


def test_torch_runs_where_it_cannot_export(weights: Path, lacking: Callable[[str], None]) -> None:
    lacking("onnxscript")
    spec, other = spec_with(weights, TORCH, OPENVINO), masked(10)
    assert preparation(spec, other) is None
    assert cubes(spec, other)[1]["runtime"] == "torch"
    assert preparation(spec, other, runtime="openvino") is not None  # which says what is missing


def test_without_torch_a_network_that_was_exported_is_asked_for(weights: Path, lacking: Callable[[str], None]) -> None:
    spec = spec_with(weights, OPENVINO)
    assert (spec.unfit(BENCH), spec.wanting(BENCH)) == ("", "")
    lacking("torch")
    assert "weights=FILE.onnx" in spec.unfit(BENCH)
    assert spec.wanting(BENCH) == "weights"


# ---- networks that were exported elsewhere -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def baked(exports: Exports, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "baked.onnx"
    out.write_bytes(exports.of(NAME, SYSTEM, baked=True).model.SerializeToString())
    return out


def test_an_exported_network_runs_without_torch(weights: Path, baked: Path) -> None:
    without_torch = spec_with(weights, ONNXRUNTIME)
    assert preparation(without_torch, weights=str(baked)) is None
    found, options = cubes(without_torch, weights=str(baked))
    assert (options["weights"], options["runtime"]) == ("baked.onnx", "onnxruntime")
    assert_same(found, cubes(spec_with(weights, TORCH), runtime="torch")[0])


def test_a_network_that_takes_the_mask_serves_every_bench_of_its_size(
    weights: Path, exports: Exports, tmp_path: Path
) -> None:
    out, other = tmp_path / "any.onnx", masked(8)
    out.write_bytes(exports.of(NAME, SYSTEM).model.SerializeToString())
    for calibration in (BENCH, other):
        found, _ = cubes(spec_with(weights, ONNXRUNTIME), calibration, weights=str(out))
        assert_same(found, cubes(spec_with(weights, TORCH), calibration, runtime="torch")[0])


def test_an_exported_network_for_another_bench_is_refused(weights: Path, baked: Path) -> None:
    spec = spec_with(weights, ONNXRUNTIME)
    with pytest.raises(EngineMismatchError, match="was exported with another mask"):
        cubes(spec, masked(9), weights=str(baked))
    with pytest.raises(EngineMismatchError, match="was exported for scenes of 20 x 36"):
        cubes(spec, bench(SYSTEM, 24, 36), weights=str(baked))
    moved = replace(BENCH, wavelengths_nm=BENCH.wavelengths_nm + 40)
    with pytest.raises(EngineMismatchError, match="band 0 at 410 nm"):
        cubes(spec, moved, weights=str(baked))
    with pytest.raises(RuntimeUnavailableError, match="does not run on torch"):
        cubes(spec, weights=str(baked), runtime="torch")


def test_tiles_and_devices_of_torch_are_not_ignored(weights: Path, baked: Path) -> None:
    spec = spec_with(weights, TORCH, ONNXRUNTIME)
    for options in ({"device": "cuda"}, {"tile": "128"}):
        with pytest.raises(RuntimeUnavailableError, match="only torch knows, together with an exported network"):
            cubes(spec, weights=str(baked), **options)


def test_bf16_is_refused_where_no_kernels_are(weights: Path, exports: Exports, tmp_path: Path) -> None:
    export, out = exports.of(NAME, SYSTEM, baked=True), tmp_path / "bf16.onnx"
    model = type(export.model)()
    model.CopyFrom(export.model)
    add_card(model, export.card.model_copy(update={"precision": Precision.BF16}))
    out.write_bytes(model.SerializeToString())
    with pytest.raises(EngineUnavailableError, match=r"bf16\.onnx was exported in bf16, which ONNX Runtime"):
        cubes(spec_with(weights, ONNXRUNTIME), weights=str(out))


def test_an_untrained_or_foreign_network_is_never_shown(exports: Exports, tmp_path: Path) -> None:
    export = exports.of(NAME, SYSTEM, baked=True)
    spec, out = spec_with(export.request.weights, ONNXRUNTIME), tmp_path / "untrained.onnx"
    model = type(export.model)()
    model.CopyFrom(export.model)
    add_card(model, export.card.model_copy(update={"weights_state": TrainingState.UNTRAINED}))
    out.write_bytes(model.SerializeToString())
    with pytest.raises(EngineUnavailableError, match="are untrained"):
        cubes(spec, weights=str(out))
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(b"\x08\x09")
    with pytest.raises(NetworkFileError, match=r"foreign\.onnx"):
        cubes(spec, weights=str(foreign))
