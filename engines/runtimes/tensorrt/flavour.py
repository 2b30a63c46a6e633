"""Which of NVIDIA's inference libraries is meant, and in what they differ.

TensorRT tunes kernels on the GPU that a plan is for, and keeps what it measured. TensorRT-RTX builds on any machine,
compiles kernels when a plan is loaded, and keeps those; asking it for a timing cache would only make it look for a GPU.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import cast

from livecassi.engines.errors import RuntimeUnavailableError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.nvidia_driver import words
from livecassi.engines.runtimes.tensorrt.api import Api, EnumMember

NEWEST_FAMILY = (12, 0)  # from this compute capability on TensorRT-RTX runs plans that name no GPU


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a library before it is loaded."""

    module: str
    oldest: tuple[int, int]
    install: str
    needs_gpu_to_build: bool
    keeps_timings: bool
    keeps_kernels: bool
    records_graphs: bool  # as CUDA graphs, by itself


TRAITS = {
    RuntimeName.TENSORRT: Traits(
        "tensorrt",
        (10, 7),
        "pip install 'livecassi[tensorrt]'",
        needs_gpu_to_build=True,
        keeps_timings=True,
        keeps_kernels=False,
        records_graphs=False,
    ),
    RuntimeName.TENSORRT_RTX: Traits(
        "tensorrt_rtx",
        (1, 7),
        "pip install 'livecassi[rtx]'",
        needs_gpu_to_build=False,
        keeps_timings=False,
        keeps_kernels=True,
        records_graphs=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Flavour:
    """A library that is loaded: its module `api` and full `version`."""

    name: RuntimeName
    traits: Traits
    api: Api
    version: str

    @property
    def network_flags(self) -> int:
        """For networks whose precision is what their ONNX says. TensorRT 11 and RTX know no others and ignore it."""
        return 1 << int(self.api.NetworkDefinitionCreationFlag.STRONGLY_TYPED)

    def target(self, capability: tuple[int, int]) -> EnumMember | None:
        """What a plan of TensorRT-RTX names as its GPU, None for one that runs on several. See `check_gpu`."""
        return getattr(self.api.ComputeCapability, "SM{}{}".format(*capability), None)

    def check_gpu(self, capability: tuple[int, int]) -> None:
        """Raises `RuntimeUnavailableError` where the library has no kernels for a GPU of this compute capability."""
        if self.traits.needs_gpu_to_build or self.target(capability) is not None or capability >= NEWEST_FAMILY:
            return
        raise RuntimeUnavailableError(
            f"{self.name} {self.version} is not made for GPUs of compute capability {words(capability)}; "
            "choose the runtime tensorrt or torch"
        )


def find_flavour(name: RuntimeName, load: Callable[[str], ModuleType] = import_module) -> Flavour:
    """The library of that name, loaded. Raises `RuntimeUnavailableError`: not installed, not loadable, too old."""
    traits = TRAITS[name]
    try:
        module = load(traits.module)
        version = str(module.__version__)
    except (ImportError, OSError, AttributeError) as error:
        raise RuntimeUnavailableError(
            f"{name} cannot be loaded ({error}); install it with: {traits.install}"
        ) from error
    if version_numbers(version)[:2] < traits.oldest:
        raise RuntimeUnavailableError(
            f"{name} {version} is installed, {'.'.join(map(str, traits.oldest))} or later is needed; "
            f"{traits.install} --upgrade"
        )
    return Flavour(name, traits, cast(Api, module), version)


def version_numbers(version: str) -> tuple[int, ...]:
    """(10, 13, 0) of "10.13.0.post1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
