"""Passes of a network in torch, on a CPU or a CUDA device."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from livecassi.calibration import Calibration
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.passes import Array32, FetchValues
from livecassi.engines.networks.runner import Placing, Runner, give_back_memory

if TYPE_CHECKING:
    from livecassi.engines.networks.pg_svrt import PGSVRT


class TorchPasses:
    """The network `name` with the weights of a file, where and as `placing` says."""

    def __init__(self, name: str, weights: Path, calibration: Calibration, placing: Placing) -> None:
        network = cast("PGSVRT", load_network(name, weights, calibration.system))
        self._runner = Runner(network, torch.from_numpy(network_mask(calibration).copy()), placing)
        self.describes = self._runner.describes
        self.options = (
            ("runtime", "torch"),
            ("device", self._runner.device.type),
            ("precision", str(placing.precision)),
            ("tile", str(placing.tile or "off")),
        )

    def run(self, window: Array32, positions: Sequence[int], gain: Array32) -> list[FetchValues]:
        """See `Passes`."""
        cubes = self._runner.run(torch.from_numpy(window)[None])
        back = torch.from_numpy(gain).to(cubes.device)
        return [partial(_fetch, cubes[position] * back) for position in positions]

    def close(self) -> None:
        """See `Passes`."""
        device = self._runner.device
        del self._runner
        give_back_memory(device)


def _fetch(values: Tensor) -> Array32:
    fetched: Array32 = values.cpu().numpy()
    return fetched
