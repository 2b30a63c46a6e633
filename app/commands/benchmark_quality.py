"""`livecassi benchmark quality`: the scoreboard of all engines under the scoring protocol."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from livecassi.app.quality_figures import Report
    from livecassi.app.quality_sheets import Sheet
    from livecassi.calibration import System
    from livecassi.engines import EngineSpec


def quality(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with scenes/cave and masks of the scoring protocol; a synthetic scene without it."),
    ] = None,
    engines: Annotated[str | None, typer.Option(help="Engines by name, as in gap-tv,pg-svrt; default: all.")] = None,
    system: Annotated[str | None, typer.Option(help="sd-cassi or dd-cassi; default: both.")] = None,
    plain: Annotated[bool, typer.Option(help="Also score plain GAP-TV with 80 iterations, the yardstick.")] = True,
    moving: Annotated[bool, typer.Option(help="Also score moving scenes.")] = True,
    scenes: Annotated[bool, typer.Option("--scenes", help="Show every scene, not only the means.")] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables in Markdown.")] = False,
) -> None:
    """Score every engine that runs here on the same validation scenes, masks and noise, still and moving."""
    from livecassi.app.engine_list import engine_specs
    from livecassi.app.outputs import check_output, write_whole
    from livecassi.app.progress import progress
    from livecassi.app.quality_benchmark import YARDSTICK_ITERATIONS, protocol_contest, run_contest
    from livecassi.app.quality_json import report_json
    from livecassi.app.scoring_material import gather_material
    from livecassi.app.weight_places import look_for_weights

    if json is not None:
        check_output(json, ".json", inputs=(data,))
    specs = _chosen(engine_specs(), engines)
    systems = _systems(system)
    contest = protocol_contest(
        gather_material(data),
        specs,
        systems,
        look_for_weights()[0],
        iterations=YARDSTICK_ITERATIONS if plain else 0,
        moving=moving,
    )
    with progress("scenes scored", contest.steps) as advance:
        report = run_contest(contest, advance)
    _refuse_nothing(report)
    if markdown:
        options = (("--engines", engines), ("--system", system))
        switches = (("--no-plain", not plain), ("--no-moving", not moving), ("--scenes", scenes))
        given = ["--data FOLDER"] if data is not None else []
        given += [f"{name} {value}" for name, value in options if value is not None]
        given += [name for name, on in switches if on]
        for line in _markdown(report, " ".join(["livecassi benchmark quality", *given, "--markdown"]), scenes=scenes):
            typer.echo(line)
    else:
        _print(report, scenes=scenes)
    if json is not None:
        write_whole(json, report_json(report))


def _chosen(specs: "Mapping[str, EngineSpec]", text: str | None) -> "dict[str, EngineSpec]":
    """The engines named in `text`, or all. Raises `EngineUnavailableError`."""
    from livecassi.engines.registry import find_spec

    if text is None:
        return dict(specs)
    return {name: find_spec(specs, name) for name in dict.fromkeys(word.strip() for word in text.split(","))}


def _systems(text: str | None) -> "tuple[System, ...]":
    from livecassi.calibration import System

    known = (System.SD_CASSI, System.DD_CASSI)
    if text is None:
        return known
    if text not in known:
        raise typer.BadParameter(f"system '{text}': the scoring protocol knows {' and '.join(known)}")
    return (System(text),)


def _refuse_nothing(report: "Report") -> None:
    """Raises `EngineUnavailableError` where nothing could be scored."""
    from livecassi.engines.errors import EngineUnavailableError

    if not report.rows:
        reasons = "; ".join(f"{out.engine} for {out.system}: {out.reason}" for out in report.left_out)
        raise EngineUnavailableError(f"none of the engines could be scored ({reasons}); choose others with --engines")


def _heading(report: "Report") -> str:
    load = (
        f", load {report.load_before:.2f} before and {report.load_after:.2f} after"
        if report.load_before is not None and report.load_after is not None
        else ""
    )
    return f"{report.cores} CPU core(s){load}; scenes: {', '.join(report.scenes)}"


def _print(report: "Report", *, scenes: bool) -> None:
    from rich.console import Console

    from livecassi.app.quality_remarks import remarks
    from livecassi.app.quality_sheets import sheets

    console = Console()
    console.print(f"Data: {report.source}", highlight=False, markup=False)
    console.print(_heading(report), highlight=False, markup=False)
    for row in report.rows:
        options = ", ".join(f"{key}={value}" for key, value in row.options)
        console.print(f"{row.system}: {row.engine} on {row.runtime} ({options})", highlight=False, markup=False)
    for sheet in sheets(report, scenes=scenes):
        console.print()
        console.print(_table(sheet))
    for remark in remarks(report):
        console.print(f"- {remark}", highlight=False, markup=False)


def _table(sheet: "Sheet") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=sheet.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in sheet.words:
        table.add_column(heading, overflow="fold")
    for heading in sheet.numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    for place, row in enumerate(sheet.rows):
        table.add_row(*map(escape, row), style="bold" if place in sheet.strong else None)
    return table


def _markdown(report: "Report", command: str, *, scenes: bool) -> Iterator[str]:
    """Lines to paste into a document, the command first."""
    from livecassi.app.quality_remarks import remarks
    from livecassi.app.quality_sheets import sheets

    yield f"`{command}`, {_heading(report)}:"
    for sheet in sheets(report, scenes=scenes):
        yield f"\n**{sheet.title}**\n"
        yield _line((*sheet.words, *sheet.numbers))
        yield _line((*("---" for _ in sheet.words), *("---:" for _ in sheet.numbers)))
        for place, row in enumerate(sheet.rows):
            yield _line(tuple(f"**{cell}**" for cell in row) if place in sheet.strong else row)
    yield ""
    for remark in remarks(report):
        yield f"- {remark}"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
