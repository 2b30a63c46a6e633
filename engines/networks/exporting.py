"""Networks as ONNX graphs: `measurement (1, T, H, W')` to `cubes (1, T, C, H, W)`, both float32.

The mask of a calibration, and all that depends on the bench alone, is part of the graph. Without a calibration what
each band sees of the mask is a second input, `mask (C, H, W)`, and is prepared in every pass; bands then lie whole
steps apart.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from livecassi.engines.exporting.torch_graph import graph_of
from livecassi.engines.networks.inputs import check_shown, measured_columns
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.network import BenchNetwork
from livecassi.engines.networks.registry import find_network

if TYPE_CHECKING:
    import onnx

    from livecassi.engines.exporting.registry import ExportRequest

Array32 = NDArray[np.float32]


def network_onnx(request: "ExportRequest") -> "onnx.ModelProto":
    """The graph of a network with the request's weights, in fp32.

    Raises `EngineMismatchError` (weights or calibration for another system or bench), `WeightsError`, or
    `PreparationError`.
    """
    spec, network = find_network(request.network), _loaded(request)
    bands = spec.bands_for(request.system)
    if request.calibration is not None:
        wide = measured_columns(request.calibration, spec)
    else:
        wide = request.width + (spec.step_px * (bands - 1) if request.system.single_disperser else 0)
    inputs: dict[str, tuple[int, ...]] = {"measurement": (1, spec.frames, request.height, wide)}
    if request.calibration is None:
        inputs["mask"] = (bands, request.height, request.width)
    return graph_of(cast(nn.Module, network), _run(request, network), inputs, "cubes", request.network)


def network_in_torch(request: "ExportRequest") -> Callable[[Mapping[str, Array32]], Array32]:
    """What the exported network must equal, in torch: from its inputs by name to its output."""
    run = _run(request, _loaded(request))

    @torch.inference_mode()
    def reference(inputs: Mapping[str, Array32]) -> Array32:
        given = [torch.from_numpy(inputs[name]) for name in ("measurement", "mask") if name in inputs]
        cubes: Array32 = run(*given).numpy()
        return cubes

    return reference


def _loaded(request: "ExportRequest") -> BenchNetwork:
    return cast(BenchNetwork, load_network(request.network, request.weights, request.system))


def _run(request: "ExportRequest", network: BenchNetwork) -> Callable[..., Tensor]:
    """From the measurement, and the mask where no calibration brings it, to the cubes."""
    if request.calibration is None:
        return network.__call__
    check_shown(request.calibration, find_network(request.network))
    with torch.inference_mode():
        bench = network.for_bench(request.calibration)
    return lambda measurement: network(measurement, bench)
