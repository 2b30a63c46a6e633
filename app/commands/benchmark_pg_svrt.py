"""`livecassi benchmark pg-svrt`: what a pass of PG-SVRT costs on this machine, and what cheaper ways give up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from livecassi.app.pg_svrt_figures import Comparison, Cost, HopFigures, Passes, Report, SizeFigures, TileFigures
    from livecassi.engines.networks.pg_svrt.difference import Difference
    from livecassi.engines.networks.pg_svrt.peak_memory import PeakMemory

    Sized = Comparison | Cost | HopFigures | Passes | SizeFigures | TileFigures

QUICK_SIZES, QUICK_TILES = "32x160", "128"
USUAL_TILES = "128,256,384"
MIB = 2**20


def pg_svrt(
    sizes: Annotated[
        str | None, typer.Option(help="Scenes in px, e.g. 128,256x320; default 128,256,512, on CUDA 256,512,1024.")
    ] = None,
    tile: Annotated[
        str | None, typer.Option(help=f"Tiles in px, tried at the largest size, or off; default {USUAL_TILES}.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, max=100, help="Timed rounds; default 3.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto for a GPU where there is one.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads of the CPU.")] = 2,
    weights: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file of weights; default: random ones.")
    ] = None,
    system: Annotated[str, typer.Option(help="sd-cassi, dd-cassi, pmvis or ndssi.")] = "dd-cassi",
    quick: Annotated[
        bool, typer.Option("--quick", help="A tiny scene, one round: to see that all of it works.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Time pg-svrt beside a literal reading of the paper; memory, precision, error of tiles, and hops."""
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console

    from livecassi.app.outputs import check_output, write_whole
    from livecassi.engines.networks import find_network
    from livecassi.engines.networks.loading import require_torch

    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f"device '{device}': expected auto, cpu or cuda")
    if json is not None:
        check_output(json, ".json")
    made_for = find_network("pg-svrt").check_system(system)
    require_torch("pg-svrt")
    from livecassi.app.pg_svrt_benchmark import Plan, parse_sizes, parse_tiles, run_benchmark, usual_sizes

    plan = Plan(
        parse_sizes(sizes or (QUICK_SIZES if quick else usual_sizes(device))),
        parse_tiles(tile or (QUICK_TILES if quick else USUAL_TILES)),
        rounds or (1 if quick else 3),
        device,
        made_for,
        weights,
        threads,
    )
    console = Console()
    with console.status("pg-svrt") as status:
        report = run_benchmark(plan, status.update)
    for line in _heading(report):
        console.print(line, highlight=False, markup=False)
    for table in (_costs, _comparison, _sizes, _passes, _tiles, _hops):
        console.print(table(report))
    for line in _remarks(report):
        console.print(line, highlight=False, markup=False)
    if json is not None:
        write_whole(json, dumps(asdict(report), indent=2))


def _heading(report: "Report") -> "Iterator[str]":
    machine = report.machine
    yield f"pg-svrt for {report.system} with {report.weights}, windows of three frames of a drawn scene"
    yield (
        f"{machine.device}; torch {machine.torch}, {machine.threads} thread(s) on {machine.cores} cores, spin count "
        f"{machine.spin_count}; copies at {machine.copy_bytes_per_s / 1e9:.1f} GB/s read and written"
    )
    if machine.load is not None and report.load_after is not None:
        yield f"load of the machine: {machine.load:.2f} before, {report.load_after:.2f} after, this benchmark included"


def _costs(report: "Report") -> "Table":
    table = _table(
        f"Multiply-adds; {report.costs[0].parameters:,} parameters",
        ("size", "counted"),
        ("GMAC a window", "GiMAC a window", "GMAC a frame", "GiMAC a frame"),
    )
    for cost in report.costs:
        readings = {"products": cost.products, "paper": cost.published}
        for reading, macs in readings.items():
            figures = (macs / 1e9, macs / 2**30, macs / 3e9, macs / 3 / 2**30)
            table.add_row(_size(cost), reading, *(f"{figure:.2f}" for figure in figures))
        table.add_section()
    return table


