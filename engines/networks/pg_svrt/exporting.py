"""PG-SVRT as an ONNX graph: `measurement (1, 3, H, W')` to `cubes (1, 3, C, H, W)`, both float32.

The mask of a calibration, and all that depends on it alone, is part of the graph. Without a calibration what each band
sees of the mask is a second input, `mask (C, H, W)`, and is prepared in every pass.
"""

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from livecassi.calibration import Calibration
from livecassi.engines.exporting.recording import record
from livecassi.engines.networks.inputs import check_bench, network_mask
from livecassi.engines.networks.loading import load_network
from livecassi.engines.networks.pg_svrt.attention import FRAMES
from livecassi.engines.networks.pg_svrt.network import PGSVRT
from livecassi.engines.networks.pg_svrt.windows import as_graph
from livecassi.engines.networks.registry import find_network

if TYPE_CHECKING:
    import onnx

    from livecassi.engines.exporting.registry import ExportRequest

NAME = "pg-svrt"


def pg_svrt_onnx(request: "ExportRequest") -> "onnx.ModelProto":
    """The graph of the network with the request's weights, in fp32.

    Raises `EngineMismatchError` (weights or calibration for another system or bench), `WeightsError`, or
    `PreparationError`.
    """
    network = cast(PGSVRT, load_network(NAME, request.weights, request.system))
    wide = request.width + (network.largest_shift if network.system.single_disperser else 0)
    inputs: dict[str, tuple[int, ...]] = {"measurement": (1, FRAMES, request.height, wide)}
    with as_graph():
        if request.calibration is None:
            inputs["mask"] = (network.bands, request.height, request.width)
            return record(network, network.forward, inputs, "cubes", NAME)
        prepared = _prepared(network, request.calibration)
        return record(network, lambda measurement: network(measurement, prepared), inputs, "cubes", NAME)


def _prepared(network: PGSVRT, calibration: Calibration) -> object:
    check_bench(calibration, find_network(NAME))
    with torch.inference_mode():
        mask: Tensor = torch.from_numpy(network_mask(calibration).copy())
        return network.prepare(mask)
