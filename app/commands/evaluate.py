"""`livecassi evaluate`: how near a reconstruction comes to the truth."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecassi.app.commands.evaluate_protocol import evaluate_protocol
from livecassi.app.commands.source_options import SettingOption, parse_options

if TYPE_CHECKING:
    from livecassi.app.pairing import Pair
    from livecassi.engines.metrics import Flavour, Scores

DEFAULT_ENGINE = "gap-tv"


def evaluate(
    reconstruction: Annotated[
        Path | None, typer.Argument(help="A file of cubes from 'livecassi reconstruct' (.h5 or .npy).")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="The true cube(s): .npy or .h5, (C, H, W) or (N, C, H, W).")
    ] = None,
    flavour: Annotated[
        str, typer.Option(help="Which definition leads: plain, dynaspec or mst; all three are printed.")
    ] = "plain",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; psnr is null for a perfect band, ergas for a black one.")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(help="Instead of a file, an engine in the evaluation of a paper: dynaspec or mst (ten KAIST)."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="--protocol: the folder of its published scenes.")] = None,
    system: Annotated[
        str | None, typer.Option(help="--protocol dynaspec: dd-cassi (default), ndssi, sd-cassi or pmvis.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="--protocol: the mask (.mat .npy .png .tif).")] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", "-e", help=f"--protocol: see 'livecassi engines'; default {DEFAULT_ENGINE}."),
    ] = None,
    option: SettingOption = None,
) -> None:
    """Score a reconstruction: PSNR, LPSNR, SSIM, SAM and ERGAS as the field defines them; ST-RRED of sequences."""
    if protocol is not None:
        if reconstruction is not None or truth is not None or flavour != "plain":
            raise typer.BadParameter(
                "with --protocol leave out the reconstruction, --truth and --flavour: it sets them"
            )
        options = parse_options(option)
        evaluate_protocol(
            protocol,
            data=data,
            engine=engine or DEFAULT_ENGINE,
            options=options,
            system=system,
            mask=mask,
            as_json=as_json,
        )
        return
    if reconstruction is None or truth is None:
        raise typer.BadParameter("expected RECONSTRUCTION and --truth, or --protocol and --data")
    if (data, system, mask, engine, option) != (None,) * 5:
        raise typer.BadParameter("--data, --system, --mask, --engine and --option belong to --protocol; leave them out")
    from livecassi.app.pairing import read_pair
    from livecassi.engines.metrics import Flavour, score_video

    if flavour not in tuple(Flavour):
        raise typer.BadParameter(f"flavour '{flavour}': expected one of {', '.join(Flavour)}")
    pair = read_pair(reconstruction, truth)
    scores = {one: score_video(pair.found, pair.expected, one) for one in sorted(Flavour, key=flavour.__ne__)}
    (_print_json if as_json else _print_table)(pair, scores)


def _print_json(pair: "Pair", scores: Mapping["Flavour", "Scores"]) -> None:
    """The scores of all definitions, those of the first one also by themselves, and ST-RRED."""
    import json
    import math
    from dataclasses import asdict

    from livecassi.engines.st_rred import st_rred

    numbers = {  # JSON knows neither infinity nor NaN
        str(one): {name: value if math.isfinite(value) else None for name, value in _named(row).items()}
        for one, row in scores.items()
    }
    leading = next(iter(numbers))
    report: dict[str, object] = {
        "frames": len(pair.found),
        "flavour": leading,
        **numbers[leading],
        "flavours": numbers,
        "st_rred": None,
    }
    if pairs := _pairs(pair):
        motion = st_rred(pair.found, pair.expected, pair.frame_indices)
        report["st_rred"] = {"definition": "livecassi", **asdict(motion), "pairs": pairs}
    typer.echo(json.dumps(report, indent=2, allow_nan=False))


def _print_table(pair: "Pair", scores: Mapping["Flavour", "Scores"]) -> None:
    """One line per definition, then ST-RRED."""
    import math

    from livecassi.engines.st_rred import st_rred

    found = pair.found
    typer.echo(f"{len(found)} cube(s) of {found.shape[1]} bands, {found.shape[2]} x {found.shape[3]} pixels")
    typer.echo(
        f"{'definition':<10} {'PSNR dB':>8} {'LPSNR(8)':>9} {'LPSNR(16)':>9} {'SSIM':>7} {'SAM deg':>8} {'ERGAS':>8}"
    )
    for one, row in scores.items():
        decibels = f"{row.psnr_db:>8.3f} {row.lpsnr8_db:>9.3f} {row.lpsnr16_db:>9.3f}"
        ergas = "-" if math.isnan(row.ergas) else f"{row.ergas:.3f}"
        typer.echo(f"{one:<10} {decibels} {row.ssim:>7.4f} {row.sam_deg:>8.3f} {ergas:>8}")
    if any(math.isnan(row.ergas) for row in scores.values()):
        typer.echo("ERGAS: needs bands of the truth with a mean above 0, one has none")
    pairs = _pairs(pair)
    if not pairs:
        typer.echo("ST-RRED: needs at least two frames that follow one another")
        return
    motion = st_rred(found, pair.expected, pair.frame_indices)
    typer.echo(f"ST-RRED: {motion.product:.3f} (spatial {motion.spatial:.3f}, temporal {motion.temporal:.3f})")
    typer.echo("ST-RRED is livecassi's definition, not comparable with other codes")
    if gaps := len(found) - 1 - pairs:
        typer.echo(f"ST-RRED: {gaps} pair(s) of neighbours left out, with frames missing between them")


def _pairs(pair: "Pair") -> int:
    """How many frames follow the one before them."""
    from livecassi.engines.st_rred import follows

    return len(pair.found) - 1 if pair.frame_indices is None else sum(follows(pair.frame_indices))


def _named(row: "Scores") -> dict[str, float]:
    names = ("psnr", "lpsnr8", "lpsnr16", "ssim", "sam", "ergas")
    return dict(zip(names, (row.psnr_db, row.lpsnr8_db, row.lpsnr16_db, row.ssim, row.sam_deg, row.ergas), strict=True))