def _comparison(report: "Report") -> "Table":
    found = report.comparison
    assert found is not None
    products = next(cost.products for cost in report.costs if (cost.height, cost.width) == (found.height, found.width))
    table = _table(
        f"One window of {_size(found)}, fp32, timed in turn, {report.rounds} round(s)",
        ("network",),
        ("best s", "median s", "CPU s", "GMAC/s", "times as fast"),
    )
    for name, timing in (("livecassi", found.ours), ("literal reading", found.literal)):
        ratio = found.literal.best_s / timing.best_s
        times = (f"{timing.best_s:.3f}", f"{timing.median_s:.3f}", f"{timing.cpu_s:.3f}")
        table.add_row(name, *times, f"{products / timing.best_s / 1e9:.0f}", f"{ratio:.2f}")
    rms, largest, psnr = _apart(found.difference)
    table.caption = (
        f"apart by rms {rms}, at most {largest}, PSNR {psnr} dB; {found.difference.outliers} of "
        f"{found.difference.values} values by more than 1e-4 (rounding flips gates)"
    )
    return table


def _sizes(report: "Report") -> "Table":
    table = _table(
        "Time and peak memory by size, fp32",
        ("size",),
        ("best s", "median s", "s per megapixel", "peak MiB", "of it for the pass"),
    )
    for row in report.sizes:
        times = (f"{row.timing.best_s:.3f}", f"{row.timing.median_s:.3f}", f"{row.seconds_per_megapixel:.1f}")
        table.add_row(_size(row), *times, *_memory(row.memory))
    return table


def _passes(report: "Report") -> "Table":
    table = _table(
        "Precision; rms and PSNR are to fp32",
        ("size", "precision"),
        ("best ms", "median ms", "of memory floor", "peak MiB", "rms", "PSNR dB"),
    )
    for row in report.passes:
        table.add_row(_size(row), f"{row.precision}{', graph' if row.graph else ''}", *_pass_figures(row))
    return table


def _pass_figures(row: "Passes") -> tuple[str, ...]:
    if row.timing is None or row.floor_share is None:
        return ("failed",)
    times = (f"{row.timing.best_s * 1e3:.1f}", f"{row.timing.median_s * 1e3:.1f}", f"{row.floor_share:.0%}")
    return (*times, _memory(row.memory)[0], *_apart(row.difference)[::2])


def _tiles(report: "Report") -> "Table":
    table = _table("Tiles against the whole frame, fp32", ("size", "tile"), ("tiles", "s", "rms", "largest", "PSNR dB"))
    for row in report.tiles:
        name = f"{row.tile} px" if row.tile else "whole"
        table.add_row(_size(row), name, str(row.tiles), f"{row.seconds:.2f}", *_apart(row.difference))
    return table


def _hops(report: "Report") -> "Table":
    table = _table("The engine, frame by frame", ("size", "hop"), ("s per frame", "delay in frames"))
    for row in report.hops:
        table.add_row(_size(row), str(row.hop), f"{row.seconds_per_frame:.3f}", str(row.delay_frames))
    return table


def _remarks(report: "Report") -> "Iterator[str]":
    for row in report.passes:
        if row.trouble:
            yield f"{_size(row)}, {row.precision}{', graph' if row.graph else ''} failed: {row.trouble}"
    yield (
        "Counted: products, convolutions and matrix products alone; paper, with the outer products of the temperatures "
        "and 5 for every value that a norm takes, which gives the 28.18 GiMAC a frame of the paper."
    )
    yield (
        "Memory floor: 5.4 GB per window of 256 x 256 in 16 bits, what convolutions, products, norms and softmax must "
        "at least read and write if all else is fused, by pixels and bytes per value, at the bandwidth of a copy."
    )
    yield "PSNR: the largest magnitude of the cubes compared with, over the rms of what differs."
    if report.weights.startswith("random"):
        yield "Random weights serve for times and for what ways of computing differ by; their cubes mean nothing."


def _table(title: str, words: tuple[str, ...], numbers: tuple[str, ...]) -> "Table":
    from rich.table import Table

    table = Table(title=title)
    for heading in words:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _size(row: "Sized") -> str:
    return f"{row.height} x {row.width}"


def _memory(memory: "PeakMemory | None") -> tuple[str, str]:
    if memory is None:
        return "-", "-"
    return f"{memory.peak / MIB:.0f}", f"{(memory.peak - memory.start) / MIB:.0f}"


def _apart(found: "Difference | None") -> tuple[str, str, str]:
    """rms, largest, PSNR."""
    if found is None:
        return "-", "-", "-"
    psnr = "exact" if found.psnr_db is None else f"{found.psnr_db:.1f}"
    return f"{found.rms:.1e}", f"{found.largest:.1e}", psnr
