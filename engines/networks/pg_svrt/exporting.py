"""PG-SVRT as an ONNX graph: `measurement (1, 3, H, W')` to `cubes (1, 3, C, H, W)`, both float32.

The mask of a calibration, and all that depends on it alone, is part of the graph. Without a calibration what each band
sees of the mask is a second input, `mask (C, H, W)`, and is prepared in every pass.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livecassi.calibration import Calibration
from livecassi.engines.exporting.torch_graph import graph_of
from livecassi.engines.networks.inputs import check_bench, network_mask
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.pg_svrt.attention import FRAMES
from livecassi.engines.networks.pg_svrt.network import PGSVRT
from livecassi.engines.networks.registry import find_network

if TYPE_CHECKING:
    import onnx

    from livecassi.engines.exporting.registry import ExportRequest

Array32 = NDArray[np.float32]

NAME = "pg-svrt"


def pg_svrt_onnx(request: "ExportRequest") -> "onnx.ModelProto":
    """The graph of the network with the request's weights, in fp32.

    Raises `EngineMismatchError` (weights or calibration for another system or bench), `WeightsError`, or
    `PreparationError`.
    """
    network = _network(request)
    wide = request.width + (network.largest_shift if network.system.single_disperser else 0)
    inputs: dict[str, tuple[int, ...]] = {"measurement": (1, FRAMES, request.height, wide)}
    if request.calibration is None:
        inputs["mask"] = (network.bands, request.height, request.width)
    run = _run(network, request.calibration)
    return graph_of(network, run, inputs, "cubes", NAME)


def pg_svrt_in_torch(request: "ExportRequest") -> Callable[[Mapping[str, Array32]], Array32]:
    """What the exported network must equal, in torch: from its inputs by name to its output."""
    run = _run(_network(request), request.calibration)

    @torch.inference_mode()
    def reference(inputs: Mapping[str, Array32]) -> Array32:
        given = [torch.from_numpy(inputs[name]) for name in ("measurement", "mask") if name in inputs]
        cubes: Array32 = run(*given).numpy()
        return cubes

    return reference


def _network(request: "ExportRequest") -> PGSVRT:
    return cast(PGSVRT, load_network(NAME, request.weights, request.system))


def _run(network: PGSVRT, calibration: Calibration | None) -> Callable[..., Tensor]:
    """From the measurement, and the mask where no calibration brings it, to the cubes."""
    if calibration is None:
        return network.forward
    check_bench(calibration, find_network(NAME))
    with torch.inference_mode():
        prepared = network.prepare(torch.from_numpy(network_mask(calibration).copy()))
    return lambda measurement: network.forward(measurement, prepared)
