"""The live network on this machine's CPU: its graph is written from its tensors, so that no torch is needed."""

import logging
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineUnavailableError
from livecassi.engines.networks.live.onnx_graph import live_onnx
from livecassi.engines.networks.live.spec import RUNTIMES, offers_here
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.choosing import choose_runtime
from livecassi.engines.runtimes.contract import HostRuntime, RuntimeName
from livecassi.engines.runtimes.onnx_runtime import OnnxRuntime
from livecassi.engines.runtimes.openvino_cpu import OpenVinoCpu

Array32 = NDArray[np.float32]

log = logging.getLogger(__name__)


class LiveGraph:
    """The network made ready for features of one shape; `run` gives the corrections `(R, H, W)`.

    `runtime` None takes the quickest that can be made ready. `precision` is fp32 or bf16, which is twice as fast where
    CPU and runtime multiply it, and fp32 where not. What a runtime made of the network is kept in `kept`.

    Raises `WeightsError` for tensors of another network, and `EngineUnavailableError`.
    """

    def __init__(
        self,
        tensors: Mapping[str, Array32],
        shape: tuple[int, int, int],
        precision: Precision,
        threads: int,
        runtime: RuntimeName | None = None,
        kept: ArtefactCache | None = None,
    ) -> None:
        content: bytes = live_onnx(tensors, shape).SerializeToString()
        self._runtime = _first_ready(content, precision, threads, runtime, kept)
        self.features: Array32 = self._runtime.buffer("features")[0]  # `(F, H, W)`, written before `run`

    @property
    def runtime(self) -> HostRuntime:
        """What executes it."""
        return self._runtime

    def run(self) -> Array32:
        """The corrections `(R, H, W)`; the array is overwritten by the next call."""
        result: Array32 = self._runtime.infer({"features": self._runtime.buffer("features")})["corrections"][0]
        return result

    def close(self) -> None:
        """Give the memory back."""
        self._runtime.deactivate()


def _first_ready(
    content: bytes, precision: Precision, threads: int, wanted: RuntimeName | None, kept: ArtefactCache | None
) -> HostRuntime:
    refused: EngineUnavailableError | None = None
    for name in _in_turn(wanted):
        try:
            runtime: HostRuntime = (
                OpenVinoCpu(content, precision, threads, kept)
                if name is RuntimeName.OPENVINO
                else OnnxRuntime(content, precision, threads, graphs=kept)
            )
            runtime.activate()
        except EngineUnavailableError as error:
            log.warning("the live network does not run on %s: %s", name, error)
            refused = refused or error
        else:
            return runtime
    assert refused is not None
    raise refused


def _in_turn(wanted: RuntimeName | None) -> Iterator[RuntimeName]:
    """The runtimes to try. Raises `RuntimeUnavailableError` where none is there."""
    here = offers_here()
    first = choose_runtime(wanted or "auto", RUNTIMES, here).runtime
    yield first
    if wanted is None:
        available = {offer.runtime for offer in here if offer.available}
        yield from (name for name in RUNTIMES if name in available and name is not first)
