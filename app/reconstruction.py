"""Offline reconstruction: every frame of an input, in order, into one file of cubes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from livecassi.app.contact_sheet import save_preview
from livecassi.app.cube_file import CUBE_ENDINGS, write_cubes
from livecassi.app.engine_list import engine_specs
from livecassi.app.opening import calibration_for, open_sequence
from livecassi.app.outputs import check_output
from livecassi.app.progress import progress
from livecassi.calibration import Calibration, Corrector
from livecassi.drivers import SourceNotFoundError
from livecassi.engines import Cube, Engine, build_engine


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

    frames: int
    first_index: int
    cube_shape: tuple[int, int, int]
    seconds_per_frame: float
    pedestal: float


def run(job: Job, out: Path, preview: Path | None = None) -> Summary:
    """Reconstruct `job` into the file `out`, each frame for itself.

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
    cubes: list[Cube] = []
    with (
        build_engine(engine_specs(), job.engine, calibration, job.options) as engine,
        progress(f"reconstructing with {job.engine}", len(positions)) as report,
    ):
        started = monotonic()

        def reconstructed() -> Iterator[Cube]:
            for done, position in enumerate(positions, 1):
                engine.reset()
                cube = engine.reconstruct(corrector.correct(sequence.frame(position)))
                if not cubes:
                    cubes.append(cube)
                yield cube
                report(done)

        write_cubes(out, reconstructed(), attributes=_attributes(job, engine, calibration, pedestal))
    if preview is not None:
        save_preview(preview, cubes[0])
    return Summary(
        frames=len(positions),
        first_index=cubes[0].frame_index,
        cube_shape=calibration.cube_shape,
        seconds_per_frame=(monotonic() - started) / len(positions),
        pedestal=pedestal,
    )


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
