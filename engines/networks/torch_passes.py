"""Passes of a network in torch, on a CPU or a CUDA device."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import torch
from torch import Tensor

from livecassi.calibration import Calibration
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.network import BenchNetwork, PreparedBench
from livecassi.engines.networks.passes import Array32, CubeValues, FetchValues
from livecassi.engines.networks.runner import Placing, Runner, give_back_memory

if TYPE_CHECKING:
    from livecassi.engines.networks.stills.bench import StillBench
    from livecassi.engines.networks.stills.sdp import SDPNetwork


class TorchPasses:
    """The network `name` with the weights of a file, where and as `placing` says.

    With several `starts` the one frame of a pass is reconstructed from as many starting noises of the network's prior:
    its cube is their mean, with their spread.
    """

    def __init__(self, name: str, weights: Path, calibration: Calibration, placing: Placing, starts: int = 1) -> None:
        network = cast(BenchNetwork, load_network(name, weights, calibration.system))
        if starts > 1:
            network = _SeveralStarts(cast("SDPNetwork", network), starts)
        self._starts = starts
        self._runner = Runner(network, partial(network.for_bench, calibration), placing)
        self.describes = self._runner.describes
        self.options = (
            ("runtime", "torch"),
            ("device", self._runner.device.type),
            ("precision", str(placing.precision)),
            ("tile", str(placing.tile or "off")),
            *((("starts", str(starts)),) if starts > 1 else ()),
        )

    def run(self, window: Array32, positions: Sequence[int], gain: Array32) -> list[FetchValues]:
        """See `Passes`."""
        cubes = self._runner.run(torch.from_numpy(window)[None])
        back = torch.from_numpy(gain).to(cubes.device)
        if self._starts > 1:
            spread, mean = torch.std_mean(cubes, 0)
            return [_fetching(mean * back, spread * back)]
        return [_fetching(cubes[position] * back) for position in positions]

    def close(self) -> None:
        """See `Passes`."""
        device = self._runner.device
        del self._runner
        give_back_memory(device)


class _SeveralStarts:
    """A network with a prior, whose frames are the cubes of several starting noises."""

    def __init__(self, network: "SDPNetwork", starts: int) -> None:
        self._network, self._starts = network, starts

    def to(self, device: torch.device, /) -> Self:
        """See `BenchNetwork`."""
        self._network.to(device)
        return self

    def for_bench(self, calibration: Calibration, device: torch.device | str = "cpu") -> PreparedBench:
        """See `BenchNetwork`."""
        return self._network.for_bench(calibration, device)

    def __call__(self, measurement: Tensor, bench: PreparedBench) -> Tensor:
        """`(B, starts, C, H, W)`, see `SDPNetwork.estimates`."""
        return self._network.estimates(measurement, cast("StillBench", bench), self._starts)


def _fetching(values: Tensor, spread: Tensor | None = None) -> Callable[[], CubeValues]:
    return lambda: CubeValues(values.cpu().numpy(), None if spread is None else spread.cpu().numpy())
