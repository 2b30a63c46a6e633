"""`livecassi doctor`: what works on this machine and what is missing."""

import json
from typing import Annotated

import typer

MARKS = {"ok": "✓", "warning": "!", "missing": "-"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check cameras, producers, GPU, runtimes and versions; say how to get what is missing."""
    from livecassi.app.doctor import diagnose

    checks = diagnose()
    if as_json:
        typer.echo(json.dumps([check.model_dump(mode="json") for check in checks], indent=2))
        return
    for check in checks:
        typer.echo(f"{MARKS[check.status]} {check.topic:<22} {check.found}")
        if check.advice:
            typer.echo(f"  {'':<22} {check.advice}")
