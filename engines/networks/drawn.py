"""Benches, scenes and weights from fixed seeds, for tests of speed and of how far ways of computing are apart.

Neither needs trained weights; cubes of random ones mean nothing and are never shown.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.engines.networks.registry import NetworkSpec, find_network
from livecassi.engines.weights import TrainingState, WeightsCard, save_weights

Array32 = NDArray[np.float32]

FIRST_NM, LAST_NM = 400, 700
MOTION_PX = 3  # of the scene from frame to frame, along rows and columns
DETAIL_PX = 12  # between the random values that the scene is interpolated from


def drawn_bench(spec: NetworkSpec, system: System, height: int, width: int, seed: int = 0) -> Calibration:
    """A bench as a network expects it, with a random mask, for scenes of `(height, width)`."""
    bands = spec.bands_for(system)
    beyond = 0 if system.single_disperser else spec.step_px * (bands - 1)
    code = np.random.default_rng(seed).integers(0, 2, (height, width + beyond))
    return Calibration(
        CalibrationHeader(system=system, name=f"drawn, {height} x {width}"),
        np.linspace(FIRST_NM, LAST_NM, bands, dtype=np.float32),
        (0.02 + 0.96 * code).astype(np.float32),
        spec.step_px * np.arange(bands, dtype=np.float32),
        np.ones(bands, np.float32),
    )


def drawn_scene(bands: int, height: int, width: int, frames: int, seed: int = 0) -> Iterable[Array32]:
    """Cubes `(C, H, W)` in 0..1, one per frame: smooth patches with edges, smooth spectra, one diagonal motion."""
    generator = torch.Generator().manual_seed(seed)
    beyond = MOTION_PX * (frames - 1)
    size = height + beyond, width + beyond
    coarse = torch.rand(4, *(-(-side // DETAIL_PX) + 1 for side in size), generator=generator)
    maps = F.interpolate(coarse[None], size, mode="bilinear", align_corners=False)[0]
    abundances = torch.where(maps[:1] > 0.5, maps[1:], maps[1:].flip(0))  # two regions, with edges between them
    places = torch.linspace(0, 1, bands)[:, None]
    spectra = torch.exp(-0.5 * ((places - torch.tensor([0.2, 0.5, 0.8])) / 0.15) ** 2)
    for frame in range(frames):
        start = MOTION_PX * frame
        part = abundances[:, start : start + height, start : start + width]
        yield torch.einsum("cm,mhw->chw", 0.8 * spectra, part).clamp(0, 1).numpy()


def save_drawn_weights(network: str, path: Path, system: System, seed: int = 0) -> None:
    """Write random weights of a network whose biases and gates act, as they do in trained ones."""
    spec = find_network(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = spec.build(system)
        with torch.no_grad():
            for parameter in built.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    card = WeightsCard(
        network=spec.name,
        system=system,
        bands=spec.bands_for(system),
        step_px=spec.step_px,
        created=datetime.now(UTC).replace(microsecond=0),
        state=TrainingState.UNTRAINED,
    )
    save_weights(path, card, built.state_dict())
