"""`livecassi simulate`: a recording of the simulated bench with its truth, as fast as the machine can."""

from pathlib import Path
from typing import Annotated

import typer

from livecassi.app.commands.source_options import BandsOption, SeedOption, SizeOption, SystemOption, request_source


def simulate(
    out: Annotated[Path, typer.Option(help="A new folder for the recording.")],
    truth: Annotated[Path | None, typer.Option(help="Also write the true cubes to this file (.h5).")] = None,
    frames: Annotated[int, typer.Option(min=1, help="How many frames.")] = 30,
    system: SystemOption = "dd-cassi",
    size: SizeOption = "256",
    seed: SeedOption = 0,
    bands: BandsOption = None,
    rate: Annotated[float, typer.Option(help="Frames per second of the simulated time.")] = 30.0,
) -> None:
    """Simulate a bench with a moving scene and record what its camera sees; the same seed gives the same frames."""
    request = request_source(
        "prototype",
        calibration=None,
        system=system,
        size=size,
        seed=seed,
        bands=bands,
        rate=rate,
        producer=None,
        loop=False,
    )
    from livecassi.app.cube_file import CUBE_ENDINGS
    from livecassi.app.outputs import check_output
    from livecassi.app.simulation import record_simulation

    if truth is not None:
        check_output(truth, *CUBE_ENDINGS, inputs=(out,))
    stats = record_simulation(request, out, frames=frames, truth=truth)
    typer.echo(f"{out}: {stats.frames_written} frames, {stats.bytes_written / 1e6:.1f} MB")
    if truth is not None:
        typer.echo(f"{truth}: {frames} true cubes")
