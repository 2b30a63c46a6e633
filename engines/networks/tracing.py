"""What a network asks where it computes one way by itself and another way as part of a graph."""

import torch


def exporting() -> bool:
    """Whether a graph is being made of what runs: for other runtimes, or by torch's own compiler."""
    return torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling()
