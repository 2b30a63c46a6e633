"""Which ways of executing a network there are here: runtimes, precisions, and the baselines that they are held to."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.choosing import TITLES
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place

_ON_A_CPU = {  # what computes in fewer bits there is slower, or computes in fp32 all the same
    RuntimeName.TORCH: (Precision.FP32, Precision.BF16),
    RuntimeName.OPENVINO: (Precision.FP32, Precision.BF16),
    RuntimeName.ONNXRUNTIME: (Precision.FP32,),
}
WITH_LITERAL_READING = ("pg-svrt",)
WITH_GRAPH = ("pg-svrt",)  # its engine replays passes on CUDA as a graph


class Way(StrEnum):
    """How a pass is carried out."""

    EAGER = "eager"  # by torch, operation after operation
    GRAPH = "graph"  # by torch, replayed as a CUDA graph
    AUTHORS = "authors"  # by torch, the literal reading of the published code
    EXPORTED = "exported"  # by a runtime that executes the exported network


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to execute a network. `refused` says why it cannot be tried here, "" where it can."""

    network: str
    runtime: RuntimeName
    place: Place
    precision: Precision
    way: Way
    refused: str = ""

    @property
    def baseline(self) -> bool:
        """Whether the others are compared with it: torch eager in fp32."""
        return self.way is Way.EAGER and self.precision is Precision.FP32

    @property
    def title(self) -> str:
        """Such as "OpenVINO bf16"."""
        words = {
            Way.EAGER: "torch eager",
            Way.GRAPH: "torch graph",
            Way.AUTHORS: "authors' way",
            Way.EXPORTED: TITLES[self.runtime],
        }
        return f"{words[self.way]} {self.precision}"


def candidates(
    network: str,
    place: Place,
    offered: Sequence[Offer],
    runtimes: Collection[RuntimeName] | None = None,
    precisions: Collection[Precision] = tuple(Precision),
) -> list[Candidate]:
    """All candidates at a place, the baselines first, which are there whatever is chosen.

    `runtimes` None: those that the machine offers. One that was named and is nowhere offered is there with the reason.
    """
    return list(_candidates(network, place, offered, runtimes, precisions))


def _candidates(
    network: str,
    place: Place,
    offered: Sequence[Offer],
    runtimes: Collection[RuntimeName] | None,
    precisions: Collection[Precision],
) -> Iterator[Candidate]:
    here = {offer.runtime: offer for offer in offered if offer.place is place}
    torch = here.get(RuntimeName.TORCH)
    if torch is not None and torch.available:
        yield Candidate(network, RuntimeName.TORCH, place, Precision.FP32, Way.EAGER)
        if network in WITH_LITERAL_READING:
            yield Candidate(network, RuntimeName.TORCH, place, Precision.FP32, Way.AUTHORS)
    for runtime, offer in here.items():
        wanted = offer.available if runtimes is None else runtime in runtimes
        if not wanted:
            continue
        if not offer.available and any(other.available for other in offered if other.runtime is runtime):
            continue  # it is tried at the other place
        for precision in _precisions(runtime, place):
            if precision in precisions:
                refused = "" if offer.available else offer.reason
                yield from _ways(Candidate(network, runtime, place, precision, Way.EXPORTED, refused))


def _precisions(runtime: RuntimeName, place: Place) -> tuple[Precision, ...]:
    return _ON_A_CPU[runtime] if place is Place.CPU else tuple(Precision)


def _ways(found: Candidate) -> Iterator[Candidate]:
    """Torch runs its own network, everything else the exported one; the baseline is there already."""
    if found.runtime is not RuntimeName.TORCH:
        yield found
        return
    for way in (Way.EAGER, Way.GRAPH):
        one = Candidate(found.network, found.runtime, found.place, found.precision, way, found.refused)
        if (one.baseline and not one.refused) or (way is Way.GRAPH and not _as_graph(one)):
            continue
        yield one


def _as_graph(candidate: Candidate) -> bool:
    return candidate.place is Place.CUDA and candidate.network in WITH_GRAPH
