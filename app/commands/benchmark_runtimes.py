"""`livecassi benchmark runtimes`: what a pass of each network costs on every runtime that this machine has."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from livecassi.app.runtimes_figures import Report
    from livecassi.app.runtimes_sheets import Sheet
    from livecassi.calibration import System

SYSTEMS = ("dd-cassi", "sd-cassi")
LARGEST_HOP = 3

Word = TypeVar("Word", bound=StrEnum)


def runtimes(
    networks: Annotated[str, typer.Option(help="Networks, separated by commas.")] = "pg-svrt,live",
    runtimes: Annotated[
        str | None, typer.Option(help="As in openvino,onnxruntime; default: all that are there.")
    ] = None,
    precisions: Annotated[str, typer.Option(help="Those of fp32,bf16,fp16 to try.")] = "fp32,bf16,fp16",
    sizes: Annotated[
        str | None, typer.Option(help="Scenes in px, e.g. 256,320x512; default 256, on CUDA 256,512,1024.")
    ] = None,
    places: Annotated[str, typer.Option(help="cpu, cuda, or both, separated by commas.")] = "cpu,cuda",
    system: Annotated[str, typer.Option(help="dd-cassi or sd-cassi.")] = "dd-cassi",
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often every candidate has its turn.")] = 3,
    hop: Annotated[str, typer.Option(help="New frames per pass to give frames/s for, of 1,2,3.")] = "1,3",
    threads: Annotated[int | None, typer.Option(min=1, max=256, help="Threads of the CPU; default: all.")] = None,
    flat: Annotated[
        int,
        typer.Option(min=0, max=10_000_000, help="Also run so many passes of the quickest: does memory stay flat?"),
    ] = 0,
    alone: Annotated[
        bool, typer.Option(help="Also run every candidate in a process of its own: memory, and a fresh start.")
    ] = True,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Time every network on every runtime and precision, in turn: time, start, memory, and what it differs by."""
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console

    from livecassi.app.engine_list import runtimes_here
    from livecassi.app.outputs import check_output, write_whole
    from livecassi.app.progress import doing
    from livecassi.app.runtimes_benchmark import Plan, parse_sizes, run_benchmark
    from livecassi.app.runtimes_contest import Terms
    from livecassi.app.runtimes_sheets import sheets
    from livecassi.calibration import System
    from livecassi.engines.networks.contest.fresh_process import measure_fresh
    from livecassi.engines.precision import Precision
    from livecassi.engines.runtimes.contract import RuntimeName
    from livecassi.engines.runtimes.offers import Place

    if system not in SYSTEMS:
        raise typer.BadParameter(f"system '{system}': expected {' or '.join(SYSTEMS)}")
    if json is not None:
        check_output(json, ".json")
    plan = Plan(
        words_of("networks", networks),
        System(system),
        parse_sizes(sizes) if sizes else (),
        chosen_words("runtimes", runtimes, RuntimeName) if runtimes else None,
        chosen_words("precisions", precisions, Precision),
        chosen_words("places", places, Place),
        threads,
        flat,
        Terms(rounds, _hops(hop), measure_fresh if alone else None),
    )
    with doing() as progress:
        report = run_benchmark(plan, best_weights, runtimes_here(), progress)
    console = Console()
    for line in _heading(report):
        console.print(line, highlight=False, markup=False)
    for sheet in sheets(report):
        console.print(_table(sheet))
    for line in _remarks(report):
        console.print(line, highlight=False, markup=False)
    if json is not None:
        write_whole(json, dumps(asdict(report), indent=2))


def best_weights(network: str, system: "System") -> Path | None:
    """The first file of weights that an engine would take, None where there is none."""
    from livecassi.app.weight_places import find_weights

    return next((file.path for file in find_weights(network, system)), None)


# ---- options ---------------------------------------------------------------------------------------------------------


def words_of(option: str, text: str) -> tuple[str, ...]:
    """The words between the commas. Raises `typer.BadParameter` where there is none."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise typer.BadParameter(f"{option} '{text}': expected at least one")
    return words


def chosen_words(option: str, text: str, kind: type[Word]) -> tuple[Word, ...]:
    """The same as members of a kind. Raises `typer.BadParameter` for others."""
    words = words_of(option, text)
    if unknown := [word for word in words if word not in set(kind)]:
        raise typer.BadParameter(
            f"{option} '{text}': there is no {', '.join(unknown)}; expected some of {','.join(kind)}"
        )
    return tuple(kind(word) for word in words)


def _hops(text: str) -> tuple[int, ...]:
    words = words_of("hop", text)
    if wrong := [word for word in words if not word.isdecimal() or not 1 <= int(word) <= LARGEST_HOP]:
        raise typer.BadParameter(f"hop '{text}': {', '.join(wrong)} is none; expected some of 1,2,3")
    return tuple(int(word) for word in words)


# ---- what is printed -------------------------------------------------------------------------------------------------


def _heading(report: "Report") -> "Iterator[str]":
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    yield (
        f"{machine.processor}, {machine.threads} thread(s) on {machine.cores} cores, spin count {machine.spin_count}"
        + (f"; GPU {machine.gpu}" if machine.gpu else "")
    )
    yield f"{versions}; {report.rounds} round(s), candidates in turn; {report.system}"
    for network, weights in report.weights.items():
        yield f"{network}: {weights}"
    for limit in report.limits:
        rates = ", ".join(f"{rate / 1e9:.0f} in {precision}" for precision, rate in limit.macs_per_s.items())
        yield f"{limit.place}: copies at {limit.copy_bytes_per_s / 1e9:.1f} GB/s, products at {rates} GMAC/s"
    if machine.load is not None and report.load_after is not None:
        yield f"load of the machine: {machine.load:.2f} before, {report.load_after:.2f} after, this benchmark included"
        if machine.load > 1:
            yield "WARNING: other programs were running: times are too long, and ratios uncertain"


def _remarks(report: "Report") -> "Iterator[str]":
    for row in report.rows:
        if row.trouble:
            yield f"{row.network}, {row.height} x {row.width}, {row.title} on {row.place}: {row.trouble}"
    for flat in report.flat:
        if flat.trouble:
            yield f"{flat.network}, {flat.title} on {flat.place}, {flat.passes} passes: {flat.trouble}"
    yield (
        "spread: the median distance to the median. x eager, x authors: times as fast as torch eager in fp32, and as "
        "the authors' way, a literal reading of the published code. PSNR: against torch eager in fp32, the largest "
        "magnitude over the rms of what differs."
    )
    yield (
        "export, build: once on a machine; start: from construction to the first result with both kept, fresh: in a "
        "process that loads the libraries first. peak: of that process. held, passing: bytes of Python and NumPy per "
        "pass. On a GPU a pass ends with its result there."
    )
    yield (
        "of rate, of copy: shares of the products and copies measured above; the least that a pass of pg-svrt moves is "
        "5.4 GB per window of 256 x 256 in 16 bits, by pixels and bytes per value."
    )
    if any(weights.startswith("random") for weights in report.weights.values()):
        yield "Random weights serve for times and for what ways of computing differ by; their cubes mean nothing."


def _table(sheet: "Sheet") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=sheet.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("candidate", no_wrap=True)
    for place, heading in enumerate(sheet.numbers, 1):
        widest = max(len(row[place]) if place < len(row) else 0 for row in sheet.rows)
        table.add_column(heading, justify="right", min_width=widest)  # on narrow screens headings are what is folded
    for row in sheet.rows:
        table.add_row(*row)
    return table
