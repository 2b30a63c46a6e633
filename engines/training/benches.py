"""The benches that training looks through: an ideal one with a drawn mask, or a part of one that was measured."""

import numpy as np

from livecassi.calibration import Calibration, CalibrationHeader, SubSteps, System
from livecassi.calibration.calibration import Array32
from livecassi.calibration.masks import notch_mask, pmvis_mask
from livecassi.engines.training.recipe import RecipeError


def ideal_bench(
    system: System,
    height: int,
    width: int,
    wavelengths_nm: Array32,
    step_px: int,
    random: np.random.Generator,
    sub_steps: SubSteps = SubSteps.POINT,
) -> Calibration:
    """A bench of that system for scenes of `height` x `width`: a random binary mask, or the comb or notches by rule.

    Every band is shifted by `step_px` columns against the one before, and none is weaker than another.
    """
    shifts = step_px * np.arange(len(wavelengths_nm), dtype=np.float32)
    columns = width + (0 if system.single_disperser else int(shifts[-1]))
    if system is System.PMVIS:
        mask = pmvis_mask(height, columns)
    elif system is System.NDSSI:
        mask = notch_mask(height, columns)
    else:
        mask = random.integers(0, 2, (height, columns)).astype(np.float32)
    header = CalibrationHeader(system=system, sub_steps=sub_steps, name=f"drawn, {height} x {width}")
    return Calibration(header, wavelengths_nm, mask, shifts, np.ones(len(wavelengths_nm), np.float32))


def part_of_bench(
    calibration: Calibration, height: int, width: int, random: np.random.Generator | None = None
) -> Calibration:
    """What a calibrated bench does to a part of its scene, a random one or the centre; without dark and flat.

    Raises `RecipeError` where the scene is smaller.
    """
    _, rows, columns = calibration.cube_shape
    if height > rows or width > columns:
        raise RecipeError(
            f"crops of {height} x {width} px were asked for, the mask of calibration "
            f"'{calibration.header.name or calibration.id[:8]}' covers scenes of {rows} x {columns}; choose smaller "
            "crops in [network], or a larger mask"
        )
    spare = rows - height, columns - width
    row, column = (
        (side // 2 for side in spare) if random is None else (int(random.integers(side + 1)) for side in spare)
    )
    beyond = 0 if calibration.system.single_disperser else calibration.largest_shift_px
    return Calibration(
        calibration.header,
        calibration.wavelengths_nm,
        calibration.mask[row : row + height, column : column + width + beyond],
        calibration.dispersion_px,
        calibration.response,
        covariance=calibration.covariance,
    )
