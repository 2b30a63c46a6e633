"""What this machine offers to execute networks on. Packages are looked up, none is imported."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata, util
from pathlib import Path

from livecassi.engines.errors import DriverError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.gpu_needs import check_gpu_for
from livecassi.engines.runtimes.nvidia_driver import Driver, probe_driver

NEVER_ON_A_GPU = "never run on a GPU by the makers"
_TENSORRT_OLDEST, _RTX_OLDEST = (10, 7), (1, 7)


class Place(StrEnum):
    """Where a runtime computes."""

    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True)
class Offer:
    """A runtime at a place: whether it can be used here, and why not, or what is to be known of it.

    `version` is "" where it is not installed, and `install` the command that would install it, "" where that is not
    what is missing. `proven` says whether the makers of livecassi have run it.
    """

    runtime: RuntimeName
    place: Place
    available: bool
    reason: str
    version: str = ""
    install: str = ""
    proven: bool = True

    @property
    def title(self) -> str:
        """Such as "torch on cuda"."""
        return f"{self.runtime} on {self.place}"


class Installed:
    """The packages of this Python: versions by name, and what can be told of them without importing them."""

    def version(self, *names: str) -> str:
        """The version of the first of these distributions that is installed, or ""."""
        for name in names:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return ""

    def importable(self, module: str) -> bool:
        """Whether there is such a module; it may still fail to load."""
        try:
            return util.find_spec(module) is not None
        except (ImportError, ValueError):
            return False

    def cuda_of_torch(self) -> int | None:
        """The CUDA major that torch was built for, None where it was built without."""
        spec = util.find_spec("torch")
        if spec is None or spec.origin is None:
            return None
        try:
            text = (Path(spec.origin).parent / "version.py").read_text()
        except OSError:
            return None
        found = re.search(r"^cuda\b[^=]*=\s*['\"](\d+)", text, re.MULTILINE)
        return int(found.group(1)) if found else None


def offers(probe: Callable[[], Driver] = probe_driver, installed: Installed | None = None) -> tuple[Offer, ...]:
    """Every runtime, those that are not available included.

    The driver is asked once at most, and only where something that needs a GPU is installed; that takes some tenths of
    a second.
    """
    return tuple(_offers(installed or Installed(), remembered(probe)))


def _offers(installed: Installed, ask: Callable[[], Driver]) -> Iterator[Offer]:
    yield from _on_cpu(installed)
    yield _torch_on_cuda(installed, ask)
    yield _onnxruntime_on_cuda(installed, ask)
    for runtime, oldest, install in (
        (RuntimeName.TENSORRT, _TENSORRT_OLDEST, "pip install 'livecassi[tensorrt]'"),
        (RuntimeName.TENSORRT_RTX, _RTX_OLDEST, "pip install 'livecassi[rtx]'"),
    ):
        yield _tensorrt(runtime, oldest, install, installed, ask)


def _on_cpu(installed: Installed) -> Iterator[Offer]:
    for runtime, packages, module, install in (
        (RuntimeName.OPENVINO, ("openvino",), "openvino", "pip install --upgrade livecassi"),
        (
            RuntimeName.ONNXRUNTIME,
            ("onnxruntime", "onnxruntime-gpu"),
            "onnxruntime",
            "pip install 'livecassi[onnx]'",
        ),
        (RuntimeName.TORCH, ("torch",), "torch", "pip install 'livecassi[torch]'"),
    ):
        version = installed.version(*packages)
        there = bool(version) and installed.importable(module)
        reason = "ready" if there else "not installed"
        yield Offer(runtime, Place.CPU, there, reason, version if there else "", install)


def _torch_on_cuda(installed: Installed, ask: Callable[[], Driver]) -> Offer:
    install = "pip install --force-reinstall torch"
    version, major = installed.version("torch"), installed.cuda_of_torch()
    if not version:
        return Offer(RuntimeName.TORCH, Place.CUDA, False, "not installed", "", "pip install 'livecassi[torch]'")
    if major is None:
        return Offer(RuntimeName.TORCH, Place.CUDA, False, "installed without CUDA", version, install)
    return _on_gpu(RuntimeName.TORCH, version, major, install, ask)


def _onnxruntime_on_cuda(installed: Installed, ask: Callable[[], Driver]) -> Offer:
    install = "pip uninstall onnxruntime; pip install onnxruntime-gpu"
    version = installed.version("onnxruntime-gpu")
    if not version:
        reason = "installed without CUDA" if installed.version("onnxruntime") else "not installed"
        return Offer(RuntimeName.ONNXRUNTIME, Place.CUDA, False, reason, "", install, proven=False)
    return _on_gpu(RuntimeName.ONNXRUNTIME, version, 12, install, ask)


def _tensorrt(
    runtime: RuntimeName, oldest: tuple[int, int], install: str, installed: Installed, ask: Callable[[], Driver]
) -> Offer:
    package = str(runtime)
    version = installed.version(package, f"{package}-cu13", f"{package}-cu12")
    if not version or not installed.importable(package.replace("-", "_")):
        return Offer(runtime, Place.CUDA, False, "not installed", "", install, proven=False)
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < oldest:
        reason = f"{version} is too old, {oldest[0]}.{oldest[1]} or later is needed"
        return Offer(runtime, Place.CUDA, False, reason, version, f"{install} --upgrade", proven=False)
    cuda_13 = installed.version(f"{package}-cu13-libs", f"{package}-cu13")
    cuda_12 = installed.version(f"{package}-cu12-libs", f"{package}-cu12")
    if runtime is RuntimeName.TENSORRT and not cuda_13 and not cuda_12:
        cuda_12 = version if numbers < (11,) else ""  # from NVIDIA's own packages
    return _on_gpu(runtime, version, 12 if cuda_12 and not cuda_13 else 13, install, ask)


def _on_gpu(runtime: RuntimeName, version: str, cuda_major: int, install: str, ask: Callable[[], Driver]) -> Offer:
    """The offer of something that is installed, as the driver and the GPU have it."""
    proven = runtime is RuntimeName.TORCH
    try:
        driver = ask()
        check_gpu_for(runtime, version, cuda_major, driver)
    except DriverError as error:
        return Offer(runtime, Place.CUDA, False, str(error), version, "", proven)  # no package mends that
    said = f"on {driver.gpus[0].name}" + ("" if proven else f"; {NEVER_ON_A_GPU}")
    return Offer(runtime, Place.CUDA, True, said, version, install, proven)


def remembered(probe: Callable[[], Driver]) -> Callable[[], Driver]:
    """The driver, asked when it is first wanted; the same answer or error each time."""
    answers: list[Driver | DriverError] = []

    def ask() -> Driver:
        if not answers:
            try:
                answers.append(probe())
            except DriverError as error:
                answers.append(error)
        if isinstance(answers[0], DriverError):
            raise answers[0]
        return answers[0]

    return ask
