"""A recording of the simulated bench in simulated time, with its truth."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from livecassi.app.cube_file import write_cubes
from livecassi.app.opening import USUAL_RATE_HZ, SourceRequest
from livecassi.app.progress import progress
from livecassi.app.prototype import Prototype, open_prototype
from livecassi.app.recording import Recorder, RecorderStats, RecordingError, RecordingOptions
from livecassi.drivers import SourceSettings
from livecassi.drivers.clock import ManualClock
from livecassi.engines import Cube, Quantity


def record_simulation(request: SourceRequest, out: Path, *, frames: int, truth: Path | None = None) -> RecorderStats:
    """Record `frames` frames of the bench of `request` into the new folder `out`, none dropped.

    The true cubes of exactly those frames go to `truth`. Raises `RecordingError`.
    """
    prototype = open_prototype(
        request.system,
        request.height,
        request.width,
        seed=request.seed,
        bands=request.bands,
        frame_rate_hz=request.frame_rate_hz or USUAL_RATE_HZ,
        clock=ManualClock(),
    )
    source = prototype.source
    settings = source.configure(SourceSettings())
    recorder = Recorder(out, source.info, settings, prototype.calibration, None, RecordingOptions())
    writer = Thread(target=recorder.run, name="livecassi-writer")
    writer.start()
    indices: list[int] = []
    stop = Event()
    try:
        with progress("simulating", frames) as report:
            for frame in source.frames(stop):
                if not recorder.append(frame, block=True):
                    break
                indices.append(frame.index)
                report(len(indices))
                if len(indices) == frames:
                    break
    finally:
        recorder.finish()
        writer.join()
    if recorder.stats.error:
        raise RecordingError(recorder.stats.error)
    if truth is not None:
        write_cubes(truth, _truths(prototype, indices), attributes={"engine": "truth", "input": out.name})
    return recorder.stats


def _truths(prototype: Prototype, indices: list[int]) -> Iterator[Cube]:
    calibration = prototype.calibration
    for index in indices:
        yield Cube(
            prototype.truth(index),
            calibration.wavelengths_nm,
            calibration.id,
            "truth",
            frame_index=index,
            quantity=Quantity.REFLECTANCE,
        )
