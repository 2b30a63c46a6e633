"""`livecassi benchmark`: how good and how fast an engine is on this machine."""

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from livecassi.app.commands.benchmark_calibration import calibration
from livecassi.app.commands.benchmark_live import live
from livecassi.app.commands.benchmark_pg_svrt import pg_svrt
from livecassi.app.commands.benchmark_quality import quality
from livecassi.app.commands.benchmark_runtimes import runtimes
from livecassi.app.commands.benchmark_stills import stills

if TYPE_CHECKING:
    from rich.table import Table

    from livecassi.app.gap_tv_benchmark import Report

benchmark_app = typer.Typer(
    name="benchmark", help="Measure an engine on known scenes: quality and speed.", no_args_is_help=True
)


@benchmark_app.callback()
def benchmark() -> None:
    """Measure an engine on known scenes: quality and speed."""


benchmark_app.command("calibration")(calibration)
benchmark_app.command("live")(live)
benchmark_app.command("pg-svrt")(pg_svrt)
benchmark_app.command("quality")(quality)
benchmark_app.command("runtimes")(runtimes)
benchmark_app.command("stills")(stills)


@benchmark_app.command("gap-tv")
def gap_tv(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with scenes/cave and masks of the scoring protocol; a synthetic scene without it."),
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, max=2000, help="Iterations of a cold cube.")] = 80,
    plain: Annotated[bool, typer.Option(help="Also run the plain implementation (slow).")] = True,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Score gap-tv under the scoring protocol, cold and warm-started, next to a plain implementation."""
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console

    from livecassi.app.gap_tv_benchmark import run_benchmark
    from livecassi.app.outputs import check_output, write_whole
    from livecassi.app.scoring_material import gather_material

    if json is not None:
        check_output(json, ".json")
    material = gather_material(data)
    console = Console()
    with console.status(f"{len(material.scenes)} scene(s), two systems"):
        report = run_benchmark(material, iterations, plain)
    console.print(f"Data: {report.data}")
    console.print(f"gap-tv on {report.runtime}; ready {report.start_seconds:.1f} s after it was asked for")
    console.print(_stills_table(report, iterations))
    console.print(_moving_table(report))
    for line in _ratios(report):
        console.print(line)
    if json is not None:
        write_whole(json, dumps(asdict(report), indent=2))


def _stills_table(report: "Report", iterations: int) -> "Table":
    from rich.table import Table

    table = Table(title=f"Cold cubes, {iterations} iterations (definition of the scores: plain)")
    for heading in ("method", "system", "noise", "scene"):
        table.add_column(heading)
    for heading in ("PSNR dB", "SSIM", "SAM deg", "s per cube"):
        table.add_column(heading, justify="right")
    for method, system, noisy in dict.fromkeys((s.method, s.system, s.noisy) for s in report.stills):
        rows = [s for s in report.stills if (s.method, s.system, s.noisy) == (method, system, noisy)]
        lines = [(s.scene, s.psnr_db, s.ssim, s.sam_deg, s.seconds) for s in rows]
        lines.append(
            (
                "mean",
                fmean(s.psnr_db for s in rows),
                fmean(s.ssim for s in rows),
                fmean(s.sam_deg for s in rows),
                fmean(s.seconds for s in rows),
            )
        )
        for scene, psnr, ssim, sam, seconds in lines:
            figures = (f"{psnr:.2f}", f"{ssim:.4f}", f"{sam:.2f}", f"{seconds:.3f}")
            table.add_row(method, system, _noise(noisy), scene, *figures, style="bold" if scene == "mean" else None)
        table.add_section()
    return table


def _moving_table(report: "Report") -> "Table":
    from rich.table import Table

    table = Table(title="Moving scenes, each cube warm-started from the one before")
    for heading in ("system", "noise", "scene"):
        table.add_column(heading)
    for heading in ("cubes/s", "PSNR dB", "cold PSNR dB"):
        table.add_column(heading, justify="right")
    for system, noisy in dict.fromkeys((m.system, m.noisy) for m in report.moving):
        rows = [m for m in report.moving if (m.system, m.noisy) == (system, noisy)]
        lines = [(m.scene, m.cubes_per_s, m.psnr_db, m.cold_psnr_db) for m in rows]
        lines.append(
            (
                "mean",
                fmean(m.cubes_per_s for m in rows),
                fmean(m.psnr_db for m in rows),
                fmean(m.cold_psnr_db for m in rows),
            )
        )
        for scene, rate, warm, cold in lines:
            figures = (f"{rate:.1f}", f"{warm:.2f}", f"{cold:.2f}")
            table.add_row(system, _noise(noisy), scene, *figures, style="bold" if scene == "mean" else None)
        table.add_section()
    return table


def _ratios(report: "Report") -> list[str]:
    lines = []
    for system in dict.fromkeys(s.system for s in report.stills):
        ours = [s for s in report.stills if (s.method, s.system, s.noisy) == ("gap-tv", system, False)]
        theirs = [s for s in report.stills if (s.method, s.system) == ("plain", system)]
        if not theirs:
            continue
        gain = fmean(s.psnr_db for s in ours) - fmean(s.psnr_db for s in theirs)
        ratio = fmean(s.seconds for s in theirs) / fmean(s.seconds for s in ours)
        lines.append(
            f"{system}: {gain:+.2f} dB and {ratio:.1f} times as fast as plain GAP-TV (NumPy, cosine basis of 5, λ 0.3)"
        )
    return lines


def _noise(noisy: bool) -> str:
    return "10 ke-" if noisy else "none"
