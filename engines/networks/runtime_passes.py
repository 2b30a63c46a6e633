"""Passes of an exported network on any runtime: the window in, all its cubes out."""

from collections.abc import Mapping, Sequence

import numpy as np

from livecassi.engines.networks.passes import Array32, FetchValues, no_numbers, ready
from livecassi.engines.runtimes.contract import AnyArray, NetworkRuntime

WINDOW, MASK, CUBES = "measurement", "mask", "cubes"  # the names of what exported video networks take and give


class RuntimePasses:
    """A video network that was exported for one bench, on an activated runtime, which is deactivated by `close`.

    `device` is cpu or cuda; `constants` are the inputs that are the same for every window.
    """

    def __init__(self, runtime: NetworkRuntime, device: str, constants: Mapping[str, AnyArray]) -> None:
        self._runtime, self._constants = runtime, constants
        self.describes = runtime.describes
        self.options = (
            ("runtime", str(runtime.name)),
            ("device", device),
            ("precision", str(runtime.precision)),
            ("tile", "off"),
        )

    def run(self, window: Array32, positions: Sequence[int], gain: Array32) -> list[FetchValues]:
        """See `Passes`."""
        cubes = self._runtime.infer({WINDOW: window[None], **self._constants}, (CUBES,))[CUBES][0]
        wanted = [cubes[position] * gain for position in positions]
        if not all(np.isfinite(values).all() for values in wanted):
            raise no_numbers(self.describes)
        return [ready(values) for values in wanted]

    def close(self) -> None:
        """See `Passes`."""
        self._runtime.deactivate()
