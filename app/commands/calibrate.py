"""`livecassi calibrate`: make, import, look at and exchange calibrations."""

from pathlib import Path
from typing import Annotated

import typer

from livecassi.app.commands.calibrate_check import check
from livecassi.app.commands.calibrate_files import (
    diff_command,
    export_masks_command,
    inspect_command,
    restore_command,
    versions_command,
)
from livecassi.app.commands.calibrate_run import plan_command, run_command
from livecassi.app.commands.calibrate_wizard import wizard_command

calibrate_app = typer.Typer(name="calibrate", help="Make, import and look at calibrations.", no_args_is_help=True)


@calibrate_app.callback()
def calibrate() -> None:
    """Make, import and look at calibrations."""


@calibrate_app.command("import")
def import_command(
    mask: Annotated[
        Path, typer.Argument(help="A mask: .mat, .npy, .png or .tif, grey values 0..1; 3-D masks in .mat and .npy.")
    ],
    out: Annotated[Path, typer.Option(help="The calibration file to write (.h5).")],
    preset: Annotated[
        str | None, typer.Option(help="Whose mask it is: tsa, mst or dynaspec; default: as the file looks.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="sd-cassi, dd-cassi, pmvis or ndssi.")] = None,
    wavelengths: Annotated[
        str | None, typer.Option(help="Band centres in nm: tsa28, START:STOP:STEP (e.g. 410:700:10) or a,b,c.")
    ] = None,
    step: Annotated[
        float | None, typer.Option(help="Columns of shift from band to band, default 2; may be fractional.")
    ] = None,
    sub_steps: Annotated[
        str | None,
        typer.Option(help="point: one shift per band; two-halves: the two half steps of DynaSpec. Default: point."),
    ] = None,
    width: Annotated[int | None, typer.Option(help="Columns of the scene, where the mask is wider.")] = None,
    key: Annotated[str | None, typer.Option(help="Variable inside a .mat file.")] = None,
    name: Annotated[str, typer.Option(help="A name for people; default: the file's.")] = "",
) -> None:
    """Make a calibration of a mask as the field publishes them: uniform step, no dark, no flat.

    What is not said is taken from the preset, else from what the file looks like.
    """
    from livecassi.app.outputs import check_output
    from livecassi.calibration import SubSteps, System
    from livecassi.calibration.import_mask import import_mask, parse_wavelengths
    from livecassi.calibration.import_presets import PRESETS, Preset, detect_preset
    from livecassi.calibration.store import save_calibration

    _one_of("preset", preset, tuple(Preset))
    _one_of("system", system, tuple(System))
    _one_of("sub-steps", sub_steps, tuple(SubSteps))
    check_output(out, ".h5", ".hdf5", inputs=(mask,))
    known = Preset(preset) if preset is not None else detect_preset(mask) if system is None else None
    usual = PRESETS[known] if known is not None else None
    chosen = system or (usual.system if usual is not None else None)
    if chosen is None:
        raise typer.BadParameter(f"{mask} is no mask that is known: say its system with --system, or --preset")
    calibration = import_mask(
        mask,
        System(chosen),
        parse_wavelengths(wavelengths or (usual.wavelengths if usual is not None else "tsa28")),
        step if step is not None else usual.step_px if usual is not None else 2.0,
        key=key,
        width=width,
        sub_steps=SubSteps(sub_steps) if sub_steps is not None else usual.sub_steps if usual else SubSteps.POINT,
        name=name or mask.stem,
    )
    save_calibration(calibration, out)
    bands, height, scene_width = calibration.cube_shape
    rows, columns = calibration.measurement_shape
    typer.echo(
        f"{out}: {calibration.system}, {bands} bands {calibration.wavelengths_nm[0]:g}-"
        f"{calibration.wavelengths_nm[-1]:g} nm, scene {height} x {scene_width}, frames {rows} x {columns}, "
        f"id {calibration.id[:12]}" + (f" (as masks of {known})" if known is not None and preset is None else "")
    )


def _one_of(what: str, given: str | None, possible: tuple[str, ...]) -> None:
    if given is not None and given not in possible:
        raise typer.BadParameter(f"{what} '{given}': expected one of {', '.join(possible)}")


calibrate_app.command("run")(run_command)
calibrate_app.command("wizard")(wizard_command)
calibrate_app.command("plan")(plan_command)
calibrate_app.command("check")(check)
calibrate_app.command("inspect")(inspect_command)
calibrate_app.command("diff")(diff_command)
calibrate_app.command("versions")(versions_command)
calibrate_app.command("restore")(restore_command)
calibrate_app.command("export-masks")(export_masks_command)
