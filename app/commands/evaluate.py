"""`livecassi evaluate`: how near a reconstruction comes to the truth."""

from pathlib import Path
from typing import Annotated

import typer

from livecassi.app.commands.evaluate_protocol import evaluate_protocol
from livecassi.app.commands.source_options import EngineOption, SettingOption, parse_options


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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; psnr is null for a perfect band.")] = False,
    protocol: Annotated[
        str | None,
        typer.Option(help="Instead of a file, an engine in the evaluation of a paper: dynaspec or mst (ten KAIST)."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="--protocol: the folder of its published scenes.")] = None,
    system: Annotated[
        str | None, typer.Option(help="--protocol dynaspec: dd-cassi (default), ndssi, sd-cassi or pmvis.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="--protocol: the mask (.mat .npy .png .tif).")] = None,
    engine: EngineOption = "gap-tv",
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
            protocol, data=data, engine=engine, options=options, system=system, mask=mask, as_json=as_json
        )
        return
    if reconstruction is None or truth is None:
        raise typer.BadParameter("expected RECONSTRUCTION and --truth, or --protocol and --data")
    if (data, system, mask, option) != (None,) * 4:
        raise typer.BadParameter("--data, --system, --mask and --option belong to --protocol; leave them out")
    import json
    import math
    from dataclasses import asdict

    from livecassi.app.pairing import read_pair
    from livecassi.engines.metrics import Flavour, score_video
    from livecassi.engines.st_rred import st_rred

    if flavour not in tuple(Flavour):
        raise typer.BadParameter(f"flavour '{flavour}': expected one of {', '.join(Flavour)}")
    found, expected = read_pair(reconstruction, truth)
    scores = {str(one): score_video(found, expected, one) for one in Flavour}
    rows = {
        name: {
            "psnr": s.psnr_db,
            "lpsnr8": s.lpsnr8_db,
            "lpsnr16": s.lpsnr16_db,
            "ssim": s.ssim,
            "sam": s.sam_deg,
            "ergas": s.ergas,
        }
        for name, s in scores.items()
    }
    motion = st_rred(found, expected) if len(found) > 1 else None
    if as_json:
        numbers = {  # JSON knows no infinity
            name: {score: value if math.isfinite(value) else None for score, value in row.items()}
            for name, row in rows.items()
        }
        report: dict[str, object] = {"frames": len(found), "flavour": flavour, **numbers[flavour], "flavours": numbers}
        report["st_rred"] = {"definition": "livecassi", **asdict(motion)} if motion else None
        typer.echo(json.dumps(report, indent=2, allow_nan=False))
        return
    typer.echo(f"{len(found)} cube(s) of {found.shape[1]} bands, {found.shape[2]} x {found.shape[3]} pixels")
    typer.echo(
        f"{'definition':<10} {'PSNR dB':>8} {'LPSNR(8)':>9} {'LPSNR(16)':>9} {'SSIM':>7} {'SAM deg':>8} {'ERGAS':>8}"
    )
    for name, row in sorted(rows.items(), key=lambda item: item[0] != flavour):
        decibels = f"{row['psnr']:>8.3f} {row['lpsnr8']:>9.3f} {row['lpsnr16']:>9.3f}"
        typer.echo(f"{name:<10} {decibels} {row['ssim']:>7.4f} {row['sam']:>8.3f} {row['ergas']:>8.3f}")
    if motion is None:
        typer.echo("ST-RRED: needs at least two frames")
    else:
        parts = f"spatial {motion.spatial:.3f}, temporal {motion.temporal:.3f}"
        typer.echo(f"ST-RRED: {motion.product:.3f} ({parts}; livecassi's definition, not comparable with other codes)")
