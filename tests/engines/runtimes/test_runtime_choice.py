"""What a machine offers, and which runtime is taken of it, with a reason for the operator."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from livecassi.engines.errors import DriverError, RuntimeUnavailableError
from livecassi.engines.runtimes.choosing import AUTO, choose_runtime
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.nvidia_driver import Driver, Gpu, NoDriverError
from livecassi.engines.runtimes.offers import Installed, Offer, Place, offers

ALL = tuple(RuntimeName)
CPU_PACKAGES = {"openvino": "2026.4.1", "onnxruntime": "1.31.1", "torch": "2.13.0"}
TENSORRT = {"tensorrt": "11.4.0.106", "tensorrt-cu13-libs": "11.4.0.106"}
RTX = {"tensorrt-rtx": "1.7.1.116", "tensorrt-rtx-cu13-libs": "1.7.1.116"}


class FakeInstalled(Installed):
    """A Python with these packages."""

    def __init__(self, packages: Mapping[str, str], cuda_of_torch: int | None = None) -> None:
        self.packages, self.cuda = packages, cuda_of_torch

    def version(self, *names: str) -> str:
        return next((self.packages[name] for name in names if name in self.packages), "")

    def importable(self, module: str) -> bool:
        return module.replace("_", "-") in {name.removesuffix("-gpu") for name in self.packages}

    def cuda_of_torch(self) -> int | None:
        return self.cuda


def no_driver() -> Driver:
    raise NoDriverError("no NVIDIA driver; install one")


def gpu(capability: tuple[int, int] = (8, 9), cuda: tuple[int, int] = (13, 0)) -> Callable[[], Driver]:
    found = Gpu(name="a GPU", memory_bytes=24 * 2**30, capability=capability)
    return lambda: Driver(cuda=cuda, gpus=(found,))


def offered(
    packages: Mapping[str, str], probe: Callable[[], Driver] = no_driver, cuda_of_torch: int | None = None
) -> tuple[Offer, ...]:
    return offers(probe, FakeInstalled(packages, cuda_of_torch))


def offer_of(found: tuple[Offer, ...], runtime: RuntimeName, place: Place = Place.CUDA) -> Offer:
    (one,) = [offer for offer in found if offer.runtime is runtime and offer.place is place]
    return one


# ---- offers --------------------------------------------------------------------------------------------------------


def test_what_is_absent_comes_with_the_command_that_installs_it() -> None:
    found = offered({})
    assert not any(offer.available for offer in found)
    assert {offer.runtime for offer in found} == set(ALL)
    assert all(offer.install.startswith("pip ") and not offer.version for offer in found)
    assert "livecassi[tensorrt]" in offer_of(found, RuntimeName.TENSORRT).install


def test_the_driver_is_asked_only_where_it_matters_and_once() -> None:
    asked: list[int] = []

    def probe() -> Driver:
        asked.append(1)
        raise NoDriverError("no NVIDIA driver; install one")

    offered(CPU_PACKAGES, probe)
    assert asked == []
    found = offered(CPU_PACKAGES | TENSORRT | RTX, probe, cuda_of_torch=13)
    assert asked == [1]
    for runtime in (RuntimeName.TENSORRT, RuntimeName.TENSORRT_RTX, RuntimeName.TORCH):
        assert offer_of(found, runtime).reason == "no NVIDIA driver; install one"


def test_what_was_never_run_on_a_gpu_says_so() -> None:
    packages = {**CPU_PACKAGES, **TENSORRT, **RTX, "onnxruntime-gpu": "1.31.1"}
    found = offered(packages, gpu(), cuda_of_torch=13)
    assert all(offer.available for offer in found)
    for offer in found:
        assert offer.proven == ("never run on a GPU by the makers" not in offer.reason)
    assert offer_of(found, RuntimeName.TORCH).proven
    assert not offer_of(found, RuntimeName.TENSORRT).proven


@pytest.mark.parametrize(
    ("capability", "tensorrt", "rtx"),
    [((7, 0), False, False), ((7, 5), True, True), ((8, 0), True, True), ((9, 0), True, False), ((12, 1), True, True)],
)
def test_gpus_that_a_runtime_has_no_kernels_for_are_refused(
    capability: tuple[int, int], tensorrt: bool, rtx: bool
) -> None:
    found = offered(TENSORRT | RTX, gpu(capability))
    assert offer_of(found, RuntimeName.TENSORRT).available == tensorrt
    refused = offer_of(found, RuntimeName.TENSORRT_RTX)
    assert refused.available == rtx
    if not rtx:
        assert "compute capability {}.{}".format(*capability) in refused.reason
        assert "choose tensorrt or torch" in refused.reason


@pytest.mark.parametrize(
    ("packages", "cuda", "available"),
    [
        (TENSORRT, (12, 8), False),
        (TENSORRT, (13, 0), True),
        ({"tensorrt": "11.4.0", "tensorrt-cu12-libs": "11.4.0"}, (12, 2), True),
        ({"tensorrt": "10.9.0", "tensorrt-cu12": "10.9.0"}, (12, 1), False),
        ({"tensorrt": "10.9.0"}, (12, 4), True),
        ({"tensorrt": "11.0.0"}, (12, 4), False),
    ],
)
def test_a_driver_may_be_too_old_for_what_is_installed(
    packages: Mapping[str, str], cuda: tuple[int, int], available: bool
) -> None:
    found = offer_of(offered(packages, gpu(cuda=cuda)), RuntimeName.TENSORRT)
    assert found.available == available
    assert available or "install a newer driver" in found.reason


def test_a_tensorrt_that_is_too_old_is_told_without_asking_the_driver() -> None:
    found = offer_of(offered({"tensorrt": "8.6.1"}), RuntimeName.TENSORRT)
    assert (found.available, found.reason) == (False, "8.6.1 is too old, 10.7 or later is needed")


def test_a_torch_without_cuda_serves_the_processor_only() -> None:
    found = offered(CPU_PACKAGES, gpu())
    assert offer_of(found, RuntimeName.TORCH, Place.CPU).available
    assert offer_of(found, RuntimeName.TORCH).reason == "installed without CUDA"


def test_packages_are_looked_up_and_not_imported() -> None:
    program = (
        "import sys; from livecassi.engines.runtimes.offers import Installed, offers\n"
        "Installed().cuda_of_torch(); offers()\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'openvino', 'tensorrt', 'tensorrt_rtx'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "major"),
    [("cuda: Optional[str] = '13.0'", 13), ("cuda = '12.6'", 12), ("cuda: Optional[str] = None", None)],
)
def test_torch_says_in_a_file_which_cuda_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, major: int | None
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    (tmp_path / "torch" / "version.py").write_text(f"debug = False\n{text}\nhip = None\n")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert Installed().cuda_of_torch() == major


# ---- the choice ----------------------------------------------------------------------------------------------------


def test_without_a_gpu_openvino_is_taken_and_the_reason_says_why() -> None:
    chosen = choose_runtime(AUTO, ALL, offered(CPU_PACKAGES | RTX))
    assert (chosen.runtime, chosen.place) == (RuntimeName.OPENVINO, Place.CPU)
    assert chosen.reason == (
        "OpenVINO on the processor: the quickest there; TensorRT-RTX on the GPU cannot be used: no NVIDIA driver"
    )


@pytest.mark.parametrize(
    ("packages", "able", "wanted"),
    [
        (CPU_PACKAGES | TENSORRT | RTX, ALL, (RuntimeName.TENSORRT, Place.CUDA)),
        (CPU_PACKAGES | RTX, ALL, (RuntimeName.TENSORRT_RTX, Place.CUDA)),
        (CPU_PACKAGES, ALL, (RuntimeName.TORCH, Place.CUDA)),
        (CPU_PACKAGES, [RuntimeName.ONNXRUNTIME, RuntimeName.OPENVINO], (RuntimeName.OPENVINO, Place.CPU)),
        (CPU_PACKAGES, [RuntimeName.ONNXRUNTIME], (RuntimeName.ONNXRUNTIME, Place.CPU)),
    ],
)
def test_the_quickest_that_can_be_used_is_taken(
    packages: Mapping[str, str], able: list[RuntimeName], wanted: tuple[RuntimeName, Place]
) -> None:
    chosen = choose_runtime(AUTO, able, offered(packages, gpu(), cuda_of_torch=13))
    assert (chosen.runtime, chosen.place) == wanted


def test_the_order_on_a_processor() -> None:
    packages = dict(CPU_PACKAGES)
    taken = []
    while packages:
        chosen = choose_runtime(AUTO, ALL, offered(packages))
        assert chosen.place is Place.CPU
        taken.append(chosen.runtime)
        del packages[chosen.runtime]
    assert taken == [RuntimeName.OPENVINO, RuntimeName.ONNXRUNTIME, RuntimeName.TORCH]


def test_what_was_never_tried_on_a_gpu_says_so_when_it_is_chosen() -> None:
    chosen = choose_runtime(AUTO, ALL, offered(TENSORRT, gpu()))
    assert "never run on a GPU by the makers" in chosen.reason


def test_a_wanted_runtime_is_taken_on_its_best_place() -> None:
    found = offered(CPU_PACKAGES, gpu(), cuda_of_torch=12)
    chosen = choose_runtime(RuntimeName.TORCH, ALL, found)
    assert (chosen.place, chosen.reason) == (Place.CUDA, "torch on the GPU: it was asked for")
    assert choose_runtime(RuntimeName.TORCH, ALL, offered(CPU_PACKAGES)).place is Place.CPU


def test_a_wanted_runtime_that_is_missing_says_what_to_install() -> None:
    with pytest.raises(
        RuntimeUnavailableError, match=r"not installed\); install it with: pip install 'livecassi\[tens"
    ):
        choose_runtime(RuntimeName.TENSORRT, ALL, offered(CPU_PACKAGES))
    with pytest.raises(RuntimeUnavailableError, match=r"no NVIDIA driver.*choose another runtime"):
        choose_runtime(RuntimeName.TENSORRT, ALL, offered(TENSORRT))
    with pytest.raises(RuntimeUnavailableError, match="does not run on OpenVINO; choose one of: torch"):
        choose_runtime(RuntimeName.OPENVINO, [RuntimeName.TORCH], offered(CPU_PACKAGES))


def test_a_machine_with_nothing_says_what_to_install() -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'livecassi\[torch\]'"):
        choose_runtime(AUTO, [RuntimeName.TORCH], offered({}))


def test_a_driver_that_fails_leaves_the_processor() -> None:
    def failing() -> Driver:
        raise DriverError("the NVIDIA driver fails: code 999; reboot")

    chosen = choose_runtime(AUTO, ALL, offered(CPU_PACKAGES, failing, cuda_of_torch=13))
    assert chosen.runtime is RuntimeName.OPENVINO
    assert "code 999" in chosen.reason


def test_what_is_absent_is_installed_for_the_processor_first() -> None:
    found = offered({})
    with pytest.raises(RuntimeUnavailableError, match=r"with: pip install 'livecassi\[onnx\]'$"):
        choose_runtime(RuntimeName.ONNXRUNTIME, ALL, found)
    with pytest.raises(RuntimeUnavailableError) as none:
        choose_runtime(AUTO, ALL, found)
    assert "uninstall" not in str(none.value)
    assert "force" not in str(none.value)


def test_no_package_is_advised_where_the_driver_is_missing() -> None:
    assert offer_of(offered(RTX), RuntimeName.TENSORRT_RTX).install == ""
    assert offer_of(offered({}), RuntimeName.TENSORRT_RTX).install
