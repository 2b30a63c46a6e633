"""Files of random weights that several tests share."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import nn

from livecassi.app.engine_list import reflectance_basis
from livecassi.calibration import System
from livecassi.engines.networks.drawn import save_drawn_weights
from livecassi.engines.networks.live.curves import learned_curves
from livecassi.engines.networks.live.network import LiveNetwork
from livecassi.engines.networks.pg_svrt import PGSVRT
from livecassi.engines.weights import TrainingState, WeightsCard, load_state, save_weights


def save_pg_svrt(
    path: Path, system: System, change: Callable[[nn.Module], object] = lambda _: None, **known: object
) -> Path:
    """Random weights of PG-SVRT whose biases and gates act, in the disguise of trained ones; `known` is on the card."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = PGSVRT(system)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
            change(network)
    card = WeightsCard(
        network="pg-svrt",
        system=system,
        bands=30,
        step_px=2,
        created=datetime(2026, 2, 3, tzinfo=UTC),
        state=TrainingState.TRAINED,
    )
    save_weights(path, card.model_copy(update=known), network.state_dict())
    return path


def save_live(path: Path, system: System, wavelengths_nm: np.ndarray, step_px: float = 2, **known: object) -> Path:
    """Random weights of the live network, small corrections, in the disguise of trained ones."""
    curves = learned_curves(reflectance_basis(), wavelengths_nm, system.single_disperser)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = LiveNetwork(curves)
        nn.init.normal_(network.leave.weight, 0, 0.01)
        network.feature_scale.uniform_(0.5, 2)
        network.result_scale.uniform_(0.5, 2)
    card = WeightsCard(
        network="live",
        system=system,
        bands=len(wavelengths_nm),
        step_px=step_px,
        wavelengths_nm=tuple(map(float, wavelengths_nm)),
        created=datetime(2026, 2, 3, tzinfo=UTC),
        state=TrainingState.TRAINED,
    )
    save_weights(path, card.model_copy(update=known), network.state_dict())
    return path


def save_still(path: Path, name: str, system: System, **known: object) -> Path:
    """Random weights of a still network, in the disguise of trained ones."""
    save_drawn_weights(name, path, system)
    card, state = load_state(path)
    save_weights(path, card.model_copy(update={"state": TrainingState.TRAINED, **known}), state)
    return path
