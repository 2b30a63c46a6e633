"""Offline reconstruction: every frame of an input, in order, into one file of cubes."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from livecassi.app.contact_sheet import save_preview
from livecassi.app.cube_file import CUBE_ENDINGS, write_cubes
from livecassi.app.engine_choice import build_chosen, prepare_engine
from livecassi.app.engine_list import engine_specs
from livecassi.app.opening import calibration_for, open_sequence
from livecassi.app.outputs import check_output
from livecassi.app.progress import doing, progress
from livecassi.app.wording import adaptation_words
from livecassi.calibration import Calibration, Corrector, Measurement
from livecassi.drivers import SourceNotFoundError
from livecassi.engines import Cube, Engine, EngineError


@dataclass(frozen=True, slots=True)
class Job:
    """What to reconstruct and how. `pedestal` None: estimate it; a number of full scale: subtract that."""

    measured: Path
    calibration: Path | None
    engine: str
    options: Mapping[str, str] = field(default_factory=dict)
    frames: slice = field(default_factory=lambda: slice(None))
    key: str | None = None
    bit_depth: int | None = None
    pedestal: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done."""

    engine: str
    frames: int
    first_index: int
    cube_shape: tuple[int, int, int]
    seconds_per_frame: float
    pedestal: float
    adapted: str  # how the network was adapted to bands that it was not made for, or ""


def run(job: Job, out: Path, preview: Path | None = None) -> Summary:
    """Reconstruct `job` into the file `out`: each frame for itself, or as a sequence where the engine looks at several.

    Raises a `LivecassiError`; then nothing is left under the name `out`.
    """
    inputs = (job.measured, job.calibration)
    check_output(out, *CUBE_ENDINGS, inputs=inputs)
    if preview is not None:
        check_output(preview, ".png", inputs=inputs)
    sequence = open_sequence(job.measured, job.key, job.bit_depth)
    calibration = calibration_for(sequence, job.measured, job.calibration)
    positions = range(len(sequence))[job.frames]
    if not positions:
        raise SourceNotFoundError(
            f"there are no frames in the range asked for, {job.measured} has {len(sequence)}; choose another range"
        )
    corrector = Corrector(calibration, job.pedestal)
    corrector.correct(sequence.frame(positions[0]))  # refuses what does not fit before an engine is built
    pedestal = corrector.pedestal or 0.0
    first: list[Cube] = []
    with doing() as watch:
        prepare_engine(engine_specs(), job.engine, calibration, job.options, watch)
    with (
        build_chosen(engine_specs(), job.engine, calibration, job.options) as engine,
        progress(f"reconstructing with {engine.info.name}", len(positions)) as report,
    ):
        started = monotonic()

        def reconstructed() -> Iterator[Cube]:
            measurements = (corrector.correct(sequence.frame(position)) for position in positions)
            for done, cube in enumerate(cubes_in_order(engine, measurements), 1):
                if not first:
                    first.append(cube)
                yield cube
                report(done)

        write_cubes(out, reconstructed(), attributes=_attributes(job, engine, calibration, pedestal))
    if preview is not None:
        save_preview(preview, first[0])
    return Summary(
        engine=engine.info.name,
        frames=len(positions),
        first_index=first[0].frame_index,
        cube_shape=calibration.cube_shape,
        seconds_per_frame=(monotonic() - started) / len(positions),
        pedestal=pedestal,
        adapted=adaptation_words(engine.info),
    )


def cubes_in_order(engine: Engine, measurements: Iterable[Measurement]) -> Iterator[Cube]:
    """The cube of every measurement, in order, each as soon as it is there.

    An engine that looks at one frame at a time is given each for itself; one with a window the whole sequence, gaps
    in the frame indices and all, and at the end what it owes is taken from it.
    Raises `EngineError` where a cube is missing, doubled or out of order.
    """
    waiting: deque[int] = deque()
    for measurement in measurements:
        if engine.info.window == 1:
            engine.reset()
        waiting.append(measurement.frame_index)
        cube = engine.reconstruct(measurement)
        if cube is not None:
            yield _due(engine, cube, waiting)
    for cube in engine.flush():
        yield _due(engine, cube, waiting)
    if waiting:
        raise EngineError(
            f"engine '{engine.info.name}' gave no cube for {len(waiting)} frames, the first is frame {waiting[0]}"
        )


def _due(engine: Engine, cube: Cube, waiting: deque[int]) -> Cube:
    if not waiting or cube.frame_index != waiting[0]:
        raise EngineError(
            f"engine '{engine.info.name}' gave the cube of frame {cube.frame_index}, "
            f"expected {f'that of frame {waiting[0]}' if waiting else 'no more'}"
        )
    waiting.popleft()
    return cube


def _attributes(job: Job, engine: Engine, calibration: Calibration, pedestal: float) -> dict[str, str | float]:
    return {
        "engine": engine.info.name,
        "engine_options": ", ".join(f"{key}={value}" for key, value in engine.info.options),
        "runtime": engine.info.runtime,
        "calibration_id": calibration.id,
        "calibration_name": calibration.header.name,
        "input": job.measured.name,
        "pedestal": pedestal,
    }
