"""A video network on a device: it is told only what changed, and its window is brought to the frames of a pass."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol

import numpy as np

from livecassi.drivers import Frame
from livecassi.engines.networks.passes import no_numbers
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.contract import AnyArray, RuntimeName
from livecassi.engines.runtimes.device.ops import DeviceOps
from livecassi.engines.runtimes.device.pipeline import Executable, FramePipeline, Ticket


class LoadedNetwork(Protocol):
    """A network that takes raw frames, loaded on a device that belongs to it."""

    @property
    def name(self) -> RuntimeName:
        """The program that executes it."""
        ...

    @property
    def describes(self) -> str:
        """In words: program, device, precision."""
        ...

    @property
    def precision(self) -> Precision:
        """What products are computed in."""
        ...

    @property
    def ops(self) -> DeviceOps:
        """The device."""
        ...

    @property
    def executable(self) -> Executable:
        """The network, see `exporting.frame_graph`; used inside `with ops`."""
        ...

    @property
    def graph(self) -> bool:
        """Whether its passes are to be recorded as CUDA graphs, rather than by the library itself."""
        ...

    def close(self) -> None:
        """Give network and device back; may be called twice."""
        ...


class DeviceNetwork:
    """Used by one thread at a time, inside `with network.ops`, but for `close`. `most` frames of a pass are fetched."""

    def __init__(self, network: LoadedNetwork, most: int) -> None:
        self.network = network
        self._pipeline = FramePipeline(network.executable, network.ops, most, network.graph)
        self.shapes = {spec.name: spec.shape for spec in self._pipeline.settings}
        self._told: dict[str, Hashable] = {}
        self._window: list[Frame] = []  # what it holds; empty: nothing that is known

    def tell(self, name: str, key: Hashable, values: Callable[[], AnyArray]) -> None:
        """Give a setting, unless it was given under this key already."""
        self.tell_all((name,), key, lambda: {name: values()})

    def tell_all(self, names: Sequence[str], key: Hashable, values: Callable[[], Mapping[str, AnyArray]]) -> None:
        """Give settings that belong together, unless all were given under this key already."""
        if any(name not in self._told or self._told[name] != key for name in names):
            for name in names:
                self._told.pop(name, None)
            self._pipeline.configure(values())
            self._told.update(dict.fromkeys(names, key))

    def show(self, frames: Sequence[Frame]) -> None:
        """Bring the window to hold these frames: what it holds already of them is not uploaded again."""
        shift = self._shift_to(frames)
        if shift == len(frames):
            self._pipeline.reset()
            self._enter(frames[0])
            self._window = [frames[0]] * len(frames)
            shift = self._shift_to(frames)
        for frame in frames[len(frames) - shift :]:
            self._enter(frame)
        self._window = list(frames)

    def start(self, cubes: bool, places: Sequence[int]) -> Ticket:
        """See `FramePipeline`."""
        return self._pipeline.start(cubes, places)

    def result(self, ticket: Ticket) -> dict[str, AnyArray]:
        """See `FramePipeline`. Raises `EngineError` where the network gave no numbers."""
        result = self._pipeline.result(ticket)
        if not np.isfinite(result["spectra"]).all():  # one value that is none spoils those of its whole cube
            raise no_numbers(self.network.describes)
        return result

    def reset(self) -> None:
        """Forget what the window holds, and results that were not taken."""
        self._pipeline.forget()
        self._window = []

    def close(self) -> None:
        """Give everything back; may be called twice."""
        self.network.close()

    def _shift_to(self, frames: Sequence[Frame]) -> int:
        """By how many frames the window must move on to hold these; all of them where it holds none."""
        held = self._window
        for shift in range(len(frames) if held else 0):
            kept = frames[: len(frames) - shift]
            if all(one is other for one, other in zip(held[shift:], kept, strict=True)):
                return shift
        return len(frames)

    def _enter(self, frame: Frame) -> None:
        self._window = []  # until it is there
        self._pipeline.take(frame.pixels)
