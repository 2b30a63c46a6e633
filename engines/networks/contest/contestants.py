"""A candidate made ready for its task: what is prepared and kept of it, and its passes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineError, RuntimeUnavailableError
from livecassi.engines.networks.contest.candidates import Candidate, Way
from livecassi.engines.networks.contest.tasks import Task
from livecassi.engines.networks.loading import require_torch
from livecassi.engines.networks.prepared import NETWORK, ON_NVIDIA, PreparedNetwork, Target
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_entry import META, Meta
from livecassi.engines.runtimes.choosing import TITLES
from livecassi.engines.runtimes.contract import AnyArray, HostRuntime, NetworkRuntime, RuntimeName
from livecassi.engines.runtimes.offers import Place
from livecassi.engines.runtimes.onnx_runtime import OnnxRuntime, Provider
from livecassi.engines.runtimes.preparation import Progress
from livecassi.engines.runtimes.subprocess_preparation import export_in_child

Array32 = NDArray[np.float32]


class Contestant(Protocol):
    """One way to execute a network, ready for passes over the input of its task. Used from one thread."""

    @property
    def describes(self) -> str:
        """In words: program, device, precision."""
        ...

    def run(self) -> None:
        """One pass, done when it returns. On a GPU the result stays there. Raises `EngineError`."""
        ...

    def result(self) -> Array32:
        """What a pass gives, an array of its own in main memory, without the first axis."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


class Workshop:
    """Makes the candidates of tasks ready; what is prepared of them is kept in `kept`. `threads` of the CPU."""

    def __init__(self, kept: ArtefactCache, threads: int) -> None:
        self._kept, self._threads = kept, threads

    @property
    def folder(self) -> Path:
        """Where prepared networks are kept."""
        return self._kept.folder

    @property
    def threads(self) -> int:
        """Threads of the CPU that candidates compute on."""
        return self._threads

    def prepare(self, task: Task, candidate: Candidate, progress: Progress) -> None:
        """Make all that is kept of a candidate. Raises as `PreparedNetwork.prepare` and `open`."""
        if candidate.way is not Way.EXPORTED:
            return
        if _on_cuda_by_onnxruntime(candidate):
            self._exported(task, candidate, progress)
            return
        self._network(task, candidate).prepare(progress)
        if candidate.runtime is RuntimeName.ONNXRUNTIME:
            self.open(task, candidate).close()  # its optimised graph is made when it is first opened

    def open(self, task: Task, candidate: Candidate) -> Contestant:
        """A candidate ready for its first pass. Raises `EngineError` and its kinds."""
        if candidate.way is not Way.EXPORTED:
            require_torch(candidate.network)
            from livecassi.engines.networks.contest.in_torch import in_torch

            return in_torch(task, candidate)
        if _on_cuda_by_onnxruntime(candidate):
            found = self._kept.find(self._fields(task, candidate))
            if found is None:
                raise EngineError(f"{candidate.title} was not prepared; prepare it first")
            runtime: NetworkRuntime = OnnxRuntime(
                found.folder / NETWORK, candidate.precision, self._threads, Provider.CUDA
            )
            runtime.activate()
        else:
            runtime = self._network(task, candidate).runtime()
        if runtime.precision is not candidate.precision:
            runtime.deactivate()
            raise RuntimeUnavailableError(
                f"{TITLES[candidate.runtime]} computes in {runtime.precision} here: this {candidate.place} does not "
                f"multiply {candidate.precision}"
            )
        return OnRuntime(runtime, task.inputs, in_place=candidate.place is Place.CPU)

    def made(self) -> dict[str, tuple[str, float]]:
        """What was made so far, by key: of which kind it is, and the seconds that it took."""
        found = {}
        for path in self._kept.folder.glob(f"*/{META}"):
            meta = Meta.model_validate_json(path.read_bytes())
            found[path.parent.name] = str(meta.fields["kind"]), meta.seconds
        return found

    def _network(self, task: Task, candidate: Candidate) -> PreparedNetwork:
        target = Target(candidate.runtime, candidate.precision, self._threads)
        request = replace(task.request, precision=target.exported)
        return PreparedNetwork(request, task.weights_id, target, self._kept)

    def _exported(self, task: Task, candidate: Candidate, progress: Progress) -> None:
        """The network alone: what ONNX Runtime makes of it for a GPU cannot be kept."""
        request = replace(task.request, precision=candidate.precision)
        self._kept.make(
            self._fields(task, candidate), lambda folder: export_in_child(request, folder / NETWORK, progress), progress
        )

    def _fields(self, task: Task, candidate: Candidate) -> dict[str, str | int | float]:
        return {
            "kind": "exported network",
            "for": candidate.title,
            "network": candidate.network,
            "weights": task.weights_id,
            "size": f"{task.size[0]} x {task.size[1]}",
        }


class OnRuntime:
    """An activated runtime and the inputs of a task, written to its own buffers where they lie in main memory."""

    def __init__(self, runtime: NetworkRuntime, inputs: Mapping[str, AnyArray], *, in_place: bool) -> None:
        self._runtime = runtime
        self._inputs = _written(cast(HostRuntime, runtime), inputs) if in_place else inputs
        self._stays = () if runtime.name in ON_NVIDIA else None
        self.describes = runtime.describes

    def run(self) -> None:
        """See `Contestant`."""
        self._runtime.infer(self._inputs, self._stays)

    def result(self) -> Array32:
        """See `Contestant`."""
        (values,) = self._runtime.infer(self._inputs).values()
        copied: Array32 = values[0].copy()
        return copied

    def close(self) -> None:
        """See `Contestant`."""
        self._inputs = {}
        self._runtime.deactivate()


def _written(runtime: HostRuntime, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    buffers = {name: runtime.buffer(name) for name in inputs}
    for name, values in inputs.items():
        np.copyto(buffers[name], values)
    return buffers


def _on_cuda_by_onnxruntime(candidate: Candidate) -> bool:
    return candidate.runtime is RuntimeName.ONNXRUNTIME and candidate.place is Place.CUDA
