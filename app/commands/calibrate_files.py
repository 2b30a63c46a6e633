"""`livecassi calibrate inspect`, `diff`, `versions`, `restore` and `export-masks`: calibrations that are there."""

from pathlib import Path
from typing import Annotated

import typer

MOST_NAME = 60  # characters of a name in a list


def inspect_command(
    file: Annotated[Path, typer.Argument(help="A calibration file (.h5), or the first digits of a version's id.")],
    plots: Annotated[
        Path | None, typer.Option(help="Write PNGs of mask, residual map, curve, response, dark and flat here.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report (.pdf).")] = None,
) -> None:
    """Say everything that a calibration holds, every check with its number and limit, and draw it."""
    from livecassi.app.calibration_words import summary_lines
    from livecassi.app.outputs import check_output
    from livecassi.calibration.store import load_calibration

    if report is not None:
        check_output(report, ".pdf", inputs=(file,))
    calibration = load_calibration(_named(file))
    for line in summary_lines(calibration):
        typer.echo(line)
    if plots is not None:
        from livecassi.app.calibration_plots import save_plots

        saved = save_plots(calibration, plots)
        typer.echo(f"\n{plots}: {', '.join(path.name for path in saved)}")
    if report is not None:
        from livecassi.app.calibration_report import save_report

        save_report(calibration, report)
        typer.echo(f"{report}: report")


def diff_command(
    old: Annotated[Path, typer.Argument(help="The earlier calibration: a file, or the first digits of its id.")],
    new: Annotated[Path, typer.Argument(help="The later one.")],
) -> None:
    """Say what differs between two calibrations, each quantity with its size."""
    from livecassi.app.calibrating.library import differences
    from livecassi.calibration.store import load_calibration

    found = differences(load_calibration(_named(old)), load_calibration(_named(new)))
    for difference in found:
        typer.echo(difference.words)
    if not found:
        typer.echo("nothing differs")


def versions_command() -> None:
    """List the calibrations of this user, newest first; * marks the one in use."""
    from livecassi.app.calibrating.library import Library
    from livecassi.app.calibration_words import shorten

    library = Library()
    versions = library.versions()
    for version in versions:
        mark = "*" if version.active else " "
        parent = f"  from {version.parent_id[:8]}" if version.parent_id else ""
        date = version.created[:16].replace("T", " ")
        name = shorten(version.name, MOST_NAME)
        typer.echo(f"{mark} {version.id[:8]}  {date:16}  {version.system:8}  {version.verdict:22}  {name}{parent}")
    if not versions:
        typer.echo(f"{library.folder} holds no calibrations; 'livecassi calibrate run' makes one", err=True)


def restore_command(
    calibration_id: Annotated[str, typer.Argument(metavar="ID", help="The first digits of its id.")],
) -> None:
    """Use this version from now on; nothing is removed, so any other can be restored again."""
    from livecassi.app.calibrating.library import Library

    version = Library().activate(calibration_id)
    typer.echo(f"in use: {version.id[:8]} {version.name} ({version.path})")


def export_masks_command(
    file: Annotated[Path, typer.Argument(help="A calibration file (.h5), or the first digits of a version's id.")],
    out: Annotated[Path, typer.Argument(help="What to write: .mat or .npz.")],
) -> None:
    """Write the 3-D mask, one picture per band, as networks of the field are trained with it."""
    from livecassi.app.calibrating.mask_export import export_masks
    from livecassi.app.outputs import check_output
    from livecassi.calibration.store import load_calibration

    check_output(out, ".mat", ".npz", inputs=(file,))
    shape = export_masks(load_calibration(_named(file)), out)
    typer.echo(f"{out}: mask_3d_shift of {' × '.join(map(str, shape))} (rows, columns, bands), and mask_3d")


def _named(file: Path) -> Path:
    """The file, or the version of the library whose id begins so."""
    if file.exists() or file.suffix:
        return file
    from livecassi.app.calibrating.library import Library

    return Library().find(str(file)).path
