"""`livecassi calibrate run` and `plan`: a whole calibration from the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecassi.app.commands.source_options import BandsOption, ProducerOption, SeedOption, SizeOption, request_source

if TYPE_CHECKING:
    from livecassi.app.calibrating.run import RunWatch
    from livecassi.app.calibrating.steps import CaptureStep
    from livecassi.calibration.checks import Check


def run_command(
    plan: Annotated[Path | None, typer.Option(help="The plan (.toml); 'livecassi calibrate plan' prints one.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="'prototype', 'camera' or 'camera:SERIAL'; none where the plan takes all from files."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The calibration file to write; default: a new active version.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Also write a report (.pdf).")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the draft in this folder, by its own plan or that of --plan.")
    ] = None,
    repeat: Annotated[
        list[str] | None,
        typer.Option(help="With --resume: take this capture anew, such as 'line 532 nm' or 'verify'; may be repeated."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: the bench is, or puts itself, as needed.")
    ] = False,
    anyway: Annotated[
        str, typer.Option(help="Go on where a check fails, for this reason, which is kept in the calibration.")
    ] = "",
    size: SizeOption = "256",
    seed: SeedOption = 0,
    bands: BandsOption = None,
    producer: ProducerOption = None,
) -> None:
    """Calibrate: take every capture of a plan, judge it, fit, verify and save.

    Whatever ends it early, what was captured is kept in a draft, and --resume goes on.
    """
    if plan is None and resume is None:
        raise typer.BadParameter("name a plan to begin with (--plan) or a draft to go on with (--resume)")
    if repeat and resume is None:
        raise typer.BadParameter("--repeat names captures of a draft: name the draft with --resume")
    from livecassi.app.calibrating.draft import new_draft_folder
    from livecassi.app.calibrating.draft_file import read_draft_file
    from livecassi.app.calibrating.plan_file import load_plan
    from livecassi.app.calibrating.rig_opening import open_rig
    from livecassi.app.calibrating.run import run_plan
    from livecassi.app.outputs import check_output

    if out is not None:
        check_output(out, ".h5", ".hdf5", inputs=(plan,))
    if report is not None:
        check_output(report, ".pdf", inputs=(plan,))
    given = load_plan(plan) if plan is not None else None
    chosen = read_draft_file(resume).plan if resume is not None else given
    assert chosen is not None
    folder = resume if resume is not None else new_draft_folder()
    request = None
    if source is not None:
        request = request_source(
            source,
            calibration=None,
            system=str(chosen.system),
            size=size,
            seed=seed,
            bands=bands,
            rate=None,
            producer=producer,
            loop=False,
        )
    typer.echo(f"draft: {folder}", err=True)
    opened = open_rig(request, chosen, _asking(yes)) if request is not None else nullcontext()
    with opened as rig, _watching(yes) as watch:
        fitted, path = run_plan(given, rig, folder, watch, out=out, anyway=anyway, repeat=repeat or ())
    if report is not None:
        from livecassi.app.calibration_report import save_report

        save_report(fitted.calibration, report)
    from livecassi.app.calibration_words import check_lines

    for line in check_lines(fitted.checks):
        typer.echo(line)
    typer.echo(f"{path}: {fitted.verdict}, id {fitted.calibration.id[:12]}")


def plan_command(
    system: Annotated[str, typer.Option(help="sd-cassi, dd-cassi, pmvis or ndssi.")] = "sd-cassi",
) -> None:
    """Print a plan with every key explained, to be changed and given to 'calibrate run'."""
    from livecassi.app.calibrating.plan_text import example_plan
    from livecassi.calibration import System

    if system not in tuple(System):
        raise typer.BadParameter(f"system '{system}': expected one of {', '.join(System)}")
    typer.echo(example_plan(System(system)), nl=False)


def _asking(yes: bool) -> Callable[[str], None]:
    def ask(instruction: str) -> None:
        typer.echo(f"\n{instruction}")
        if not yes:
            typer.prompt("Press Enter when it is done", default="", show_default=False)

    return ask


@contextmanager
def _watching(yes: bool) -> Iterator["RunWatch"]:
    """One line per capture and per step of the fit, on standard error."""
    from livecassi.app.calibrating.run import RunWatch
    from livecassi.app.calibration_words import check_lines
    from livecassi.calibration.checks import Verdict
    from livecassi.calibration.errors import CalibrationError
    from livecassi.calibration.fitting.settings import FitWatch

    def step(what: "CaptureStep", number: int, of: int) -> None:
        typer.echo(f"[{number}/{of}] {what.title}, {what.frames} frames", err=True)

    def judged(_step: "CaptureStep", checks: tuple["Check", ...]) -> None:
        for line in check_lines([check for check in checks if check.verdict is not Verdict.PASS]):
            typer.echo(line, err=True)

    def refused(error: CalibrationError) -> bool:
        typer.echo(f"livecassi: {error}", err=True)
        return not yes and typer.confirm("Try again?", default=True, err=True)

    yield RunWatch(
        step=step,
        judged=judged,
        fit=FitWatch(tell=lambda what, share: typer.echo(f"[fit {100 * share:3.0f} %] {what}", err=True)),
        disk_refused=refused,
    )
