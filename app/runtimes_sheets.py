"""The figures of the benchmark of runtimes as tables of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from livecassi.app.runtimes_figures import Flat, Report, Row

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: headings of the columns of `numbers`, and rows that begin with the name of a candidate."""

    title: str
    numbers: tuple[str, ...]
    rows: list[tuple[str, ...]]


def sheets(report: Report) -> Iterator[Sheet]:
    """Three for each network, size and place: passes, the start, what passes take; and one for long runs."""
    groups: dict[tuple[str, int, int, str], list[Row]] = {}
    for row in report.rows:
        groups.setdefault((row.network, row.height, row.width, row.place), []).append(row)
    for (network, height, width, place), rows in groups.items():
        where = f"{network}, {height} x {width}, {place}"
        yield _passes(f"{where}: one pass", rows)
        yield _starts(f"{where}: until passes can begin, and memory", rows)
        yield _costs(f"{where}: what a pass takes", rows)
    if report.flat:
        yield _flat(report.flat)


def _passes(title: str, rows: Sequence[Row]) -> Sheet:
    hops = tuple(dict.fromkeys(hop for row in rows if row.times for hop in row.times.frames_per_s))
    rates = tuple(f"fps hop {hop}" for hop in hops)
    return Sheet(
        title,
        ("median ms, spread", *rates, "x eager", "x authors", "PSNR dB"),
        [(row.title, *_pass(row, hops)) for row in rows],
    )


def _pass(row: Row, hops: tuple[str, ...]) -> tuple[str, ...]:
    times = row.times
    if times is None:
        return ("failed",)
    psnr = "-"
    if row.apart is not None:
        psnr = "exact" if row.apart.psnr_db is None else f"{row.apart.psnr_db:.1f}"
    return (
        f"{times.median_ms:.1f} ±{times.spread_ms:.1f}",
        *(f"{times.frames_per_s[hop]:.2f}" for hop in hops),
        _number(row.ratios.to_eager, ".2f"),
        _number(row.ratios.to_authors, ".2f"),
        psnr,
    )


def _starts(title: str, rows: Sequence[Row]) -> Sheet:
    return Sheet(
        title,
        ("export s", "build s", "start s", "fresh s", "peak MiB", "GPU MiB"),
        [(row.title, *_start(row)) for row in rows],
    )


def _start(row: Row) -> tuple[str, ...]:
    ready = row.ready
    seconds = (ready.export_s, ready.build_s, ready.start_s, ready.fresh_start_s)
    taken = (None, None) if row.memory is None else (row.memory.peak, row.memory.device)
    return (*(_number(value, ".2f") for value in seconds), *map(_mebibytes, taken))


def _costs(title: str, rows: Sequence[Row]) -> Sheet:
    return Sheet(
        title,
        ("ms, best to worst", "CPU ms", "GMAC/s", "of rate", "of copy", "held B", "passing B"),
        [(row.title, *_cost(row)) for row in rows],
    )


def _cost(row: Row) -> tuple[str, ...]:
    times, shares, steady = row.times, row.shares, row.steady
    return (
        "-" if times is None else f"{times.best_ms:.1f}..{times.worst_ms:.1f}",
        _number(None if times is None else times.cpu_ms, ".1f"),
        _number(None if shares is None else shares.macs_per_s / 1e9, ".1f"),
        _number(None if shares is None else shares.of_products, ".0%"),
        _number(None if shares is None else shares.of_copies, ".0%"),
        _number(None if steady is None else steady.held, ",.0f"),
        _number(None if steady is None else steady.passing, ",.0f"),
    )


def _flat(rows: Sequence[Flat]) -> Sheet:
    return Sheet(
        "Resident set over many passes, MiB",
        ("passes", "start", "middle", "end"),
        [
            (
                f"{row.network} {row.height} x {row.width} {row.place}, {row.title}",
                str(row.passes),
                *(_number(None if size is None else size / MIB, ".1f") for size in (row.start, row.middle, row.end)),
            )
            for row in rows
        ],
    )


def _mebibytes(size: int | None) -> str:
    return _number(None if size is None else size / MIB, ".0f")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
