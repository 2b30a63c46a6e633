"""The networks that can be exported, one line each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, System
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.precision import Precision

if TYPE_CHECKING:
    import onnx

Array32 = NDArray[np.float32]
Reference = Callable[[Mapping[str, Array32]], Array32]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported: a network with `weights` for scenes of `height` x `width` seen by a `system`.

    With a calibration its mask becomes part of the network; without, the mask is an input, if the network takes one.
    """

    network: str
    weights: Path
    system: System
    height: int
    width: int
    precision: Precision = Precision.FP32
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class ExportSpec:
    """How a network is exported: `write` gives its graph in fp32, with one output and all shapes fixed.

    `reference` gives the same network in torch, from inputs by name to the output: what every runtime must agree with.
    Scenes have at least `smallest_side` rows and columns, both multiples of `multiple`. `takes_mask`: whether the
    network itself looks at the mask. `packages` are imported for writing,
    which `lasts` as long as these words say.
    """

    name: str
    systems: frozenset[System]
    write: "Callable[[ExportRequest], onnx.ModelProto]"
    reference: Callable[[ExportRequest], Reference]
    smallest_side: int = 1
    multiple: int = 1
    takes_mask: bool = True
    packages: tuple[str, ...] = ("onnx",)
    lasts: str = ""

    def missing(self) -> list[str]:
        """The packages for writing that are not installed here."""
        return [package for package in self.packages if find_spec(package) is None]

    def size_for(self, calibration: Calibration) -> tuple[int, int]:
        """Rows and columns of the scenes of a calibration, as many more as the network needs."""
        _, height, width = calibration.cube_shape
        return -(-height // self.multiple) * self.multiple, -(-width // self.multiple) * self.multiple

    def check_system(self, system: System | str) -> System:
        """The system by its name. Raises `EngineMismatchError` where the network is not made for it."""
        if system not in self.systems:
            raise EngineMismatchError(
                f"network '{self.name}' is made for {', '.join(sorted(self.systems))}, not for '{system}'; choose one "
                "of these, or another network"
            )
        return System(system)

    def check_size(self, height: int, width: int) -> None:
        """Raises `EngineMismatchError` for scenes that the network does not take."""
        if min(height, width) < self.smallest_side or height % self.multiple or width % self.multiple:
            multiples = f", in multiples of {self.multiple}" if self.multiple > 1 else ""
            raise EngineMismatchError(
                f"network '{self.name}' takes scenes of {self.smallest_side} rows and columns or more{multiples}, "
                f"found {height} x {width}; choose another size"
            )


def export_specs() -> dict[str, ExportSpec]:
    """Every network that can be exported, by name."""
    specs = [
        ExportSpec(
            "pg-svrt",
            frozenset(System),
            _network,
            _network_in_torch,
            smallest_side=17,
            packages=("torch", "safetensors", "onnx", "onnxscript"),
            lasts="about a minute",
        ),
        ExportSpec(
            "live",
            frozenset({System.SD_CASSI, System.DD_CASSI}),
            _live,
            _live_in_torch,
            smallest_side=8,
            multiple=8,
            takes_mask=False,
        ),
        *(
            ExportSpec(
                member.name,
                member.systems,
                _network,
                _network_in_torch,
                packages=("torch", "safetensors", "onnx", "onnxscript"),
                lasts="about a minute",
            )
            for member in still_family().values()
        ),
    ]
    return {spec.name: spec for spec in specs}


def find_export(name: str, specs: Mapping[str, ExportSpec] | None = None) -> ExportSpec:
    """How the network `name` is exported. Raises `EngineUnavailableError`."""
    specs = export_specs() if specs is None else specs
    if name not in specs:
        raise EngineUnavailableError(f"there is no network '{name}' to export; choose one of: {', '.join(specs)}")
    return specs[name]


def _network(request: ExportRequest) -> "onnx.ModelProto":
    from livecassi.engines.networks.exporting import network_onnx

    return network_onnx(request)


def _network_in_torch(request: ExportRequest) -> Reference:
    from livecassi.engines.networks.exporting import network_in_torch

    return network_in_torch(request)


def _live(request: ExportRequest) -> "onnx.ModelProto":
    from livecassi.engines.networks.live.exporting import exported_live

    return exported_live(request)


def _live_in_torch(request: ExportRequest) -> Reference:
    from livecassi.engines.networks.live.exporting import live_in_torch

    return live_in_torch(request)
