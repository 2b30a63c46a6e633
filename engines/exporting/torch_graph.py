"""What a torch network does with its inputs as an ONNX graph, by torch's own exporter.

Its graph computes with shapes and slices weights in every pass; what depends on no input is folded away here.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from livecassi.engines.errors import DeviceMemoryError, PreparationError

if TYPE_CHECKING:
    import onnx
    import onnx_ir

OPSET = 18  # what torch's exporter writes by itself; later ones are converted to
EVERYTHING = 1 << 40  # bytes of a constant that may be folded
_COMPILED = "TORCHINDUCTOR_CACHE_DIR"


class _Run(nn.Module):
    """A function of tensors as a module, which is what can be exported."""

    def __init__(self, network: nn.Module, run: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network, self.run = network, run

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(*inputs)


def graph_of(
    network: nn.Module, run: Callable[..., Tensor], inputs: Mapping[str, Sequence[int]], output: str, name: str
) -> "onnx.ModelProto":
    """The graph of `run(*inputs)`, whose `inputs` are float32 of these shapes and whose result is called `output`.

    `run` calls `network`. Takes a minute for a network of thousands of operators. Raises `PreparationError` where torch
    cannot export what it does.
    """
    import onnx_ir

    with _quietly(), _no_remains(), torch.no_grad():
        try:
            program = torch.onnx.export(
                _Run(network, run).eval(),
                tuple(torch.rand(*shape) for shape in inputs.values()),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=[output],
                external_data=False,
                optimize=False,  # its rewriting takes minutes and changes little
                verbose=False,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            words = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if "allocate memory" in words:
                raise DeviceMemoryError(
                    f"the memory of this machine does not hold '{name}' while it is exported"
                ) from error
            raise PreparationError(
                f"torch cannot export '{name}': {words}; write the network with other operators"
            ) from error
        assert program is not None
        _fold(program.model)
    model = onnx_ir.to_proto(program.model)
    model.graph.name = name
    return model


def _fold(model: "onnx_ir.Model") -> None:
    """Compute what depends on no input, once; keep equal things once."""
    from onnx_ir.passes import common
    from onnxscript import optimizer

    optimizer.fold_constants(model, input_size_limit=EVERYTHING, output_size_limit=EVERYTHING)
    for tidy in (
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.DeduplicateInitializersPass(),
        common.CommonSubexpressionEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.ClearMetadataAndDocStringPass(),
    ):
        tidy(model)


@contextmanager
def _no_remains() -> Iterator[None]:
    """torch makes a folder for compiled code among the temporary files and leaves it there, empty after an export."""
    if _COMPILED in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="livecassi-") as temporary:
        os.environ[_COMPILED] = temporary
        try:
            yield
        finally:
            del os.environ[_COMPILED]


@contextmanager
def _quietly() -> Iterator[None]:
    """Neither warnings nor remarks of the exporter, which are about its own future."""
    talkative = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in talkative]
    for logger in talkative:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(talkative, before, strict=True):
            logger.setLevel(level)
