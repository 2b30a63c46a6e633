"""What can be prepared in a process of its own, as it travels there."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter

from livecassi.calibration import System
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.tensorrt.plan import BuildOptions


class _Job(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExportNetwork(_Job):
    """Write a network as ONNX: the fields of an `ExportRequest`, the calibration as a file."""

    kind: Literal["export"] = "export"
    network: str
    weights: Path
    system: System
    height: PositiveInt
    width: PositiveInt
    precision: Precision
    calibration: Path | None
    out: Path

    @property
    def what(self) -> str:
        """In words."""
        return f"exporting {self.network}"


class CompileForOpenVino(_Job):
    """Write what OpenVINO compiles of an exported network for this processor."""

    kind: Literal["openvino"] = "openvino"
    network: Path
    precision: Precision
    threads: PositiveInt | None
    blob: Path

    @property
    def what(self) -> str:
        """In words."""
        return "compiling for OpenVINO"


class BuildPlan(_Job):
    """Write the plan of an exported network for TensorRT or TensorRT-RTX."""

    kind: Literal["plan"] = "plan"
    network: Path
    options: BuildOptions
    plan: Path

    @property
    def what(self) -> str:
        """In words."""
        return f"building for {self.options.runtime}"


Job = ExportNetwork | CompileForOpenVino | BuildPlan

JOB: TypeAdapter[Job] = TypeAdapter(Annotated[Job, Field(discriminator="kind")])
