"""`livecassi view`: the live window."""

from pathlib import Path
from typing import Annotated

import typer

from livecassi.app.commands.source_options import (
    BandsOption,
    CalibrationOption,
    EngineOption,
    ProducerOption,
    RateOption,
    SeedOption,
    SettingOption,
    SizeOption,
    SourceArgument,
    SystemOption,
    parse_options,
    request_source,
)


def view(
    source: SourceArgument = "prototype",
    calibration: CalibrationOption = None,
    engine: EngineOption = "auto",
    option: SettingOption = None,
    system: SystemOption = "dd-cassi",
    size: SizeOption = "256",
    seed: SeedOption = 0,
    bands: BandsOption = None,
    rate: RateOption = None,
    loop: Annotated[bool, typer.Option(help="Play a file again when it ends.")] = True,
    producer: ProducerOption = None,
    recordings: Annotated[Path | None, typer.Option(help="Folder for new recordings.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.0, max=1e6, help="Close by itself after this time; exit code 1 if no cube was shown."),
    ] = None,
) -> None:
    """Show a source live: bands, colour and spectra. Without arguments: a simulated bench, no hardware needed."""
    request = request_source(
        source,
        calibration=calibration,
        system=system,
        size=size,
        seed=seed,
        bands=bands,
        rate=rate,
        producer=producer,
        loop=loop,
    )
    from livecassi.app.windows.run import view_source

    raise typer.Exit(
        view_source(
            request,
            engine_name=engine,
            engine_options=parse_options(option),
            recordings_folder=recordings,
            seconds=seconds,
        )
    )
