"""`livecassi engines`: what can reconstruct here."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livecassi.engines import EngineSpec


def engines(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the engines: what each needs, what it costs, and whether it has weights."""
    from livecassi.app.engine_list import engine_specs

    specs = engine_specs().values()
    if as_json:
        typer.echo(json.dumps([_describe(spec) for spec in specs], indent=2))
        return
    for spec in specs:
        typer.echo(f"{spec.name}  {spec.title}")
        typer.echo(f"    needs    {spec.needs}")
        typer.echo(f"    cost     {spec.cost}")
        typer.echo(f"    weights  {spec.weights}")
        typer.echo(f"    systems  {', '.join(sorted(spec.systems))}")
        if runs_on := spec.runs_on():
            typer.echo(f"    runs on  {runs_on}")
        typer.echo(f"    state    {_state(spec)}")
        for key, option in spec.options.items():
            typer.echo(f"    option   {key}={option.default}  {option.help}")


def _state(spec: "EngineSpec") -> str:
    if missing := spec.missing():
        return f"not here: {missing}"
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
