"""Which runtime executes a network: the operator's, or the best of those that are offered, with the reason in words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from livecassi.engines.errors import RuntimeUnavailableError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place

AUTO: Literal["auto"] = "auto"
_ORDER = (  # the quickest first; ONNX Runtime on a GPU is taken only where it is asked for
    (RuntimeName.TENSORRT, Place.CUDA),
    (RuntimeName.TENSORRT_RTX, Place.CUDA),
    (RuntimeName.TORCH, Place.CUDA),
    (RuntimeName.OPENVINO, Place.CPU),
    (RuntimeName.ONNXRUNTIME, Place.CPU),
    (RuntimeName.TORCH, Place.CPU),
)
TITLES = {
    RuntimeName.TORCH: "torch",
    RuntimeName.OPENVINO: "OpenVINO",
    RuntimeName.ONNXRUNTIME: "ONNX Runtime",
    RuntimeName.TENSORRT: "TensorRT",
    RuntimeName.TENSORRT_RTX: "TensorRT-RTX",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A runtime, where it computes, and why it was taken: a sentence for the operator."""

    runtime: RuntimeName
    place: Place
    reason: str


def choose_runtime(
    wanted: RuntimeName | Literal["auto"], able: Collection[RuntimeName], offered: Sequence[Offer]
) -> Chosen:
    """The runtime for a network that `able` can execute, on this machine as `offered`; "auto" takes the quickest.

    Raises `RuntimeUnavailableError`: the network does not run on the wanted one, or what it needs is missing.
    """
    if wanted == AUTO:
        return _quickest(able, offered)
    if wanted not in able:
        raise RuntimeUnavailableError(
            f"this network does not run on {TITLES[wanted]}; choose one of: {', '.join(sorted(able)) or 'none'}"
        )
    of_it = sorted((offer for offer in offered if offer.runtime is wanted), key=lambda offer: offer.place is Place.CPU)
    for offer in of_it:
        if offer.available:
            return Chosen(wanted, offer.place, f"{TITLES[wanted]} on {_at(offer)}: it was asked for")
    raise RuntimeUnavailableError(_lacking(wanted, of_it))


def _quickest(able: Collection[RuntimeName], offered: Sequence[Offer]) -> Chosen:
    by_place = {(offer.runtime, offer.place): offer for offer in offered}
    passed: list[Offer] = []
    for runtime, place in _ORDER:
        offer = by_place.get((runtime, place))
        if offer is None or runtime not in able:
            continue
        if offer.available:
            return Chosen(runtime, place, f"{TITLES[runtime]} on {_at(offer)}: {_why(offer, passed)}")
        passed.append(offer)
    installs = {offer.runtime: offer.install for offer in passed if offer.install}  # the slower place is the easier one
    lacking = ", or ".join(dict.fromkeys(reversed(installs.values())))
    raise RuntimeUnavailableError(
        f"none of the runtimes of this network is available here ({', '.join(sorted(able)) or 'it has none'}); "
        f"install one: {lacking or 'see livecassi doctor'}"
    )


def _why(offer: Offer, passed: Sequence[Offer]) -> str:
    """Why this one: it is the quickest there, and what those lack that would be quicker, installed ones first."""
    best = "the quickest there" if offer.proven else f"the quickest there ({offer.reason})"
    others = [other for other in passed if other.version] or passed[:1]
    if not others:
        return best
    return f"{best}; {TITLES[others[0].runtime]} on {_at(others[0])} cannot be used: {others[0].reason.split(';')[0]}"


def _at(offer: Offer) -> str:
    return "the GPU" if offer.place is Place.CUDA else "the processor"


def _lacking(wanted: RuntimeName, of_it: Sequence[Offer]) -> str:
    reasons = "; ".join(f"on {_at(offer)}: {offer.reason}" for offer in of_it) or "it is not known here"
    absent = [offer for offer in of_it if not offer.version]
    advice = f"; install it with: {absent[-1].install}" if absent else "; choose another runtime"
    return f"{TITLES[wanted]} cannot be used here ({reasons}){advice}"
