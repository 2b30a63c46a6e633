"""What must be said beside the figures of the scoreboard so that nobody takes them for more than they are."""

from collections.abc import Iterator
from itertools import product

from livecassi.app.quality_figures import YARDSTICK, Report, Row, SceneFigures

RIVAL = "gap-tv"  # no network is worth its weights where this is better
BUSY = 0.5  # programs per core, from which on times are not those of the machine alone

# What it is called, its name among the figures, its unit and decimals, and whether more of it is better.
SCORES = (
    ("PSNR", "psnr_db", " dB", 2, True),
    ("SSIM", "ssim", "", 4, True),
    ("SAM", "sam_deg", " deg", 2, False),
    ("ST-RRED", "st_rred", "", 2, False),
)


def remarks(report: Report) -> list[str]:
    """Every remark that the figures need, one line each."""
    return [
        *_data(report),
        *_times(report),
        *(line for row in report.rows for line in _beside_rival(report, row)),
        *(line for row in report.rows for line in _origin(row)),
        *(f"{out.engine} was not scored for {out.system}: {out.reason}." for out in report.left_out),
        "Scores are livecassi's own definition (plain); ST-RRED has its own constants and compares only with itself.",
    ]


def _data(report: Report) -> Iterator[str]:
    if report.drawn:
        yield (
            f"These are NOT scores of the protocol: {report.drawn}. Give its scenes and masks with --data FOLDER; "
            "the figures here only rank engines against each other on this machine."
        )


def _times(report: Report) -> Iterator[str]:
    if report.load_before is not None and report.load_before > BUSY * report.cores:
        yield (
            f"Times are longer than they need be: other programs were at work (load {report.load_before:.2f} on "
            f"{report.cores} core(s) before the start)."
        )


def _beside_rival(report: Report, row: Row) -> Iterator[str]:
    """Where what comes without training is better than a network, or the yardstick than it."""
    if row.engine == YARDSTICK or (row.weights is None and row.engine != RIVAL):
        return
    wanted = YARDSTICK if row.weights is None else RIVAL
    rival = next((other for other in report.rows_of(row.system) if other.engine == wanted), None)
    lost = [] if rival is None else list(_lost(row, rival))
    if lost:
        yield f"{row.system}: {wanted} is better than {row.engine} in {'; '.join(lost)}."
    elif row.weights is not None:
        yield (
            f"{row.system}: {RIVAL} was not scored, so this run does not tell whether {row.engine} is better than it."
            if rival is None
            else f"{row.system}: {row.engine} is at least as good as {RIVAL} in every score."
        )


def _lost(row: Row, rival: Row) -> Iterator[str]:
    for moving, noisy in product((False, True), repeat=2):
        theirs, own = rival.mean(moving=moving, noisy=noisy), row.mean(moving=moving, noisy=noisy)
        if theirs is not None and own is not None:
            where = f"{'moving' if moving else 'still'}, {'10 ke- noise' if noisy else 'noise-free'}"
            if better := ", ".join(_better(theirs, own)):
                yield f"{where}: {better}"


def _better(theirs: SceneFigures, own: SceneFigures) -> Iterator[str]:
    for title, name, unit, decimals, more_is_better in SCORES:
        first, second = getattr(theirs, name), getattr(own, name)
        if first is None or second is None or first == second:
            continue
        if (first > second) == more_is_better:
            yield f"{title} {first:.{decimals}f} against {second:.{decimals}f}{unit}"


def _origin(row: Row) -> Iterator[str]:
    if row.weights is not None and row.weights.imported:
        yield (
            f"{row.system}: {row.weights.name} of {row.engine} was trained elsewhere; whether the scenes scored here "
            "were among its training scenes is not known."
        )
