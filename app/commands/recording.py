"""`livecassi recording`: what lies inside a recording."""

from pathlib import Path
from typing import Annotated

import typer

recording_app = typer.Typer(name="recording", help="Look into recordings.", no_args_is_help=True)


@recording_app.callback()
def recording() -> None:
    """Look into recordings."""


@recording_app.command()
def info(
    folder: Annotated[Path, typer.Argument(help="The recording's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Frames that can be read, lost and dropped frames, gaps, calibration, duration."""
    from livecassi.app.recording import Recording

    with Recording(folder) as found:
        report = found.describe()
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
        return
    for key, value in report.model_dump(mode="json").items():
        typer.echo(f"{key:<22} {value}")
