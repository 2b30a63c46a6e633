"""From weights to an ONNX file that every runtime runs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError, PreparationError
from livecassi.engines.exporting.card import MaskPlace, NetworkCard, add_card
from livecassi.engines.exporting.mixed_precision import mixed
from livecassi.engines.exporting.operators import check_graph
from livecassi.engines.exporting.registry import ExportRequest, ExportSpec, find_export
from livecassi.engines.networks.loading import check_made_for
from livecassi.engines.runtimes.files import write_whole
from livecassi.engines.runtimes.preparation import Progress
from livecassi.engines.weights import WeightsCard, mask_id, read_card

if TYPE_CHECKING:
    import onnx


def export_network(
    request: ExportRequest, out: Path, progress: Progress, specs: Mapping[str, ExportSpec] | None = None
) -> NetworkCard:
    """Write the network into the one file `out`, which is replaced only once the new one is whole, and give its card.

    Weights that were not fully trained are exported too; the card says so, and engines refuse what is untrained.

    Raises `EngineUnavailableError` (no such network, a package is missing), `EngineMismatchError` (system, size,
    calibration or weights do not go together), `WeightsError`, `PreparationError` (a graph that runtimes would not run,
    a disk that refuses it) or `PreparationCancelledError`. Nothing is left behind then.
    """
    model, card = exported(request, progress, specs)
    progress.say(f"writing {out.name}")
    content = model.SerializeToString()
    try:
        write_whole(out, content)
    except OSError as error:
        raise PreparationError(
            f"the network of {len(content) / 1e6:.1f} MB cannot be written to {out} ({error.strerror or error}); "
            "choose a folder that can be written, with space"
        ) from error
    return card


def exported(
    request: ExportRequest, progress: Progress, specs: Mapping[str, ExportSpec] | None = None
) -> "tuple[onnx.ModelProto, NetworkCard]":
    """The network with its card, not written anywhere. Raises as `export_network`."""
    spec = find_export(request.network, specs)
    spec.check_system(request.system)
    spec.check_size(request.height, request.width)
    _check_calibration(request, spec)
    _check_packages(spec)
    weights = read_card(request.weights)
    check_made_for(
        request.weights, ("network", weights.network, request.network), ("system", weights.system, request.system)
    )
    progress.say(f"exporting {request.network}" + (f", {spec.lasts}" if spec.lasts else ""))
    model = spec.write(request)
    progress.say(f"exporting {request.network} in {request.precision}")
    model = mixed(model, request.precision)
    progress.say(f"checking {request.network}")
    check_graph(model, request.network)
    opset = max(entry.version for entry in model.opset_import)
    card = _card(request, spec, weights, opset)
    add_card(model, card)
    return model, card


def _check_calibration(request: ExportRequest, spec: ExportSpec) -> None:
    calibration = request.calibration
    if calibration is None:
        return
    where = calibration.header.name or calibration.id[:8]
    if calibration.system != request.system:
        raise EngineMismatchError(
            f"calibration '{where}' is for {calibration.system}, the network is to be exported for {request.system}; "
            "choose one system"
        )
    if (size := spec.size_for(calibration)) != (request.height, request.width):
        raise EngineMismatchError(
            f"calibration '{where}' needs a network for scenes of {size[0]} x {size[1]}, found {request.height} x "
            f"{request.width}; leave the size out, or leave the calibration out"
        )


def _check_packages(spec: ExportSpec) -> None:
    if missing := spec.missing():
        raise EngineUnavailableError(
            f"exporting '{spec.name}' needs {' and '.join(missing)}, not installed here; install with: "
            "pip install 'livecassi[torch,onnx]'"
        )


def _card(request: ExportRequest, spec: ExportSpec, weights: WeightsCard, opset: int) -> NetworkCard:
    calibration = request.calibration
    baked = spec.takes_mask and calibration is not None
    wavelengths_nm = weights.wavelengths_nm
    if calibration is not None:
        wavelengths_nm = tuple(float(value) for value in calibration.wavelengths_nm)
    return NetworkCard(
        network=request.network,
        system=request.system,
        bands=weights.bands if calibration is None else calibration.bands,
        wavelengths_nm=wavelengths_nm,
        step_px=weights.step_px,
        height=request.height,
        width=request.width,
        precision=request.precision,
        opset=opset,
        mask=MaskPlace.BAKED if baked else MaskPlace.INPUT if spec.takes_mask else MaskPlace.NONE,
        mask_id=mask_id(calibration.mask) if baked and calibration is not None else None,
        calibration_id=None if calibration is None else calibration.id,
        input_scale=1.0 if calibration is None else 1.0 / float(calibration.response.max()),
        weights=request.weights.name,
        weights_sha256=weights.tensors_sha256,
        weights_state=weights.state,
        livecassi=version("livecassi"),
        created=datetime.now(UTC).replace(microsecond=0),
    )
