"""`livecassi benchmark calibration`: how near the calibration procedure comes to the truth of the simulated bench."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from livecassi.app.calibration_benchmark import Report


def calibration(
    size: Annotated[str, typer.Option(help="The simulated scene in px, e.g. 256 or 192x224.")] = "256",
    data: Annotated[
        Path | None, typer.Option(help="Folder with masks/ that holds the two captures of the TSA mask.")
    ] = None,
    full: Annotated[bool, typer.Option(help="Also time the fit of frames of 660 x 660.")] = True,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Calibrate the simulated bench by the whole procedure and compare with what it knows; exit code 1 on a miss."""
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console

    from livecassi.app.calibration_benchmark import FULL_PX, run_benchmark
    from livecassi.app.commands.source_options import parse_size
    from livecassi.app.outputs import check_output, write_whole
    from livecassi.app.progress import doing

    if json is not None:
        check_output(json, ".json")
    scene = parse_size(size)
    masks = data / "masks" if data is not None else None
    with doing() as watch:
        report = run_benchmark(
            scene.height,
            scene.width,
            masks=masks,
            full_size=FULL_PX if full else None,
            told=watch.say,
        )
    console = Console()
    console.print(_table(report))
    if json is not None:
        rows = [{**asdict(figure), "met": figure.met} for figure in report.figures]
        write_whole(json, dumps({"size": report.size, "figures": rows}, indent=2))
    if any(figure.met is False for figure in report.figures):
        raise typer.Exit(1)


def _table(report: "Report") -> "Table":
    from rich.table import Table

    table = Table(title=f"Calibration of the simulated bench, scenes of {report.size[0]} x {report.size[1]}")
    table.add_column("figure")
    for heading in ("found", "wanted at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("more", style="dim")
    for figure in report.figures:
        wanted = "-" if figure.limit is None else f"{figure.limit:g} {figure.unit}"
        verdict = {None: "", True: "met", False: "[bold red]missed[/]"}[figure.met]
        table.add_row(figure.name, f"{figure.value:.3g} {figure.unit}", wanted, verdict, figure.note)
    return table
