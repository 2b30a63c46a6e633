"""`livecassi engines`: what can reconstruct here."""

import json
from typing import Annotated

import typer


def engines(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the engines: what each needs, what it costs, and whether it has weights."""
    from livecassi.app.engine_list import engine_specs

    rows = [
        {
            "name": spec.name,
            "title": spec.title,
            "systems": sorted(spec.systems),
            "needs": spec.needs,
            "cost": spec.cost,
            "weights": spec.weights,
            "missing": spec.missing(),
            "options": {key: {"default": o.default, "help": o.help} for key, o in spec.options.items()},
        }
        for spec in engine_specs().values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = f"not here: {row['missing']}" if row["missing"] else "ready"
        typer.echo(f"{row['name']}  {row['title']}")
        for label in ("needs", "cost", "weights"):
            typer.echo(f"    {label:<8} {row[label]}")
        typer.echo(f"    {'systems':<8} {', '.join(row['systems'])}")
        typer.echo(f"    {'state':<8} {state}")
        for key, option in row["options"].items():
            typer.echo(f"    option   {key}={option['default']}  {option['help']}")
