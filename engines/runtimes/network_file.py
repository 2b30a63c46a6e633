"""An exported network as every runtime takes it: the bytes of an ONNX file, their hash, and the tensors declared."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from livecassi.engines.errors import NetworkFileError
from livecassi.engines.runtimes.contract import TensorSpec
from livecassi.engines.runtimes.onnx_tensors import declared_tensors


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """`title` names it in messages; all weights are in `content`, none in files beside it."""

    title: str
    content: bytes
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def read_network(network: Path | bytes) -> NetworkFile:
    """An ONNX file, or its bytes. Raises `NetworkFileError`."""
    title = "the network" if isinstance(network, bytes) else str(network)
    try:
        content = network if isinstance(network, bytes) else network.read_bytes()
    except OSError as error:
        raise NetworkFileError(
            f"{title} cannot be read ({error.strerror or error}); export the network again"
        ) from error
    return NetworkFile(title, content, hashlib.sha256(content).hexdigest(), *declared_tensors(content, title))
