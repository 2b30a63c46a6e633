"""`livecassi calibrate wizard`: the pages of a calibration in a window of their own, also without one to begin with."""

from typing import Annotated

import typer

from livecassi.app.commands.source_options import (
    BandsOption,
    ProducerOption,
    RateOption,
    SeedOption,
    SizeOption,
    request_source,
)

CameraArgument = Annotated[
    str, typer.Argument(help="'camera', 'camera:SERIAL', or 'prototype' (a simulated bench, no hardware needed)")
]


def wizard_command(
    source: CameraArgument = "prototype",
    system: Annotated[
        str, typer.Option(help="sd-cassi, dd-cassi, pmvis or ndssi; of a camera: its bench.")
    ] = "dd-cassi",
    size: SizeOption = "256",
    seed: SeedOption = 0,
    bands: BandsOption = None,
    rate: RateOption = None,
    producer: ProducerOption = None,
) -> None:
    """Calibrate step by step in a window; a camera needs no calibration for that."""
    request = request_source(
        source,
        calibration=None,
        system=system,
        size=size,
        seed=seed,
        bands=bands,
        rate=rate,
        producer=producer,
        loop=False,
    )
    from livecassi.app.windows.wizard.alone import calibrate_in_window

    saved = calibrate_in_window(request)
    typer.echo(
        f"{saved}: saved" if saved is not None else "nothing was saved; a draft that was kept can be gone on with"
    )
