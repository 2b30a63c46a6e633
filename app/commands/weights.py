"""`livecassi weights`: import checkpoints of networks, and see which weights are here."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livecassi.calibration import System
    from livecassi.engines.networks import NetworkSpec
    from livecassi.engines.weights import WeightsCard

weights_app = typer.Typer(name="weights", help="Import and list the weights of networks.", no_args_is_help=True)


@weights_app.callback()
def weights() -> None:
    """Import and list the weights of networks."""


@weights_app.command("import")
def import_command(
    checkpoint: Annotated[Path, typer.Argument(help="The authors' checkpoint: .pth, .pt or .safetensors.")],
    network: Annotated[str, typer.Option(help="The network that it belongs to, e.g. pg-svrt.")],
    system: Annotated[str, typer.Option(help="What it was trained for: sd-cassi, dd-cassi, pmvis or ndssi.")],
    out: Annotated[
        Path | None, typer.Option(help="The .safetensors file to write; default: where engines look for it.")
    ] = None,
    wavelengths: Annotated[
        str | None,
        typer.Option(help="Band centres in nm, where known: tsa28, START:STOP:STEP (e.g. 410:700:10) or a,b,c."),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="The mask that it was trained for: .mat, .npy, .png, .tif, or a calibration.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="The licence of the weights and whose they are.")] = None,
    state: Annotated[str | None, typer.Option(help="trained (default), 'partly trained' or untrained.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a file of weights of a checkpoint; its tensors are compared with the network's, and no code in it runs."""
    from livecassi.app.outputs import check_output
    from livecassi.app.weight_places import SUFFIX, user_folder
    from livecassi.calibration.import_mask import parse_wavelengths
    from livecassi.engines.errors import WeightsError
    from livecassi.engines.networks import find_network, import_checkpoint
    from livecassi.engines.networks.live.spec import NAME as LIVE
    from livecassi.engines.weights import TrainingState, save_weights

    if network == LIVE:
        raise WeightsError(
            "weights of the live network are written by 'livecassi train' and need no import: copy the file into "
            f"{user_folder()}, or name it by the engine's option weights=FILE"
        )
    spec = find_network(network)
    made_for = spec.check_system(system)
    if state is not None and state not in tuple(TrainingState):
        raise typer.BadParameter(f"state '{state}': expected one of {', '.join(TrainingState)}")
    if out is None:
        out = user_folder() / f"{network}-{made_for}-{checkpoint.stem}{SUFFIX}"
        _make_folder(out.parent)
    check_output(out, SUFFIX, inputs=(checkpoint, mask))
    if out.exists() and not force:
        raise WeightsError(f"{out} is there already; replace it with --force, or choose another name with --out")
    imported = import_checkpoint(
        checkpoint,
        network,
        made_for,
        wavelengths_nm=None if wavelengths is None else parse_wavelengths(wavelengths).tolist(),
        mask_id=None if mask is None else _mask_id(mask, made_for, spec),
        licence=licence,
        state=None if state is None else TrainingState(state),
    )
    card = save_weights(out, imported.card, imported.state, replace=force)
    for note in imported.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"{out}: {_in_one_line(card)}")


@weights_app.command("list")
def list_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the weights that are here: the user's own first, then those that came with livecassi."""
    from livecassi.app.weight_places import look_for_weights, shipped_folder, user_folder

    usable, unusable = look_for_weights()
    if as_json:
        described = {
            "folders": {"user": str(user_folder()), "shipped": str(shipped_folder())},
            "weights": [
                {"path": str(f.path), "place": f.place, "card": f.card.model_dump(mode="json")} for f in usable
            ],
            "unusable": [{"path": str(f.path), "place": f.place, "reason": f.reason} for f in unusable],
        }
        typer.echo(json.dumps(described, indent=2))
        return
    for file in usable:
        typer.echo(f"{file.path}  ({file.place})\n    {_in_one_line(file.card)}")
    for fault in unusable:
        typer.echo(f"{fault.path}  ({fault.place})\n    not usable: {fault.reason}")
    if not usable and not unusable:
        typer.echo(
            f"no weights in {user_folder()} and none came with livecassi; import a checkpoint ('livecassi weights "
            "import --help') or train them ('livecassi train --list')"
        )


@weights_app.command("show")
def show_command(
    file: Annotated[Path, typer.Argument(help="A file of weights (.safetensors).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Show the card of a file of weights, after comparing its tensors with the card."""
    from livecassi.engines.weights import read_header, verify_weights

    card = verify_weights(file)
    if as_json:
        typer.echo(card.model_dump_json(indent=2))
        return
    header = read_header(file)
    for key, value in _lines(card.model_dump(mode="json")).items():
        typer.echo(f"{key:<26} {value}")
    typer.echo(f"{'content':<26} {len(header.tensors)} tensors, {header.values} values, as the card says")


def _mask_id(path: Path, system: "System", spec: "NetworkSpec") -> str:
    """That of a calibration, or of the calibration which `calibrate import` makes of this mask."""
    import numpy as np

    from livecassi.calibration.import_mask import import_mask
    from livecassi.calibration.store import load_calibration
    from livecassi.engines.weights import mask_id

    if path.suffix.lower() in (".h5", ".hdf5"):
        return mask_id(load_calibration(path).mask)
    numbers = np.arange(1, spec.bands_for(system) + 1, dtype=np.float32)  # the wavelengths play no part in the mask
    return mask_id(import_mask(path, system, numbers, spec.step_px).mask)


def _make_folder(folder: Path) -> None:
    from livecassi.engines.errors import WeightsError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"the folder of weights {folder} cannot be made ({error.strerror or error}); choose a file with --out"
        ) from error


def _in_one_line(card: "WeightsCard") -> str:
    nm = card.wavelengths_nm
    axis = f"{nm[0]:g}-{nm[-1]:g} nm" if nm else "wavelengths unknown"
    return (
        f"{card.network}, {card.system}, {card.bands} bands, {axis}, {card.state}, "
        f"{card.created:%Y-%m-%d}, id {card.tensors_sha256[:12]}"
    )


def _lines(card: dict[str, object], prefix: str = "") -> dict[str, object]:
    """The entries of a card, those of its parts under "part.entry"; what is not there says so."""
    lines: dict[str, object] = {}
    for key, value in card.items():
        if isinstance(value, dict) and value:
            lines |= _lines(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            lines[prefix + key] = ", ".join(f"{item:g}" for item in value)
        else:
            lines[prefix + key] = "not given" if value in (None, "", {}) else value
    return lines
