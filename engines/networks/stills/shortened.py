"""Layers that compute what was published in fewer products, and networks that do not, to count and to compare."""

from copy import deepcopy
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Shortened(nn.Module):
    """A layer that computes what was published with other products: linear maps in a row as one, heads padded.

    `literal`: product by product as published, which is how it is counted. The results are the same but for rounding.
    """

    literal = False


def as_published(network: Network) -> Network:
    """A copy of a network which computes every product as published."""
    copy = deepcopy(network)
    for layer in copy.modules():
        if isinstance(layer, Shortened):
            layer.literal = True
    return copy
