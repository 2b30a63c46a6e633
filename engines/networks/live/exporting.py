"""The live network for export: `features (1, F, H, W)` to `corrections (1, R, H, W)`, both float32."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.live.curves import CURVES
from livecassi.engines.networks.live.onnx_graph import live_onnx
from livecassi.engines.networks.live.spec import misfit
from livecassi.engines.weights import load_arrays

if TYPE_CHECKING:
    import onnx

    from livecassi.engines.exporting.registry import ExportRequest

Array32 = NDArray[np.float32]


def exported_live(request: "ExportRequest") -> "onnx.ModelProto":
    """The graph with the weights of a request. Raises `WeightsError`, or `EngineMismatchError` for another bench."""
    card, tensors = load_arrays(request.weights)
    if request.calibration is not None and (reason := misfit(card, request.weights, request.calibration)):
        raise EngineMismatchError(reason)
    network = {name: values for name, values in tensors.items() if name not in CURVES}
    features = network["feature_scale"].size if "feature_scale" in network else 1  # the graph tells what is missing
    return live_onnx(network, (features, request.height, request.width))


def live_in_torch(request: "ExportRequest") -> Callable[[Mapping[str, Array32]], Array32]:
    """What the exported network must equal, in torch: from its inputs by name to its output."""
    import torch

    from livecassi.engines.networks.live.network import load_live

    network = load_live(request.weights)

    @torch.inference_mode()
    def run(inputs: Mapping[str, Array32]) -> Array32:
        corrections: Array32 = network(torch.from_numpy(inputs["features"])).numpy()
        return corrections

    return run
