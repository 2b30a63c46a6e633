"""Weights to begin a training with instead of random ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch.nn import Module

from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.training.task import Task
from livecassi.engines.weights import load_state
from livecassi.engines.weights.fit import check_fit


@runtime_checkable
class Composed(Protocol):
    """A task whose network holds others, which may have been trained before."""

    @property
    def parts(self) -> Mapping[str, str]:
        """What the names of a network's tensors begin with here, by the name of that network."""
        ...


def load_start(network: Module, path: Path, task: Task) -> None:
    """Give a network, or a part of it that a file is of, the weights of the file.

    Raises `WeightsError` for a file that cannot be read or does not hold its tensors, `EngineMismatchError` for the
    weights of another network. Those of another system may be begun with.
    """
    card, state = load_state(path)
    places = {task.name: "", **(task.parts if isinstance(task, Composed) else {})}
    if card.network not in places:
        expected = " or ".join(f"'{name}'" for name in places)
        raise EngineMismatchError(
            f"the weights {path} are those of network '{card.network}', expected {expected}; choose others as start"
        )
    place = places[card.network]
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(place)}
    wanted = {name.removeprefix(place): tuple(tensor.shape) for name, tensor in own.items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    check_fit(found, wanted, card.network, card.bands, path, {})
    network.load_state_dict({f"{place}{name}": tensor for name, tensor in state.items()}, strict=not place)
