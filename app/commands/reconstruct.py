"""`livecassi reconstruct`: from measured frames to a file of cubes."""

import math
from pathlib import Path
from typing import Annotated

import typer

from livecassi.app.commands.source_options import CalibrationOption, EngineOption, SettingOption, parse_options


def reconstruct(
    measured: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="A recording, or .mat .npy .png .tif of (H, W') or (N, H, W')."),
    ],
    out: Annotated[Path, typer.Option(help="The file of cubes to write (.h5).")],
    calibration: CalibrationOption = None,
    engine: EngineOption = "auto",
    option: SettingOption = None,
    frames: Annotated[str | None, typer.Option(help="A part of the sequence, START:STOP as in Python.")] = None,
    key: Annotated[str | None, typer.Option(help="Variable inside a .mat file.")] = None,
    bit_depth: Annotated[
        int | None, typer.Option(help="Bits of integer frames that are not a recording; default: deduced.")
    ] = None,
    pedestal: Annotated[
        str, typer.Option(help="Constant to subtract where no dark was recorded: auto, none, or a value of full scale.")
    ] = "auto",
    preview: Annotated[Path | None, typer.Option(help="Also write a contact sheet of bands and colour (.png).")] = None,
) -> None:
    """Reconstruct the hyperspectral cube behind each frame. Floating-point measurements are taken as they are."""
    from livecassi.app.reconstruction import Job, run

    job = Job(
        measured=measured,
        calibration=calibration,
        engine=engine,
        options=parse_options(option),
        frames=parse_range(frames),
        key=key,
        bit_depth=bit_depth,
        pedestal=parse_pedestal(pedestal),
    )
    summary = run(job, out, preview)
    typer.echo(
        f"{out}: {summary.frames} cube(s) of {summary.cube_shape[0]} bands, {summary.cube_shape[1]} x "
        f"{summary.cube_shape[2]} pixels by {summary.engine}, {summary.seconds_per_frame:.2f} s each"
    )
    if summary.adapted:
        typer.echo(f"{summary.engine} was adapted to this bench, an approximation: {summary.adapted}")
    if summary.pedestal:
        origin = "estimated and removed (no dark in the calibration)" if job.pedestal is None else "removed as asked"
        typer.echo(f"pedestal of {summary.pedestal:.4f} of full scale {origin}")
    if preview is not None:
        typer.echo(f"{preview}: contact sheet of frame {summary.first_index}")


def parse_range(text: str | None) -> slice:
    """`START:STOP` with either side optional. Raises `typer.BadParameter`."""
    if text is None:
        return slice(None)
    start, colon, stop = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return slice(int(start) if start else None, int(stop) if stop else None)
    except ValueError as error:
        raise typer.BadParameter(f"frames '{text}': expected START:STOP, e.g. 0:10") from error


def parse_pedestal(text: str) -> float | None:
    """`auto` (None), `none` (0) or a finite number of full scale. Raises `typer.BadParameter`."""
    if text in ("auto", "none"):
        return None if text == "auto" else 0.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise typer.BadParameter(f"pedestal '{text}': expected auto, none or a number, e.g. 0.01")
    return value
