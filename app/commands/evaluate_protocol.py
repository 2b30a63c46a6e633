"""`livecassi evaluate --protocol`: a paper's own evaluation, with an engine of the list."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from livecassi.app.paper_protocols import DynaSpecReport, EngineChoice, Figures, KaistReport
    from livecassi.calibration import System
    from livecassi.engines import EngineInfo

PROTOCOLS = ("dynaspec", "mst")
DEFAULT_SYSTEMS = {"dynaspec": "dd-cassi", "mst": "sd-cassi"}

DYNASPEC_NOTE = "Scores in the definitions of the DynaSpec code; published rows as printed in its README."
KAIST_NOTE = (
    "Scores in two definitions: mst (8 bit, as the MATLAB tables) and dynaspec (the torch logs). "
    "Published rows do not state theirs."
)


def evaluate_protocol(
    protocol: str,
    *,
    data: Path | None,
    engine: str,
    options: Mapping[str, str],
    system: str | None,
    mask: Path | None,
    as_json: bool,
) -> None:
    """Run the evaluation `protocol` and print it. Raises `typer.BadParameter`, `DatasetError`, `EngineError`."""
    from livecassi.app.engine_list import engine_specs
    from livecassi.app.paper_protocols import EngineChoice
    from livecassi.calibration import System

    if protocol not in PROTOCOLS:
        raise typer.BadParameter(f"protocol '{protocol}': expected {' or '.join(PROTOCOLS)}")
    if data is None:
        raise typer.BadParameter(f"--protocol {protocol} needs --data FOLDER, the scenes of that evaluation")
    chosen = system or DEFAULT_SYSTEMS[protocol]
    allowed = tuple(System) if protocol == "dynaspec" else (System.SD_CASSI,)
    if chosen not in allowed:
        raise typer.BadParameter(f"system '{chosen}': protocol {protocol} knows {', '.join(allowed)}")
    choice = EngineChoice(engine_specs(), engine, options)
    if protocol == "dynaspec":
        _dynaspec(data, System(chosen), mask, choice, as_json=as_json)
    else:
        _kaist(data, mask, choice, as_json=as_json)


def _dynaspec(data: Path, system: "System", mask: Path | None, choice: "EngineChoice", *, as_json: bool) -> None:
    from livecassi.app.paper_protocols import evaluate_dynaspec
    from livecassi.app.progress import progress

    with progress("clips", None) as advance:
        report = evaluate_dynaspec(data, system, mask, choice, advance)
    if as_json:
        _print_json(_dynaspec_json(report))
        return
    _print(
        _clip_table(report),
        _beside_published(report),
        missing=report.missing,
        engine=report.engine,
        note=DYNASPEC_NOTE,
    )


def _kaist(data: Path, mask: Path | None, choice: "EngineChoice", *, as_json: bool) -> None:
    from livecassi.app.paper_protocols import evaluate_kaist
    from livecassi.app.progress import progress

    with progress("scenes", None) as advance:
        report = evaluate_kaist(data, mask, choice, advance)
    if as_json:
        _print_json(_kaist_json(report))
        return
    _print(_kaist_table(report), missing=report.missing, engine=report.engine, note=KAIST_NOTE)


def _dynaspec_json(report: "DynaSpecReport") -> dict[str, object]:
    from livecassi.app.published_scores import DYNASPEC_DD, DYNASPEC_SYSTEMS
    from livecassi.calibration import System
    from livecassi.engines.datasets.dynaspec import SceneClass

    return {
        "protocol": "dynaspec",
        "flavour": "dynaspec",
        "system": str(report.system),
        "engine": _engine_json(report.engine),
        "missing": list(report.missing),
        "clips": [
            {
                "scene": clip.scene,
                "class": str(clip.scene_class),
                "first_frame": clip.first_frame,
                **_numbers(clip.figures),
            }
            for clip in report.clips
        ],
        "mean_k": _numbers(report.class_mean(SceneClass.STATIC)),
        "mean_d": _numbers(report.class_mean(SceneClass.DYNAMIC)),
        "headline": _numbers(report.headline),
        "mean_of_clips": _numbers(report.clip_mean),
        "published": {
            "headline": asdict(DYNASPEC_SYSTEMS[report.system]),
            "classes": [asdict(row) for row in DYNASPEC_DD] if report.system is System.DD_CASSI else [],
        },
    }


def _kaist_json(report: "KaistReport") -> dict[str, object]:
    from livecassi.app.paper_protocols import KAIST_FLAVOURS
    from livecassi.app.published_scores import KAIST

    return {
        "protocol": "mst",
        "system": "sd-cassi",
        "engine": _engine_json(report.engine),
        "missing": list(report.missing),
        "scenes": [
            {"scene": scene.scene, **{str(name): _numbers(one) for name, one in scene.figures.items()}}
            for scene in report.scenes
        ],
        "mean": {str(flavour): _numbers(report.mean(flavour)) for flavour in KAIST_FLAVOURS},
        "published": [{"method": row.method, "psnr_db": row.psnr_db, "ssim": row.ssim} for row in KAIST],
    }


def _clip_table(report: "DynaSpecReport") -> "Table":
    from rich.markup import escape

    from livecassi.engines.datasets.dynaspec import SceneClass

    table = _table(f"Clips of three frames, {report.system}", "clip", "class", numbers=("PSNR dB", "SSIM", "SAM deg"))
    for clip in report.clips:
        name = clip.scene if clip.scene_class is SceneClass.STATIC else f"{clip.scene} from {clip.first_frame}"
        table.add_row(escape(name), clip.scene_class, *_texts(clip.figures))
    table.add_section()
    table.add_row("mean of static clips", "K", *_texts(report.class_mean(SceneClass.STATIC)))
    table.add_row("mean of dynamic clips", "D", *_texts(report.class_mean(SceneClass.DYNAMIC)))
    table.add_row("mean of K and D (headline)", "", *_texts(report.headline), style="bold")
    table.add_row("mean of all clips", "", *_texts(report.clip_mean))
    return table


def _beside_published(report: "DynaSpecReport") -> "Table":
    from livecassi.app.published_scores import DYNASPEC_DD, DYNASPEC_SYSTEMS
    from livecassi.calibration import System
    from livecassi.engines.datasets.dynaspec import SceneClass

    headings = ("PSNR K", "PSNR D", "mean", "SSIM K", "SSIM D", "SAM K", "SAM D")
    table = _table(f"Beside published scores, {report.system}", "method", numbers=headings)
    static, dynamic = (report.class_mean(one) for one in SceneClass)
    cells = [
        _texts(static)[0],
        _texts(dynamic)[0],
        _texts(report.headline)[0],
        *(text for column in (1, 2) for text in (_texts(static)[column], _texts(dynamic)[column])),
    ]
    table.add_row(f"{report.engine.name} (here)", *cells, style="bold")
    table.add_section()
    best = DYNASPEC_SYSTEMS[report.system]
    if report.system is not System.DD_CASSI:
        table.add_row(f"{best.method} (published)", "-", "-", f"{best.psnr_db:.2f}", *("-" * 4))
        return table
    for row in DYNASPEC_DD:
        headline = f"{best.psnr_db:.2f}" if row.method == best.method else "-"
        table.add_row(
            f"{row.method} (published)",
            *(f"{row.psnr_k:.2f}", f"{row.psnr_d:.2f}", headline),
            *(f"{row.ssim_k:.4f}", f"{row.ssim_d:.4f}", f"{row.sam_k:.2f}", f"{row.sam_d:.2f}"),
        )
    return table


def _kaist_table(report: "KaistReport") -> "Table":
    from rich.markup import escape

    from livecassi.app.paper_protocols import KAIST_FLAVOURS
    from livecassi.app.published_scores import KAIST

    headings = tuple(f"{what} {flavour}" for flavour in KAIST_FLAVOURS for what in ("PSNR", "SSIM"))
    table = _table("KAIST scenes, sd-cassi", "scene", numbers=headings)
    for scene in report.scenes:
        table.add_row(escape(scene.scene), *(t for one in KAIST_FLAVOURS for t in _texts(scene.figures[one])[:2]))
    table.add_section()
    means = (text for flavour in KAIST_FLAVOURS for text in _texts(report.mean(flavour))[:2])
    table.add_row(f"mean, {report.engine.name} (here)", *means, style="bold")
    table.add_section()
    for row in KAIST:
        table.add_row(f"{row.method} (published)", f"{row.psnr_db:.2f}", f"{row.ssim:.3f}", "-", "-")
    return table


def _table(title: str, *texts: str, numbers: Iterable[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in texts:
        table.add_column(heading)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _texts(figures: "Figures | None") -> tuple[str, str, str]:
    if figures is None:
        return "-", "-", "-"
    return f"{figures.psnr_db:.2f}", f"{figures.ssim:.4f}", f"{figures.sam_deg:.2f}"


def _numbers(figures: "Figures | None") -> dict[str, float | None]:
    """Null where there is no number: JSON knows no infinity."""
    values = (None,) * 3 if figures is None else (figures.psnr_db, figures.ssim, figures.sam_deg)
    names = ("psnr", "ssim", "sam")
    return {
        name: None if value is None or not math.isfinite(value) else value
        for name, value in zip(names, values, strict=True)
    }


def _engine_json(info: "EngineInfo") -> dict[str, object]:
    return {"name": info.name, "runtime": info.runtime, "options": dict(info.options)}


def _print_json(report: Mapping[str, object]) -> None:
    import json

    typer.echo(json.dumps(report, indent=2, allow_nan=False))


def _print(*tables: "Table", missing: Iterable[str], engine: "EngineInfo", note: str) -> None:
    from rich.console import Console

    console = Console()
    options = ", ".join(f"{key}={value}" for key, value in engine.options)
    console.print(f"{engine.name} on {engine.runtime} ({options})", highlight=False, markup=False)
    for table in tables:
        console.print(table)
    console.print(note, highlight=False)
    for line in missing:
        typer.echo(f"warning: {line}; the means cannot be compared with published ones", err=True)
