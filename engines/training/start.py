"""Weights to begin a training with instead of random ones."""

from pathlib import Path

from torch.nn import Module

from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.training.task import Task
from livecassi.engines.weights import load_state
from livecassi.engines.weights.fit import check_fit


def load_start(network: Module, path: Path, task: Task) -> None:
    """Give a network the weights of a file.

    Raises `WeightsError` for a file that cannot be read or does not hold its tensors, `EngineMismatchError` for the
    weights of another network. Those of another system may be begun with.
    """
    card, state = load_state(path)
    if card.network != task.name:
        raise EngineMismatchError(
            f"the weights {path} are those of network '{card.network}', expected '{task.name}'; choose others as start"
        )
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    check_fit(found, own, task.name, card.bands, path, {})
    network.load_state_dict(state)
