"""NVIDIA's parser of ONNX, and what it does not understand in words."""

from livecassi.engines.errors import NetworkFileError, PreparationError
from livecassi.engines.runtimes.contract import TensorSpec
from livecassi.engines.runtimes.tensorrt.api import NUMPY_NAMES, Builder, Network, Parser, ParserError, Tensor, shape_of
from livecassi.engines.runtimes.tensorrt.flavour import Flavour
from livecassi.engines.runtimes.tensorrt.native_log import native_log

SHOWN = 3  # errors of the parser in a message; all are in the log


def parse(model: bytes, builder: Builder, flavour: Flavour) -> Network:
    """The network in the bytes of an ONNX file.

    Raises `NetworkFileError` for what is no ONNX, and `PreparationError` for what the parser does not know.
    """
    network = builder.create_network(flavour.network_flags)
    parser = flavour.api.OnnxParser(network, native_log(flavour.api).native)
    if not parser.parse(model):
        raise _refused(parser, flavour)
    if not network.num_outputs:
        raise NetworkFileError("the ONNX file holds no network; export it again")
    return network


def tensors_of(network: Network, flavour: Flavour) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs. Raises `PreparationError` for sizes that are not fixed."""
    inputs = (network.get_input(index) for index in range(network.num_inputs))
    outputs = (network.get_output(index) for index in range(network.num_outputs))
    return tuple(_spec(tensor, flavour) for tensor in inputs), tuple(_spec(tensor, flavour) for tensor in outputs)


def _spec(tensor: Tensor, flavour: Flavour) -> TensorSpec:
    shape, kind = shape_of(tensor.shape), tensor.dtype.name
    if kind not in NUMPY_NAMES or any(size < 1 for size in shape):
        raise PreparationError(
            f"'{tensor.name}' is {kind} {shape}; {flavour.name} is given networks of fixed sizes and plain types here: "
            "export it for one size"
        )
    return TensorSpec(tensor.name, shape, NUMPY_NAMES[kind])


def _refused(parser: Parser, flavour: Flavour) -> PreparationError | NetworkFileError:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    if all(error.node() < 0 for error in errors):
        said = "; ".join(error.desc() for error in errors[:SHOWN]) or "it gave no reason"
        return NetworkFileError(f"{flavour.name} cannot read the ONNX file ({said}); export the network again")
    more = f" and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
    return PreparationError(
        f"{flavour.name} {flavour.version} cannot run this network: "
        f"{'; '.join(map(_in_words, errors[:SHOWN]))}{more}; choose another runtime"
    )


def _in_words(error: ParserError) -> str:
    return f"node {error.node()} '{error.node_name()}' ({error.node_operator()}): {error.code().name}, {error.desc()}"
