"""The evaluation of the SD-CASSI literature (MST toolbox): ten KAIST scenes, one grey mask, no noise.

28 bands of 453.5 to 648 nm, 2 columns each, 256 x 256 pixels. Source: cassi-protocol 3.1, 3.3 and 6.1.
"""

from pathlib import Path

import numpy as np

from livecassi.calibration import Calibration, System
from livecassi.calibration.import_mask import TSA28_NM, import_mask
from livecassi.engines.datasets.dataset import DatasetKind, SceneSequence
from livecassi.engines.datasets.opening import open_scenes
from livecassi.engines.errors import DatasetError

SIDE, STEP_PX = 256, 2
SCENES = 10
MASK_NAME = "mask.mat"


def open_truths(folder: Path) -> tuple[SceneSequence, ...]:
    """The truths in `TSA_simu_data` or its folder `Truth`, in the order of their names. Raises `DatasetError`."""
    found = open_scenes(folder)
    if found.kind is not DatasetKind.KAIST_TRUTH:
        raise DatasetError(
            f"{found.folder} is the data set '{found.kind}', expected the KAIST truths (256 x 256 x 28) in "
            "TSA_simu_data/Truth; choose that folder"
        )
    return found.sequences


def find_mask(folder: Path) -> Path:
    """`mask.mat` where the published archive has it: in the folder or beside `Truth`. Raises `DatasetError`."""
    places = [folder / MASK_NAME, folder.parent / MASK_NAME]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise DatasetError(f"there is no {places[0]} and no {places[1]}; give the mask, {SIDE} x {SIDE}, as --mask")
    return found


def kaist_calibration(mask: Path) -> Calibration:
    """The bench of the literature with the picture of its mask, 256 x 256. Raises `DatasetError`, `import_mask`'s."""
    calibration = import_mask(
        mask, System.SD_CASSI, np.array(TSA28_NM, np.float32), STEP_PX, name="KAIST evaluation, sd-cassi"
    )
    if calibration.mask.shape != (SIDE, SIDE):
        height, width = calibration.mask.shape
        raise DatasetError(f"the mask in {mask} has {height} x {width} pixels, expected {SIDE} x {SIDE}; choose it")
    return calibration
