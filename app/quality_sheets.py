"""The tables of the scoreboard as text, whatever they are drawn with."""

from dataclasses import dataclass
from itertools import product

from livecassi.app.published_scores import DYNASPEC_DD, DYNASPEC_SYSTEMS, KAIST
from livecassi.app.quality_figures import Report, Row, SceneFigures, UsedWeights
from livecassi.calibration import System

NEVER_COMPARE = "other scenes, masks and definitions, never compare with the rows above"
NO_WEIGHTS = "none needed"
SHOWN_SCORES = 2  # of a card: the rest is in the JSON


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: columns of words, then columns of numbers. `strong` are the places of rows that stand out."""

    title: str
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()


def sheets(report: Report, *, scenes: bool) -> list[Sheet]:
    """Stills, moving scenes and published scores of each system; with `scenes` every scene has its own line."""
    found = []
    for system in report.systems:
        rows = report.rows_of(system)
        own = [_sheet(rows, moving=moving, scenes=scenes) for moving in (False, True)]
        found += [*(sheet for sheet in own if sheet.rows), published(system)]
    return found


def published(system: System) -> Sheet:
    """Scores of SD-CASSI or DD-CASSI as papers print them."""
    if system is System.SD_CASSI:
        means = tuple((row.method, f"{row.psnr_db:.2f}", f"{row.ssim:.3f}") for row in KAIST)
        title = f"Published, {system}: ten KAIST scenes, 28 bands (HSRA poster, BiSRNet paper); {NEVER_COMPARE}"
        return Sheet(title, ("method",), ("PSNR dB", "SSIM"), means)
    best = DYNASPEC_SYSTEMS[system]
    lines = tuple(
        (
            row.method,
            *(f"{row.psnr_k:.2f}", f"{row.psnr_d:.2f}", f"{best.psnr_db:.2f}" if row.method == best.method else "-"),
            *(f"{row.ssim_k:.4f}", f"{row.ssim_d:.4f}", f"{row.sam_k:.2f}", f"{row.sam_d:.2f}"),
        )
        for row in DYNASPEC_DD
    )
    title = f"Published, {system}: K ten KAIST, D five DynaSpec scenes, 30 bands (DynaSpec code); {NEVER_COMPARE}"
    return Sheet(title, ("method",), ("PSNR K", "PSNR D", "mean", "SSIM K", "SSIM D", "SAM K", "SAM D"), lines)


def weights_in_words(weights: UsedWeights | None) -> str:
    """Name, how far trained, and the first scores on the card."""
    if weights is None:
        return NO_WEIGHTS
    scores = ", ".join(f"{name} {value:.4g}" for name, value in weights.scores[:SHOWN_SCORES])
    return f"{weights.name} ({weights.state}; card: {scores or 'no scores'})"


def _sheet(rows: tuple[Row, ...], *, moving: bool, scenes: bool) -> Sheet:
    lines: list[tuple[str, ...]] = []
    means: set[int] = set()
    for row, noisy in product(rows, (False, True)):
        mean = row.mean(moving=moving, noisy=noisy)
        if mean is None:
            continue
        for one in (*(row.of(moving=moving, noisy=noisy) if scenes else ()), mean):
            if scenes and one is mean:
                means.add(len(lines))
            words = (row.engine, *(() if moving else (weights_in_words(row.weights),)), "10 ke-" if noisy else "none")
            lines.append((*words, *((one.scene,) if scenes else ()), *_numbers(one)))
    words = ("engine", *(() if moving else ("weights",)), "noise", *(("scene",) if scenes else ()))
    what = "the same scenes moving, every frame counts" if moving else "measurements that stand alone"
    mean_of = f"means over {len({one.scene for one in rows[0].scenes})} scene(s)"
    last = ("ST-RRED", "ms per frame") if moving else ("s per cube",)
    title = f"{rows[0].system}, {rows[0].bands} bands: {what}; {mean_of}"
    return Sheet(title, words, ("PSNR dB", "SSIM", "SAM deg", *last), tuple(lines), frozenset(means))


def _numbers(one: SceneFigures) -> tuple[str, ...]:
    quality = (f"{one.psnr_db:.2f}", f"{one.ssim:.4f}", f"{one.sam_deg:.2f}")
    if not one.moving:
        return (*quality, _number(one.seconds, ".3f"))
    per_frame = None if one.seconds is None else 1e3 * one.seconds
    return (*quality, _number(one.st_rred, ".2f"), _number(per_frame, ".1f"))


def _number(value: float | None, decimals: str) -> str:
    return "-" if value is None else format(value, decimals)
