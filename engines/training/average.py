"""The moving average (EMA) of a network's weights, which is steadier than the weights of any one step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Module


class MovingAverage:
    """Weights that follow those of a network: average += (1 - decay) (weights - average) after each step.

    Early in a run the decay is smaller, (1 + step) / (10 + step), so that the random first weights are soon forgotten.
    Whole numbers among the tensors are those of the network. With decay 0 the average is the network itself.
    """

    def __init__(self, network: Module, decay: float) -> None:
        self._network = network
        self._decay = decay
        self._tensors = {name: tensor.detach().clone() for name, tensor in self._own().items()} if decay else {}

    def _own(self) -> dict[str, Tensor]:
        return dict(self._network.state_dict())

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the network after `step`, counted from 0."""
        if not self._decay:
            return
        own = self._own()
        smooth = [name for name, tensor in self._tensors.items() if tensor.is_floating_point()]
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_([self._tensors[name] for name in smooth], [own[name] for name in smooth], share)
        for name in self._tensors.keys() - set(smooth):
            self._tensors[name].copy_(own[name])

    def state(self) -> dict[str, Tensor]:
        """The tensors of the average by name; empty with decay 0."""
        return dict(self._tensors)

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`. Without tensors in it the average begins at the network's present weights."""
        source = state or self._own()
        for name, tensor in self._tensors.items():
            tensor.copy_(source[name])

    def weights(self) -> dict[str, Tensor]:
        """What is validated and shipped: the average, or the network's own weights where there is none."""
        return self.state() or self._own()

    @contextmanager
    def in_place(self) -> Iterator[Module]:
        """The network with the averaged weights, in evaluation mode; afterwards it is as before."""
        before = {name: tensor.detach().clone() for name, tensor in self._own().items()} if self._decay else {}
        training = self._network.training
        if self._decay:
            self._network.load_state_dict(self._tensors)
        self._network.eval()
        try:
            yield self._network
        finally:
            self._network.train(training)
            if before:
                self._network.load_state_dict(before)
