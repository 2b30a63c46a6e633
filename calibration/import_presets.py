"""The mask files that the field publishes, and what a calibration of each needs to be told."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from livecassi.calibration.calibration import SubSteps, System
from livecassi.drivers.array_files import ARRAY_SUFFIXES, check_is_file, unreadable
from livecassi.drivers.matlab_files import describe_mat

MASK_KEYS = ("mask", "binary_mask", "mask_3d_shift", "mask_3d")


class Preset(StrEnum):
    """Whose mask it is."""

    TSA = "tsa"  # TSA-Net: mask.mat (660 real, 256 simulated), mask_3d_shift_uint16.mat
    MST = "mst"  # MST and its followers: mask.mat, mask_3d_shift.mat (256 x 310 x 28)
    DYNASPEC = "dynaspec"  # DynaSpec: binary_mask, 256 x 318, dual disperser


@dataclass(frozen=True, slots=True)
class PresetValues:
    """System, bands, step in columns and the model of the light within a band."""

    system: System
    wavelengths: str
    step_px: float
    sub_steps: SubSteps


_BENCHMARK = PresetValues(System.SD_CASSI, "tsa28", 2.0, SubSteps.POINT)
PRESETS = {
    Preset.TSA: _BENCHMARK,
    Preset.MST: _BENCHMARK,
    Preset.DYNASPEC: PresetValues(System.DD_CASSI, "410:700:10", 2.0, SubSteps.TWO_HALVES),
}


def detect_preset(path: Path) -> Preset | None:
    """Whose mask a .mat file holds, told by its variables and their shapes; None where it is nobody's known.

    Raises `SourceError` for a file that cannot be read.
    """
    if path.suffix.lower() not in ARRAY_SUFFIXES or check_is_file(path) != ".mat":
        return None
    with unreadable(path):
        described = describe_mat(path)
    shapes = {name: shape for name, (shape, _) in described.items()}
    binary, flat = shapes.get("binary_mask", ()), shapes.get("mask", ())
    if len(binary) == 2 and binary[1] > binary[0]:
        return Preset.DYNASPEC
    if any(len(shapes.get(name, ())) == 3 for name in ("mask_3d_shift", "mask_3d")):
        return Preset.MST
    if len(flat) == 3 and 28 in (flat[0], flat[2]):
        return Preset.MST
    return Preset.TSA if len(flat) == 2 and flat[0] == flat[1] else None
