"""`livecassi engines`: what can reconstruct here."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from livecassi.engines import EngineSpec


def engines(
    name: Annotated[str | None, typer.Argument(help="An engine, to see all about it and its options.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all about every engine.")] = False,
) -> None:
    """List the engines and whether each is ready; with a name, what it needs, what it costs, and its options."""
    from livecassi.app.engine_list import engine_specs
    from livecassi.engines.registry import find_spec

    specs = engine_specs()
    chosen = list(specs.values()) if name is None else [find_spec(specs, name)]
    if as_json:
        typer.echo(json.dumps([_describe(spec) for spec in chosen], indent=2))
    elif name is None:
        _list(chosen)
    else:
        _tell(chosen[0])


def _list(specs: "Iterable[EngineSpec]") -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("engine", "state", "what it is"):
        table.add_column(heading, no_wrap=heading != "what it is")
    for spec in specs:
        table.add_row(spec.name, _state(spec), escape(spec.title))
    console = Console()
    console.print(table)
    console.print("livecassi engines NAME tells what one needs and costs, and its options.", highlight=False)


def _tell(spec: "EngineSpec") -> None:
    typer.echo(f"{spec.name}  {spec.title}")
    lines = {
        "needs": spec.needs,
        "cost": spec.cost,
        "weights": spec.weights,
        "systems": ", ".join(sorted(spec.systems)),
        "runs on": spec.runs_on(),
        "state": _state(spec),
        "": spec.missing(),
    }
    for what, words in lines.items():
        if words:
            typer.echo(f"    {what:<8} {words}")
    for key, option in spec.options.items():
        typer.echo(f"    option   {key}={option.default}  {option.help}")


def _state(spec: "EngineSpec") -> str:
    if spec.missing():
        return "not here"
    return "no weights" if spec.weights.startswith("missing") else "ready"


def _describe(spec: "EngineSpec") -> dict[str, object]:
    return {
        "name": spec.name,
        "title": spec.title,
        "systems": sorted(spec.systems),
        "needs": spec.needs,
        "cost": spec.cost,
        "weights": spec.weights,
        "runs_on": spec.runs_on(),
        "missing": spec.missing(),
        "options": {key: {"default": o.default, "help": o.help} for key, o in spec.options.items()},
    }
