"""The processes of one training: usually this one; under torchrun several, each with a device of its own."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

import torch
from torch import distributed
from torch.nn import Module
from torch.nn.parallel import DistributedDataParallel

from livecassi.engines.errors import TrainingError
from livecassi.engines.networks.runner import choose_device

PATIENCE = timedelta(hours=2)  # for the others, while the first one validates and writes


class Decision(IntEnum):
    """What becomes of a run after a step; the largest of all processes counts."""

    GO_ON = 0
    STOP = 1
    DIVERGED = 2


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among `count`, and the device that it trains on. `control` carries what they agree on."""

    device: torch.device
    rank: int = 0
    count: int = 1
    control: distributed.ProcessGroup | None = None

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and speaks."""
        return self.rank == 0

    def wrapped(self, network: Module) -> Module:
        """The network whose gradients are means over all processes."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network, [self.device] if self.device.type == "cuda" else None)

    def agree(self, decision: Decision) -> Decision:
        """The gravest decision of all processes. Each of them must ask at the same step."""
        if self.control is None:
            return decision
        asked = torch.tensor(int(decision))
        distributed.all_reduce(asked, distributed.ReduceOp.MAX, group=self.control)
        return Decision(int(asked))

    def mean(self, value: float) -> float:
        """The mean of a value over all processes."""
        if self.control is None:
            return value
        values = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(values, group=self.control)
        return float(values) / self.count

    def wait(self) -> None:
        """Until all processes are here."""
        if self.control is not None:
            distributed.barrier(group=self.control)


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that torchrun started (RANK, LOCAL_RANK and WORLD_SIZE in the environment), or this one alone.

    Raises `EngineUnavailableError` for a device that is not here, `TrainingError` for more processes than GPUs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = choose_device(device)
    if count == 1:
        yield Processes(chosen)
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if chosen.type == "cuda":
        if local >= torch.cuda.device_count():
            raise TrainingError(
                f"process {local} of this machine finds {torch.cuda.device_count()} GPU(s), expected one for each; "
                "start as many processes as there are GPUs: torchrun --nproc-per-node"
            )
        chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
    # Said once in every process, of weights whose memory is channels last; it costs a copy of a few numbers.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Processes(chosen, rank, count, distributed.new_group(backend="gloo", timeout=PATIENCE))
    finally:
        distributed.destroy_process_group()
