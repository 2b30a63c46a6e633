"""A plan of a network that takes raw frames, with the device that it runs on."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.device.ops import DeviceOps
from livecassi.engines.runtimes.nvidia_driver import Driver, probe_driver
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.loaded import LoadedPlan
from livecassi.engines.runtimes.tensorrt.plan import PlanFacts


@dataclass(frozen=True, slots=True)
class FramePlan:
    """A `LoadedNetwork`, made by `load_frame_plan`."""

    name: RuntimeName
    describes: str
    precision: Precision
    ops: DeviceOps
    executable: LoadedPlan
    graph: bool

    def close(self) -> None:
        """Give plan and device back; may be called twice."""
        try:
            with self.ops:
                self.executable.close()
        finally:
            self.ops.close()


def load_frame_plan(
    content: bytes,
    facts: PlanFacts,
    make_ops: Callable[[], DeviceOps],
    ask_driver: Callable[[], Driver] = probe_driver,
    kernels: Path | None = None,
    find: Callable[[RuntimeName], Flavour] = find_flavour,
) -> FramePlan:
    """The plan on the device that `make_ops` gives; `ask_driver` is asked before the library is, see `TensorRtRuntime`.

    Raises as `TensorRtRuntime.activate`, `DamagedEntryError` for a plan that the library refuses.
    """
    driver = ask_driver()
    flavour = find(facts.runtime)
    flavour.check_gpu(driver.gpus[0].capability)
    ops = make_ops()
    try:
        with ops:
            plan = LoadedPlan(content, facts, flavour, kernels, graph=True)
        describes = f"{facts.runtime} {facts.version}, {ops.describes}, {facts.precision}"
        return FramePlan(facts.runtime, describes, facts.precision, ops, plan, not flavour.traits.records_graphs)
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # what they hold must go before the device does
        ops.close()
        raise
