"""`livecassi benchmark stills`: what the networks for single frames cost, by count and on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from livecassi.app.runtimes_figures import Report as Timings
    from livecassi.app.runtimes_figures import Row
    from livecassi.app.stills_benchmark import Report
    from livecassi.engines.networks.stills.tally import Cost

DUEL = ("hsra-s", "mst-s")
GIB, MIB = 2**30, 2**20


def stills(
    networks: Annotated[
        str | None, typer.Option(help="Networks, separated by commas; default: all without prior.")
    ] = None,
    size: Annotated[str, typer.Option(help="The scene in px, e.g. 256 or 320x512.")] = "256",
    timed: Annotated[bool, typer.Option(help="Also time them on the runtimes here, about two minutes each.")] = True,
    precisions: Annotated[str, typer.Option(help="Those of fp32,bf16 to try.")] = "fp32,bf16",
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often every candidate has its turn.")] = 3,
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the CPU; default: all.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Count parameters and multiply-adds of every still network, and time a cube on every runtime of the CPU."""
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console

    from livecassi.app.commands.benchmark_runtimes import best_weights, chosen_words, words_of
    from livecassi.app.engine_list import runtimes_here
    from livecassi.app.outputs import check_output, write_whole
    from livecassi.app.progress import doing
    from livecassi.app.runtimes_benchmark import Plan, parse_sizes
    from livecassi.app.runtimes_contest import Terms
    from livecassi.app.stills_benchmark import check_names, hosts, run_stills
    from livecassi.calibration import System
    from livecassi.engines.networks.contest.fresh_process import measure_fresh
    from livecassi.engines.networks.stills.family import still_family
    from livecassi.engines.precision import Precision
    from livecassi.engines.runtimes.offers import Place

    if json is not None:
        check_output(json, ".json")
    names = hosts() if networks is None else words_of("networks", networks)
    check_names(names)
    plan = Plan(
        tuple(names),
        System.SD_CASSI,
        parse_sizes(size)[:1],
        precisions=chosen_words("precisions", precisions, Precision),
        places=(Place.CPU,),
        threads=threads,
        duel=DUEL if set(names) >= set(DUEL) else None,
        terms=Terms(rounds, (1,), measure_fresh),
    )
    counted = tuple(still_family()) if networks is None else tuple(names)
    with doing() as progress:
        report = run_stills(
            counted, plan if timed else None, parse_sizes(size)[0], best_weights, runtimes_here(), progress
        )
    console = Console()
    console.print(_costs(report))
    if report.timings is not None:
        for line in _machine(report.timings):
            console.print(line, highlight=False, markup=False)
        console.print(_times(report.timings))
        for line in _remarks(report.timings):
            console.print(line, highlight=False, markup=False)
    if json is not None:
        write_whole(json, dumps(asdict(report), indent=2))


def _costs(report: "Report") -> "Table":
    height, width = report.costs[0].height, report.costs[0].width
    table = _table(f"SD-CASSI, 28 bands, {height} x {width}: multiply-adds of convolutions and matrix products")
    for heading in ("M parameters", "2^30 MAC", "10^9 MAC", "published"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cost in report.costs:
        table.add_row(cost.network, *_counts(cost.parameters, cost.macs), _published(cost))
        if cost.binary_parameters is not None and cost.binary_macs is not None:
            table.add_row("  counted as binary", *_counts(cost.binary_parameters, cost.binary_macs), "")
    return table


def _counts(parameters: float, macs: float) -> tuple[str, str, str]:
    return f"{parameters / 1e6:.3f}", f"{macs / GIB:.2f}", f"{macs / 1e9:.2f}"


def _published(cost: "Cost") -> str:
    return "-" if cost.published is None else f"{cost.published:.2f}"


def _machine(timings: "Timings") -> "Iterator[str]":
    machine = timings.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    yield f"{machine.processor}, {machine.threads} thread(s) on {machine.cores} cores; {versions}"
    if machine.load is not None:
        yield f"load of the machine before: {machine.load:.2f}"
        if machine.load > 1:
            yield "WARNING: other programs were running: times are too long, and ratios uncertain"


def _times(timings: "Timings") -> "Table":
    table = _table("One cube, candidates of a network in turn")
    table.add_column("on", no_wrap=True)
    for heading in ("ms, spread", "x torch fp32", "PSNR to torch", "peak MiB", "export s", "build s"):
        table.add_column(heading, justify="right")
    before = ""
    for row in timings.rows:
        if before and row.network != before:
            table.add_section()
        table.add_row(row.network if row.network != before else "", row.title, *_cells(row))
        before = row.network
    return table


def _cells(row: "Row") -> tuple[str, ...]:
    times, memory = row.times, row.memory
    if times is None:
        return ("failed",)
    apart = row.apart
    return (
        f"{times.median_ms:.0f} ±{times.spread_ms:.0f}",
        _number(row.ratios.to_eager, ".2f"),
        "-" if apart is None else "exact" if apart.psnr_db is None else f"{apart.psnr_db:.0f} dB",
        "-" if memory is None or memory.peak is None else f"{memory.peak / MIB:.0f}",
        _number(row.ready.export_s, ".0f"),
        _number(row.ready.build_s, ".1f"),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _remarks(timings: "Timings") -> "Iterator[str]":
    for row in timings.rows:
        if row.trouble:
            yield f"{row.network}, {row.title}: {row.trouble}"
    for duel in timings.duels:
        (first, second), (ours, theirs) = duel.networks, duel.median_ms
        yield (
            f"{first} on {duel.titles[0]} and {second} on {duel.titles[1]}, in turn: {ours:.0f} and {theirs:.0f} ms, "
            f"{theirs / ours:.2f} times as fast"
        )
    yield (
        "spread: the median distance to the median. peak: of a process that does nothing else, libraries included. "
        "export, build: once on a machine. PSNR: against torch in fp32, the largest magnitude over the rms of what "
        "differs."
    )
    if any(weights.startswith("random") for weights in timings.weights.values()):
        yield "Random weights serve for times where there are no trained ones; their cubes mean nothing."


def _table(title: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("network", no_wrap=True)
    return table
