"""A candidate in a process that does nothing else: how much memory it takes, and how soon its first result is there.

Started as `python -m livecassi.engines.networks.contest.fresh_process` with one line of JSON.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt

from livecassi.calibration import System
from livecassi.calibration.store import load_calibration, save_calibration
from livecassi.engines.exporting.registry import ExportRequest
from livecassi.engines.networks.contest.candidates import Candidate, Way
from livecassi.engines.networks.contest.contestants import Workshop
from livecassi.engines.networks.contest.steady import forget_peak, peak_bytes, resident_bytes
from livecassi.engines.networks.contest.tasks import Task
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Place
from livecassi.engines.runtimes.preparation import Progress
from livecassi.engines.runtimes.prepare_in_child import attend
from livecassi.engines.runtimes.subprocess_preparation import run_in_child

PROGRAM = ("-m", "livecassi.engines.networks.contest.fresh_process")
PASSES = 2  # what the first one freed may lie about in pieces that do not serve the second


class Fresh(BaseModel):
    """`start_s`: seconds from construction to the first result, the libraries loaded on the way.

    `before`, `peak`: bytes of main memory before construction and at most, None where the system does not tell.
    `device`: bytes of the GPU's memory that are taken after the passes and were not before; None on a CPU, and
    where torch is not there to tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float
    before: int | None
    peak: int | None
    device: int | None


class _Errand(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str
    runtime: RuntimeName
    place: Place
    precision: Precision
    way: Way
    weights: Path
    weights_id: str
    system: System
    height: PositiveInt
    width: PositiveInt
    frames: PositiveInt
    calibration: Path | None
    inputs: Path
    kept: Path
    threads: PositiveInt
    answer: Path


def measure_fresh(task: Task, candidate: Candidate, workshop: Workshop, progress: Progress) -> Fresh:
    """The figures of a prepared candidate. Raises as `Workshop.open`, and as `run_in_child`."""
    with tempfile.TemporaryDirectory(prefix="livecassi-") as temporary:
        folder, request = Path(temporary), task.request
        np.savez(folder / "inputs.npz", **task.inputs)  # type: ignore[arg-type]
        calibration = None
        if request.calibration is not None:
            calibration = folder / "calibration.h5"
            save_calibration(request.calibration, calibration)
        errand = _Errand(
            network=candidate.network,
            runtime=candidate.runtime,
            place=candidate.place,
            precision=candidate.precision,
            way=candidate.way,
            weights=request.weights.absolute(),
            weights_id=task.weights_id,
            system=request.system,
            height=request.height,
            width=request.width,
            frames=task.frames,
            calibration=calibration,
            inputs=folder / "inputs.npz",
            kept=workshop.folder,
            threads=workshop.threads,
            answer=folder / "answer.json",
        )
        run_in_child(errand.model_dump_json(), f"starting {candidate.title}", progress, program=PROGRAM)
        return Fresh.model_validate_json(errand.answer.read_bytes())


def _carry_out(line: str, _progress: Progress) -> None:
    errand = _Errand.model_validate_json(line)
    task, workshop = _task(errand), Workshop(ArtefactCache(errand.kept), errand.threads)
    candidate = Candidate(errand.network, errand.runtime, errand.place, errand.precision, errand.way)
    if errand.way is not Way.EXPORTED:
        _compute_on(errand.threads)
    device = _used_on_cuda() if errand.place is Place.CUDA else None
    forget_peak()
    before, clock = resident_bytes(), time.perf_counter()
    contestant = workshop.open(task, candidate)
    contestant.run()
    start_s = time.perf_counter() - clock
    for _ in range(PASSES - 1):
        contestant.run()
    taken = None if device is None else (_used_on_cuda() or device) - device
    found = Fresh(start_s=start_s, before=before, peak=peak_bytes(), device=taken)
    errand.answer.write_text(found.model_dump_json())


def _task(errand: _Errand) -> Task:
    calibration = None if errand.calibration is None else load_calibration(errand.calibration)
    request = ExportRequest(
        errand.network, errand.weights, errand.system, errand.height, errand.width, calibration=calibration
    )
    with np.load(errand.inputs) as arrays:
        inputs = {name: arrays[name] for name in arrays.files}
    return Task(request, errand.weights_id, inputs, errand.frames)


def _compute_on(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _used_on_cuda() -> int | None:
    """None without torch, which is who is asked."""
    try:
        from livecassi.engines.networks.contest.in_torch import used_on_cuda
    except ImportError:
        return None
    return used_on_cuda()


if __name__ == "__main__":
    attend(_carry_out)
