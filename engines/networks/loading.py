"""From a file of weights to a network that is ready to reconstruct."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError, WeightsError
from livecassi.engines.networks.registry import NetworkSpec, find_network, network_specs
from livecassi.engines.weights import WeightsCard, card_of, is_safetensors, load_state, read_checkpoint, read_header
from livecassi.engines.weights.fit import Layout, check_fit, first_few

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from livecassi.engines.weights.tensors import State


def load_network(
    name: str, weights: Path | str, system: System | str, specs: Mapping[str, NetworkSpec] | None = None
) -> "Module":
    """The network `name` with these weights: in evaluation mode, on the CPU, its parameters without gradients.

    A file with a card must have been made for this network and `system`. A checkpoint without a card (.safetensors or
    .pth) is taken as one for `system`: names and shapes alone do not tell the systems apart.

    Raises `EngineUnavailableError` (no such network, torch not installed), `EngineMismatchError` (made for another
    network or system) or `WeightsError` (a file that cannot be read or does not hold the network's tensors).
    """
    specs = network_specs() if specs is None else specs
    spec = find_network(name, specs)
    system = spec.check_system(system)
    require_torch(name)
    weights = Path(weights)
    state = _read(weights, spec, system)
    network = built(spec, system)
    check_layout(state, network, spec, system, weights, specs)
    network.load_state_dict(state, strict=True)
    return network.eval().requires_grad_(False)


def check_card(card: WeightsCard, spec: NetworkSpec, system: System, where: object) -> None:
    """Raises `EngineMismatchError` where weights were made for another network, system, bands or step."""
    check_made_for(
        where,
        ("network", card.network, spec.name),
        ("system", card.system, system),
        ("number of bands", card.bands, spec.bands_for(system)),
        ("step in px per band", card.step_px, spec.step_px),
    )


def check_made_for(where: object, *entries: tuple[str, object, object]) -> None:
    """Raises `EngineMismatchError` where weights have another entry (what, found, expected) than they must."""
    for what, found, expected in entries:
        if found != expected:
            raise EngineMismatchError(
                f"the weights in {where} were made for another {what}: {found}, expected {expected}; "
                "choose other weights, see 'livecassi weights list'"
            )


def check_layout(
    state: "Mapping[str, Tensor]",
    network: "Module",
    spec: NetworkSpec,
    system: System,
    where: object,
    specs: Mapping[str, NetworkSpec],
) -> None:
    """Raises `WeightsError` where names and shapes of a file are not those of the network, or numbers are rounded."""
    others = {name: lambda other=other: _layout_of(other, system) for name, other in specs.items()}
    wanted = network.state_dict()
    check_fit(_layout(state), _layout(wanted), spec.name, spec.bands_for(system), where, others)
    rounded = [name for name, own in wanted.items() if own.is_floating_point() and not state[name].is_floating_point()]
    if rounded:
        raise WeightsError(
            f"{where} holds whole numbers where network '{spec.name}' has fractions, in {len(rounded)} of "
            f"{len(wanted)} tensors ({first_few(rounded)}), as if quantised; use the checkpoint in floating point"
        )


def built(spec: NetworkSpec, system: System) -> "Module":
    """The network with random weights; the random numbers of the caller go on as if nothing had been drawn."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return spec.build(system)


def require_torch(name: str) -> None:
    """Raises `EngineUnavailableError` where torch or safetensors is not installed."""
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise EngineUnavailableError(
            f"network '{name}' needs {error.name or 'torch'}, which is not installed; "
            "install it with: pip install 'livecassi[torch]'"
        ) from error


def _read(path: Path, spec: NetworkSpec, system: System) -> "State":
    from livecassi.engines.weights.tensors import in_float32

    if is_safetensors(path):
        card = card_of(read_header(path), path)
        if card is not None:
            check_card(card, spec, system, path)
            return load_state(path)[1]
    return in_float32(read_checkpoint(path), path)[0]


def _layout(state: "Mapping[str, Tensor]") -> Layout:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _layout_of(spec: NetworkSpec, system: System) -> Layout:
    import torch

    with torch.device("meta"):  # without values
        return _layout(built(spec, system if system in spec.systems else min(spec.systems)).state_dict())
