"""The scenes and masks that benchmarks score engines on: those of the scoring protocol, or some drawn in code."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import System
from livecassi.drivers import SourceError
from livecassi.drivers.array_files import read_array
from livecassi.engines.protocol import (
    SIDE,
    VALIDATION_SCENES,
    ProtocolError,
    Scene,
    load_scene,
    synthetic_mask,
    synthetic_scene,
)

Array32 = NDArray[np.float32]

MASKS = {
    System.SD_CASSI: ("tsanet_sim_mask256.mat", "mask"),
    System.DD_CASSI: ("dynaspec_mask_dd_binary.mat", "binary_mask"),
}
DRAWN_MASKS = "random masks drawn in code"
DRAWN_SCENE = "one synthetic scene"


@dataclass(frozen=True, slots=True)
class Material:
    """What is reconstructed: scenes by name, loaded when their turn comes, and a mask per system.

    `source` says where they are from, and `drawn` what of them is not the protocol's but drawn in code, "" for nothing.
    """

    source: str
    scenes: dict[str, Callable[[], Scene]]
    masks: dict[System, Array32]
    drawn: str = ""


def gather_material(data: Path | None) -> Material:
    """The validation scenes and masks of the folder `data`, or a scene and masks drawn in code without one.

    `data` holds `scenes/cave` (or the scenes themselves) and `masks`. Raises `ProtocolError`.
    """
    masks = {
        System.SD_CASSI: synthetic_mask(SIDE, SIDE),
        System.DD_CASSI: synthetic_mask(SIDE, SIDE + 58),
    }
    if data is None:
        drawn = f"{DRAWN_SCENE} and {DRAWN_MASKS}"
        return Material(drawn, {"synthetic": synthetic_scene}, masks, drawn)
    if not data.is_dir():
        raise ProtocolError(f"there is no folder {data}; give the folder that holds scenes/cave and masks")
    folder = data / "scenes" / "cave" if (data / "scenes" / "cave").is_dir() else data
    scenes = {name: _loader(folder, name) for name in VALIDATION_SCENES}
    where = f"scenes of {folder}"
    if (data / "masks").is_dir():
        masks = {system: _read_mask(data / "masks" / name, key) for system, (name, key) in MASKS.items()}
        return Material(f"{where}, masks of {data / 'masks'}", scenes, masks)
    return Material(f"{where}, {DRAWN_MASKS}", scenes, masks, DRAWN_MASKS)


def _loader(folder: Path, name: str) -> Callable[[], Scene]:
    return lambda: load_scene(folder, name)


def _read_mask(path: Path, key: str) -> Array32:
    try:
        return np.asarray(read_array(path, key=key), np.float32)
    except SourceError as error:
        raise ProtocolError(f"cannot read the mask '{key}': {error}") from error
