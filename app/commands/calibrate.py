"""`livecassi calibrate`: from a mask to a calibration file."""

from pathlib import Path
from typing import Annotated

import typer

calibrate_app = typer.Typer(name="calibrate", help="Make and import calibrations.", no_args_is_help=True)


@calibrate_app.callback()
def calibrate() -> None:
    """Make and import calibrations."""


@calibrate_app.command("import")
def import_command(
    mask: Annotated[Path, typer.Argument(help="A 2-D mask: .mat, .npy, .png or .tif, grey values 0..1.")],
    system: Annotated[str, typer.Option(help="sd-cassi, dd-cassi, pmvis or ndssi.")],
    out: Annotated[Path, typer.Option(help="The calibration file to write (.h5).")],
    wavelengths: Annotated[
        str, typer.Option(help="Band centres in nm: tsa28, START:STOP:STEP (e.g. 410:700:10) or a,b,c.")
    ] = "tsa28",
    step: Annotated[float, typer.Option(help="Columns of shift from band to band; may be fractional.")] = 2.0,
    sub_steps: Annotated[
        str, typer.Option(help="point: one shift per band; two-halves: the two half steps of DynaSpec.")
    ] = "point",
    width: Annotated[int | None, typer.Option(help="Columns of the scene, where the mask is wider.")] = None,
    key: Annotated[str | None, typer.Option(help="Variable inside a .mat file.")] = None,
    name: Annotated[str, typer.Option(help="A name for people; default: the file's.")] = "",
) -> None:
    """Make a calibration of a 2-D mask as the field publishes them: uniform step, no dark, no flat."""
    from livecassi.app.outputs import check_output
    from livecassi.calibration import SubSteps, System
    from livecassi.calibration.import_mask import import_mask, parse_wavelengths
    from livecassi.calibration.store import save_calibration

    if system not in tuple(System):
        raise typer.BadParameter(f"system '{system}': expected one of {', '.join(System)}")
    if sub_steps not in tuple(SubSteps):
        raise typer.BadParameter(f"sub-steps '{sub_steps}': expected one of {', '.join(SubSteps)}")
    check_output(out, ".h5", ".hdf5", inputs=(mask,))
    calibration = import_mask(
        mask,
        System(system),
        parse_wavelengths(wavelengths),
        step,
        key=key,
        width=width,
        sub_steps=SubSteps(sub_steps),
        name=name or mask.stem,
    )
    save_calibration(calibration, out)
    bands, height, scene_width = calibration.cube_shape
    rows, columns = calibration.measurement_shape
    typer.echo(
        f"{out}: {calibration.system}, {bands} bands {calibration.wavelengths_nm[0]:g}-"
        f"{calibration.wavelengths_nm[-1]:g} nm, scene {height} x {scene_width}, frames {rows} x {columns}, "
        f"id {calibration.id[:12]}"
    )
