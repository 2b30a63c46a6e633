"""Networks: by name, with the weights that belong to them. Importing this does not import torch."""

from livecassi.engines.networks.importing import Imported, import_checkpoint
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.registry import NetworkSpec, find_network, network_specs

__all__ = ["Imported", "NetworkSpec", "find_network", "import_checkpoint", "load_network", "network_specs"]
