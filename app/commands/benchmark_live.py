"""`livecassi benchmark live`: frames per second from the camera's frame to the picture, and how good the cubes are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from livecassi.app.live_benchmark import LiveFigures

SYSTEMS = ("sd-cassi", "dd-cassi")


def live(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with scenes/cave and masks of the scoring protocol; a synthetic scene without it."),
    ] = None,
    system: Annotated[str, typer.Option(help="sd-cassi, dd-cassi, or both.")] = "both",
    engines: Annotated[str, typer.Option(help="Engines, separated by commas.")] = "gap-tv,live",
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each scene is gone through.")] = 3,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Time engines on moving scenes: a camera's frame in, colour picture and four spectra out."""
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console

    from livecassi.app.engine_choice import why_not
    from livecassi.app.engine_list import engine_specs
    from livecassi.app.live_benchmark import live_figures
    from livecassi.app.outputs import check_output, write_whole
    from livecassi.app.scoring_material import gather_material
    from livecassi.calibration import System
    from livecassi.engines.protocol import protocol_calibration
    from livecassi.engines.registry import find_spec

    if system not in ("both", *SYSTEMS):
        raise typer.BadParameter(f"system '{system}': expected both, {' or '.join(SYSTEMS)}")
    if json is not None:
        check_output(json, ".json")
    specs = engine_specs()
    wanted = list(dict.fromkeys(find_spec(specs, word.strip()).name for word in engines.split(",") if word.strip()))
    if not wanted:
        raise typer.BadParameter(f"engines '{engines}': expected at least one of {', '.join(specs)}")
    material, console = gather_material(data), Console()
    found: list[LiveFigures] = []
    for name in SYSTEMS if system == "both" else (system,):
        one = System(name)
        bench = protocol_calibration(one, material.masks[one])
        reasons = {engine: why_not(specs[engine], bench) for engine in wanted}
        for engine, reason in reasons.items():
            if reason:
                console.print(f"{engine} does not serve {name} here: {reason}", highlight=False)
        served = [engine for engine, reason in reasons.items() if not reason]
        with console.status(name):
            found += live_figures(material, specs, served, one, rounds)
    console.print(f"Data: {material.source}; moving, 10,000 electrons at the brightest pixel, 12 bit")
    for engine, runtime in {row.engine: row.runtime for row in found}.items():
        console.print(f"{engine}: {runtime}", highlight=False)
    console.print(_table(found))
    if json is not None:
        write_whole(json, dumps([{**asdict(row), "frames_per_s": row.frames_per_s} for row in found], indent=2))


def _table(found: "list[LiveFigures]") -> "Table":
    from rich.table import Table

    table = Table(title="From frame to picture and spectra: medians in ms")
    for heading in ("system", "engine", "correct", "reconstruct", "picture", "frames/s", "PSNR dB"):
        table.add_column(heading, justify="left" if heading in ("system", "engine") else "right")
    for row in found:
        times = (row.correct_ms, row.reconstruct_ms, row.picture_ms)
        numbers = [*(f"{value:.1f}" for value in times), f"{row.frames_per_s:.1f}", f"{row.psnr_db:.2f}"]
        table.add_row(row.system, row.engine, *numbers)
    return table
