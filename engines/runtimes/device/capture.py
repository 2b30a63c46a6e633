"""Work that is recorded once as a CUDA graph and replayed: thousands of small kernels are then launched as one."""

import logging
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from livecassi.engines.errors import EngineError
from livecassi.engines.runtimes.device.ops import DeviceOps, Stream

log = logging.getLogger(__name__)


@runtime_checkable
class CapturingOps(Protocol):
    """A `DeviceOps` that records work as a CUDA graph."""

    def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
        """What replays the work that `work` puts into the stream."""
        ...


def captured(ops: DeviceOps, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
    """What replays `work`, which must have been done once; `work` itself where it cannot be recorded: slower."""
    if not isinstance(ops, CapturingOps):
        return work
    try:
        return ops.capture(work, stream)
    except EngineError as error:
        log.warning("passes run without a CUDA graph: %s", error)
        return work
