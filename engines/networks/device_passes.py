"""Corrected measurements through a network that was made for raw frames."""

from collections.abc import Sequence

import numpy as np

from livecassi.engines.networks.device_network import DeviceNetwork
from livecassi.engines.networks.passes import Array32, FetchValues, ready


class DevicePasses:
    """`Passes` of a network on a device: its gain and offset are 0 meanwhile, so that frames play no part.

    The network belongs to somebody else, who takes all results that are under way before `run` and closes it.
    """

    def __init__(self, device: DeviceNetwork) -> None:
        self._device = device
        network = device.network
        self.describes = network.describes
        self.options = (
            ("runtime", str(network.name)),
            ("device", "cuda"),
            ("precision", str(network.precision)),
            ("tile", "off"),
        )

    def run(self, window: Array32, positions: Sequence[int], gain: Array32) -> list[FetchValues]:
        """See `Passes`."""
        device = self._device
        with device.network.ops:
            dark = np.zeros(device.shapes["gain"], np.float32)
            device.tell_all(("gain", "offset"), None, lambda: {"gain": dark, "offset": dark})
            device.tell("added", object(), lambda: window)
            device.tell("band_gain", tuple(gain.flat), lambda: gain.reshape(-1))
            device.tell("colour", None, lambda: np.zeros(device.shapes["colour"], np.float32))
            device.tell("pick_weights", None, lambda: np.zeros(device.shapes["pick_weights"], np.float32))
            cubes = device.result(device.start(True, positions))["cubes"].copy()
        return [ready(values) for values in cubes]

    def close(self) -> None:
        """Nothing: the network is not its own."""
