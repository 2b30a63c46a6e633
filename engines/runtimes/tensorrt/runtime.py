"""A plan as a `NetworkRuntime`: arrays in, arrays out, in buffers that are taken once."""

import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from livecassi.engines.errors import EngineError
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import AnyArray, RuntimeName, TensorSpec, check_inputs
from livecassi.engines.runtimes.device.capture import captured
from livecassi.engines.runtimes.device.ops import Buffer, DeviceOps, Event, Stream
from livecassi.engines.runtimes.nvidia_driver import Driver, probe_driver
from livecassi.engines.runtimes.tensorrt.flavour import Flavour, find_flavour
from livecassi.engines.runtimes.tensorrt.loaded import LoadedPlan
from livecassi.engines.runtimes.tensorrt.plan import PlanFacts


@dataclass(frozen=True, slots=True)
class _Active:
    ops: DeviceOps
    loaded: LoadedPlan
    stream: Stream
    done: Event
    device: Mapping[str, Buffer]
    host: Mapping[str, AnyArray]
    run: Callable[[], None]


class TensorRtRuntime:
    """A plan on TensorRT or TensorRT-RTX. Nothing of them is loaded before `activate`.

    `make_ops` gives the device, which this runtime then owns; `ask_driver` raises `DriverError` where there is none,
    and is asked before the library is: without a driver it could end the program. `graph`: passes are recorded as a
    CUDA graph where the library or the device can.
    """

    def __init__(
        self,
        content: bytes,
        facts: PlanFacts,
        make_ops: Callable[[], DeviceOps],
        ask_driver: Callable[[], Driver] = probe_driver,
        kernels: Path | None = None,
        graph: bool = False,
        find: Callable[[RuntimeName], Flavour] = find_flavour,
    ) -> None:
        self._content, self._facts = content, facts
        self._make_ops, self._ask_driver, self._find = make_ops, ask_driver, find
        self._kernels, self._graph = kernels, graph
        self._active: _Active | None = None

    @property
    def name(self) -> RuntimeName:
        """See `NetworkRuntime`."""
        return self._facts.runtime

    @property
    def precision(self) -> Precision:
        """See `NetworkRuntime`."""
        return self._facts.precision

    @property
    def describes(self) -> str:
        """See `NetworkRuntime`."""
        device = f", {self._active.ops.describes}" if self._active is not None else ""
        return f"{self.name} {self._facts.version}{device}, {self.precision}"

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """See `NetworkRuntime`."""
        return self._facts.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """See `NetworkRuntime`."""
        return self._facts.outputs

    def activate(self) -> None:
        """See `NetworkRuntime`. Raises also `DriverError`, `DeviceMemoryError`, and `DamagedEntryError` for a plan that
        the library refuses: `ArtefactCache.use` then has it built anew, once.
        """
        if self._active is not None:
            return
        driver = self._ask_driver()
        flavour = self._find(self.name)
        flavour.check_gpu(driver.gpus[0].capability)
        ops = self._make_ops()
        try:
            with ops:
                self._active = self._activated(ops, flavour)
        except BaseException:
            ops.close()
            raise

    def infer(self, inputs: Mapping[str, AnyArray], wanted: Collection[str] | None = None) -> dict[str, AnyArray]:
        """See `NetworkRuntime`."""
        if self._active is None:
            raise EngineError(f"{self.name} is not active; activate it first")
        check_inputs(self.inputs, inputs, "the network")
        names = [spec.name for spec in self.outputs]
        if unknown := set(wanted or ()) - set(names):
            raise EngineError(f"the network gives {', '.join(names)}, not {', '.join(sorted(unknown))}")
        with self._active.ops:
            return _infer(self._active, inputs, names if wanted is None else wanted)

    def deactivate(self) -> None:
        """See `NetworkRuntime`."""
        active, self._active = self._active, None
        if active is None:
            return
        try:
            with active.ops:
                active.loaded.close()
        finally:
            active.ops.close()

    def _activated(self, ops: DeviceOps, flavour: Flavour) -> _Active:
        loaded = None
        try:
            loaded = LoadedPlan(self._content, self._facts, flavour, self._kernels, self._graph)
            tensors = (*self.inputs, *self.outputs)
            device = {spec.name: ops.alloc(spec.nbytes) for spec in tensors}
            host = {spec.name: ops.pinned(spec.shape, spec.dtype) for spec in tensors}
            for name, buffer in device.items():
                loaded.bind(name, buffer.address)
            stream = ops.stream()
            run = partial(loaded.enqueue, stream)
            active = _Active(ops, loaded, stream, ops.event(), device, host, run)
            for spec in self.inputs:
                host[spec.name].fill(0)
            _infer(active, {spec.name: host[spec.name] for spec in self.inputs}, ())  # the last kernels are made now
            if self._graph and not flavour.traits.records_graphs:
                active = replace(active, run=captured(ops, run, stream))
        except BaseException as error:
            if loaded is not None:
                loaded.close()
            traceback.clear_frames(error.__traceback__)  # what they hold must go before the device does
            raise
        return active


def _infer(active: _Active, inputs: Mapping[str, AnyArray], wanted: Collection[str]) -> dict[str, AnyArray]:
    ops = active.ops
    for name, array in inputs.items():
        if array is not active.host[name]:
            np.copyto(active.host[name], array)
        ops.copy_in(active.device[name], active.host[name], active.stream)
    active.run()
    for name in wanted:
        ops.copy_out(active.host[name], active.device[name], active.stream)
    ops.record(active.done, active.stream)
    ops.synchronize(active.done)
    return {name: active.host[name] for name in wanted}
