"""Building plans with NVIDIA's own builder, on a CPU: bytes, facts, cache, giving up, and what cannot be built."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livecassi.engines.errors import (
    NetworkFileError,
    PreparationCancelledError,
    PreparationError,
    RuntimeUnavailableError,
)
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_entry import DamagedEntryError, Found
from livecassi.engines.runtimes.contract import RuntimeName, TensorSpec
from livecassi.engines.runtimes.nvidia_driver import Gpu
from livecassi.engines.runtimes.preparation import Watched
from livecassi.engines.runtimes.tensorrt.builder import BUILD_LOG, build_plan
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.plan import (
    BuildOptions,
    PlanFacts,
    facts_path,
    plan_fields,
    read_plan,
)

pytest.importorskip("tensorrt_rtx", reason="NVIDIA's builder comes with tensorrt-rtx")
onnx = pytest.importorskip("onnx", reason="networks are made with onnx")

from tiny_networks import mixed_precision_network, unsupported_network, video_network  # noqa: E402 - needs onnx

from livecassi.engines.exporting.frame_graph import with_camera_frames  # noqa: E402

OPTIONS = BuildOptions(RuntimeName.TENSORRT_RTX, Precision.FP16, workspace_bytes=1 << 28)
CUDA, GPU = (13, 0), Gpu(name="NVIDIA GeForce RTX 4090", memory_bytes=24 << 30, capability=(8, 9))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "tiny.onnx"
    onnx.save(mixed_precision_network(), path)
    return path


@pytest.fixture(scope="module")
def flavour() -> Flavour:
    return find_flavour(RuntimeName.TENSORRT_RTX)


def test_a_plan_is_built_without_a_gpu_and_described_beside_it(network: Path, tmp_path: Path) -> None:
    plan = tmp_path / "engine.plan"
    facts = build_plan(network, plan, OPTIONS)
    assert plan.read_bytes()[:4] == b"vtrt"
    assert facts.inputs == (TensorSpec("x", (1, 3, 12, 20)),)
    assert facts.outputs == (TensorSpec("y", (1, 4, 12, 20)),)
    assert (facts.runtime, facts.precision) == (RuntimeName.TENSORRT_RTX, Precision.FP16)
    assert facts.layers >= 4
    assert read_plan(plan) == (plan.read_bytes(), facts)
    assert sorted(path.name for path in tmp_path.iterdir()) == [BUILD_LOG, "engine.json", "engine.plan"]
    assert "Opset version" in (tmp_path / BUILD_LOG).read_text()


def test_two_builds_give_the_same_bytes_and_another_gpu_others(network: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        build_plan(network, tmp_path / f"{name}.plan", OPTIONS)
    for_one = BuildOptions(RuntimeName.TENSORRT_RTX, Precision.FP16, capability=(8, 9))
    build_plan(network, tmp_path / "other.plan", for_one)
    first, second, other = ((tmp_path / f"{name}.plan").read_bytes() for name in ("first", "second", "other"))
    assert first == second
    assert first != other


def test_camera_frames_are_built_too(tmp_path: Path) -> None:
    path, plan = tmp_path / "frames.onnx", tmp_path / "engine.plan"
    table = np.arange(4096).astype(np.uint8)
    onnx.save(with_camera_frames(video_network(3, 16, 24, 4, 2), table, columns=32), path)
    facts = build_plan(path, plan, OPTIONS)
    assert TensorSpec("frames", (3, 16, 32, 2), "uint8") in facts.inputs
    assert {spec.name: spec.dtype for spec in facts.outputs} == {
        "cubes": "float32",
        "pictures": "uint8",
        "spectra": "float32",
    }


def test_progress_rises_to_the_end(network: Path, tmp_path: Path) -> None:
    said: list[tuple[str, float | None]] = []
    build_plan(network, tmp_path / "engine.plan", OPTIONS, Watched(lambda doing, share: said.append((doing, share))))
    shares = [share for _, share in said if share is not None]
    assert said[0] == ("reading the network for tensorrt-rtx", None)
    assert said[1][0].startswith("building for tensorrt-rtx: ")
    assert shares == sorted(shares)
    assert len(shares) >= 5
    assert 0.8 <= shares[-1] <= 1.0


@pytest.mark.parametrize("after", [1, 4])
def test_a_build_that_is_given_up_ends_soon_and_leaves_no_plan(network: Path, tmp_path: Path, after: int) -> None:
    said: list[str] = []
    progress = Watched(lambda doing, share: said.append(doing), lambda: len(said) >= after)
    with pytest.raises(PreparationCancelledError, match="building for tensorrt-rtx was given up"):
        build_plan(network, tmp_path / "engine.plan", OPTIONS, progress)
    assert len(said) == after
    assert [path.name for path in tmp_path.iterdir()] == [BUILD_LOG]


def test_an_error_of_who_watches_comes_back_through_the_builder(network: Path, tmp_path: Path) -> None:
    def show(doing: str, share: float | None) -> None:
        if share is not None:
            raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError, match="nobody reads"):
        build_plan(network, tmp_path / "engine.plan", OPTIONS, Watched(show))


def test_a_disk_that_refuses_is_named_and_nothing_is_left(network: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PreparationError, match=r"cannot be prepared in .*file"):
        build_plan(network, tmp_path / "file" / "engine.plan", OPTIONS)
    (tmp_path / "engine.json").mkdir()
    with pytest.raises(PreparationError, match="cannot be prepared in"):
        build_plan(network, tmp_path / "engine.plan", OPTIONS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.log", "engine.json", "file"]


def test_an_operator_that_is_not_known_is_named_with_its_node(tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    onnx.save(unsupported_network(), path)
    with pytest.raises(
        PreparationError, match=r"cannot run this network: node 0 'the_determinant' \(Det\): UNSUPPORTED"
    ):
        build_plan(path, tmp_path / "engine.plan", OPTIONS)
    assert "the_determinant" in (tmp_path / BUILD_LOG).read_text()
    assert not (tmp_path / "engine.plan").exists()


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def nothing(content: bytes) -> bytes:
    return b""


def nonsense(content: bytes) -> bytes:
    return b"nonsense"


@pytest.mark.parametrize("spoil", [cut, nothing, nonsense])
def test_a_damaged_file_is_told_apart(network: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(spoil(network.read_bytes()))
    with pytest.raises(NetworkFileError, match="export"):
        build_plan(path, tmp_path / "engine.plan", OPTIONS)
    with pytest.raises(NetworkFileError, match="cannot be read"):
        build_plan(tmp_path / "missing.onnx", tmp_path / "engine.plan", OPTIONS)


def test_sizes_that_are_not_fixed_are_refused(tmp_path: Path) -> None:
    model = mixed_precision_network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, tmp_path / "open.onnx")
    with pytest.raises(PreparationError, match=r"'x' is FLOAT \(-1, 3, 12, 20\).*export it for one size"):
        build_plan(tmp_path / "open.onnx", tmp_path / "engine.plan", OPTIONS)


def test_gpus_without_kernels_are_refused_before_minutes_are_spent(network: Path, tmp_path: Path) -> None:
    for_hopper = BuildOptions(RuntimeName.TENSORRT_RTX, Precision.FP16, capability=(9, 0))
    with pytest.raises(
        RuntimeUnavailableError, match=r"not made for GPUs of compute capability 9\.0.*tensorrt or torch"
    ):
        build_plan(network, tmp_path / "engine.plan", for_hopper)


@pytest.mark.parametrize(
    ("capability", "target"), [((7, 5), "SM75"), ((8, 9), "SM89"), ((12, 0), "SM120"), ((12, 3), None)]
)
def test_targets_of_gpus(flavour: Flavour, capability: tuple[int, int], target: str | None) -> None:
    flavour.check_gpu(capability)
    found = flavour.target(capability)
    assert (found.name if found is not None else None) == target


def test_what_the_library_says_goes_into_logging(
    network: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "livecassi.engines.runtimes.tensorrt"):
        build_plan(network, tmp_path / "engine.plan", OPTIONS)
    assert any("Opset version" in record.message for record in caplog.records)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [record for record in caplog.records if "differs from one already registered" in record.message]


# ---- in the cache ----------------------------------------------------------------------------------------------------


def test_a_plan_is_built_once_and_found_again(network: Path, tmp_path: Path, flavour: Flavour) -> None:
    cache, builds = ArtefactCache(tmp_path / "cache"), list[Path]()
    fields = plan_fields("abc", flavour, CUDA, GPU, OPTIONS, [TensorSpec("x", (1, 3, 12, 20))])

    def build(folder: Path) -> None:
        builds.append(folder)
        build_plan(network, folder / "engine.plan", OPTIONS)

    def load(found: Found) -> PlanFacts:
        return read_plan(found.folder / "engine.plan")[1]

    first, second = (cache.use(fields, build, load) for _ in range(2))
    assert first == second
    assert len(builds) == 1
    found = cache.find(fields)
    assert found is not None
    assert set(found.files) == {"engine.plan", "engine.json"}


def test_a_plan_that_is_refused_is_built_anew_once(network: Path, tmp_path: Path, flavour: Flavour) -> None:
    cache, tries = ArtefactCache(tmp_path / "cache"), list[int]()
    fields = plan_fields("abc", flavour, CUDA, GPU, OPTIONS, [])

    def refuse(found: Found) -> None:
        tries.append(1)
        raise DamagedEntryError("tensorrt-rtx refuses the plan; it is built anew")

    with pytest.raises(DamagedEntryError, match="refuses the plan"):
        cache.use(fields, lambda folder: build_plan(network, folder / "engine.plan", OPTIONS) and None, refuse)
    assert len(tries) == 2


def test_every_field_is_part_of_the_key(flavour: Flavour) -> None:
    tensors = [TensorSpec("x", (1, 3, 12, 20))]
    fields = plan_fields("abc", flavour, CUDA, GPU, OPTIONS, tensors)
    others = [
        plan_fields("abd", flavour, CUDA, GPU, OPTIONS, tensors),
        plan_fields("abc", Flavour(flavour.name, flavour.traits, flavour.api, "1.8.0"), CUDA, GPU, OPTIONS, tensors),
        plan_fields("abc", flavour, (13, 1), GPU, OPTIONS, tensors),
        *(
            plan_fields("abc", flavour, CUDA, GPU.model_copy(update=change), OPTIONS, tensors)
            for change in ({"name": "NVIDIA GeForce RTX 4080"}, {"memory_bytes": 16 << 30}, {"capability": (8, 6)})
        ),
        *(
            plan_fields("abc", flavour, CUDA, GPU, options, tensors)
            for options in (
                BuildOptions(OPTIONS.runtime, Precision.BF16, workspace_bytes=1 << 28),
                BuildOptions(OPTIONS.runtime, OPTIONS.precision, level=4, workspace_bytes=1 << 28),
                BuildOptions(OPTIONS.runtime, OPTIONS.precision, workspace_bytes=1 << 29),
                BuildOptions(OPTIONS.runtime, OPTIONS.precision, workspace_bytes=1 << 28, capability=(8, 9)),
            )
        ),
        plan_fields("abc", flavour, CUDA, GPU, OPTIONS, [TensorSpec("x", (1, 3, 12, 24))]),
    ]
    assert all(other != fields for other in others)
    assert len({str(sorted(other.items())) for other in others}) == len(others)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": 99}', '{"schema": 1, "runtime": "tensorrt"}', '{"schema": 1, "inputs": [{}]}']
)
def test_facts_that_cannot_be_read_mean_a_new_build(network: Path, tmp_path: Path, text: str) -> None:
    plan = tmp_path / "engine.plan"
    build_plan(network, plan, OPTIONS)
    facts_path(plan).write_text(text)
    with pytest.raises(DamagedEntryError, match="built anew"):
        read_plan(plan)


def test_a_plan_of_other_bytes_means_a_new_build(network: Path, tmp_path: Path) -> None:
    plan = tmp_path / "engine.plan"
    build_plan(network, plan, OPTIONS)
    plan.write_bytes(plan.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(DamagedEntryError, match="is not the one of"):
        read_plan(plan)
    plan.unlink()
    with pytest.raises(DamagedEntryError, match="cannot be read"):
        read_plan(plan)
