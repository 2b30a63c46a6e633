"""What a training tells while it runs, and how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from livecassi.engines.training.throughput import Throughput


class Outcome(StrEnum):
    """Why a training returned: the recipe is done, or it was told to stop and can go on."""

    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. `loss` and `throughput` are those of the last line of the log, `scores` the last validation's."""

    step: int
    steps: int
    learning_rate: float
    seconds: float
    loss: float | None = None
    throughput: Throughput | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of a run: `progress` after every step, `remark` what a person should know."""

    progress: Callable[[Progress], None] = lambda _: None
    remark: Callable[[str], None] = lambda _: None


def leading(scores: Mapping[str, float]) -> float:
    """The score that tells better from worse, more is better: `psnr_db`, or else the first."""
    if not scores:
        return float("-inf")
    return scores.get("psnr_db", next(iter(scores.values())))
