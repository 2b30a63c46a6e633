"""`livecassi calibrate check`: whether the mask still stands where the calibration has it."""

from typing import Annotated

import typer

from livecassi.app.commands.source_options import (
    CalibrationOption,
    ProducerOption,
    SeedOption,
    SizeOption,
    SourceArgument,
    SystemOption,
    request_source,
)

EXIT_NOT_PASSED = 1


def check(
    source: SourceArgument = "prototype",
    calibration: CalibrationOption = None,
    white: Annotated[
        bool, typer.Option("--white", help="The camera looks at an even white reference under the calibrated lamp.")
    ] = False,
    line: Annotated[
        float | None, typer.Option("--line", help="It looks at an even target under one line of this wavelength, nm.")
    ] = None,
    system: SystemOption = "dd-cassi",
    size: SizeOption = "256",
    seed: SeedOption = 0,
    producer: ProducerOption = None,
) -> None:
    """Tell how far the mask has moved since it was calibrated: of any scene, or better of --white or --line.

    Exit code 0: within 0.1 px; 1: further (an alarm from 0.25 px on), or the frames cannot tell; 2: refused, such as
    a calibration of another camera.
    """
    if white and line is not None:
        raise typer.BadParameter("--white and --line were both given: the camera sees one of them, name that one")
    request = request_source(
        source,
        calibration=calibration,
        system=system,
        size=size,
        seed=seed,
        bands=None,
        rate=None,
        producer=producer,
        loop=False,
    )
    from livecassi.app.drift_check import check_source
    from livecassi.app.drift_words import CANNOT_TELL, drift_hint
    from livecassi.app.opening import open_source
    from livecassi.calibration.checks import Verdict
    from livecassi.calibration.drift import DriftKind

    kind = DriftKind.LINE if line is not None else DriftKind.WHITE if white else DriftKind.SCENE
    opened = open_source(request)
    try:
        found = check_source(opened, kind, line or 0.0)
    finally:
        opened.release()
    drift = found.drift
    typer.echo(f"{opened.source.info.title}, calibration {opened.calibration.id[:12]}: {kind}, frames: {found.frames}")
    typer.echo(drift_hint(drift))
    typer.echo(f"correlation with what was expected: {drift.correlation:.3f}")
    if found.remark:
        typer.echo(found.remark)
    if drift.verdict is None:
        typer.echo(f"cannot tell. {CANNOT_TELL[kind]}" if not drift.checks else "cannot tell across the dispersion")
    else:
        typer.echo(drift.verdict)
    if drift.verdict is not Verdict.PASS:
        raise typer.Exit(EXIT_NOT_PASSED)
