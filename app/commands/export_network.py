"""`livecassi export-network`: a network as an ONNX file, for any runtime."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livecassi.calibration import Calibration, System
    from livecassi.engines.exporting.card import NetworkCard

SUFFIX = ".onnx"


def export_network(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="The network: pg-svrt or live.")],
    out: Annotated[Path, typer.Option(help="The file to write (.onnx); one that is there is replaced.")],
    system: Annotated[
        str | None, typer.Option(help="sd-cassi, dd-cassi, pmvis or ndssi; default: that of the calibration.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Scene size as HEIGHTxWIDTH or one number; default: that of the calibration.")
    ] = None,
    precision: Annotated[str, typer.Option(help="What products are computed in: fp32, fp16 or bf16.")] = "fp32",
    weights: Annotated[Path | None, typer.Option(help="The file of weights; default: the best that is here.")] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", "-c", help="Make the mask of this bench part of the network, not an input."),
    ] = None,
) -> None:
    """Write a network with its weights as one ONNX file for a fixed size of scenes."""
    from livecassi.app.outputs import check_output
    from livecassi.app.progress import doing
    from livecassi.calibration.store import load_calibration
    from livecassi.engines.exporting.export import export_network as write
    from livecassi.engines.exporting.registry import ExportRequest, find_export
    from livecassi.engines.precision import Precision

    if precision not in tuple(Precision):
        raise typer.BadParameter(f"precision '{precision}': expected one of {', '.join(Precision)}")
    spec = find_export(network)
    bench = None if calibration is None else load_calibration(calibration)
    made_for = spec.check_system(_system(system, bench))
    height, width = parse_network_size(size) if bench is None or size is not None else spec.size_for(bench)
    spec.check_size(height, width)
    check_output(out, SUFFIX, inputs=(weights, calibration))
    chosen = weights or _best_weights(network, made_for)
    request = ExportRequest(network, chosen, made_for, height, width, Precision(precision), bench)
    with doing() as progress:
        card = write(request, out, progress)
    for line in described(out, card):
        typer.echo(line)


def parse_network_size(text: str | None) -> tuple[int, int]:
    """`256` or `256x320` as rows and columns. Raises `typer.BadParameter`."""
    if text is None:
        raise typer.BadParameter("--size is missing: give HEIGHTxWIDTH, or the bench by --calibration")
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and 0 < int(part) <= 8192 for part in parts):
        raise typer.BadParameter(f"size '{text}': expected HEIGHTxWIDTH or one number, e.g. 256x320")
    return int(parts[0]), int(parts[-1])


def described(path: Path, card: "NetworkCard") -> list[str]:
    """What was written, in lines for a person."""
    from livecassi.engines.runtimes.onnx_tensors import declared_tensors

    content = path.read_bytes()
    inputs, outputs = declared_tensors(content, str(path))
    lines = [
        f"{path}: {card.network} for {card.system}, scenes of {card.height} x {card.width}, {card.precision}, "
        f"{len(content) / 1e6:.1f} MB, opset {card.opset}"
    ]
    for title, specs in (("takes", inputs), ("gives", outputs)):
        lines.append(f"    {title:<8} {', '.join(f'{spec.name} {spec.shape} {spec.dtype}' for spec in specs)}")
    masks = {
        "baked": f"part of the network, id {(card.mask_id or '')[:12]}",
        "input": "an input: what each band sees of it",
        "none": "not seen by this network",
    }
    lines.append(f"    mask     {masks[card.mask]}")
    lines.append(f"    weights  {card.weights}, {card.weights_state}, id {card.weights_sha256[:12]}")
    if card.weights_state != "trained":
        lines.append(f"note: these weights are {card.weights_state}; cubes of this network are not to be trusted")
    return lines


def _system(named: str | None, bench: "Calibration | None") -> str:
    if named is not None:
        return named
    if bench is None:
        raise typer.BadParameter("--system is missing: give it, or the bench by --calibration")
    return bench.system


def _best_weights(network: str, system: "System") -> Path:
    from livecassi.app.weight_places import find_weights
    from livecassi.engines.errors import WeightsError

    found = find_weights(network, system)
    if not found:
        raise WeightsError(
            f"there are no weights of '{network}' for {system} here; name a file with --weights, import a checkpoint "
            "('livecassi weights import --help') or train them ('livecassi train --list')"
        )
    return found[0].path
