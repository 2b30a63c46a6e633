"""The real SD-CASSI snapshots of TSA-Net: `Measurements/scene1.mat` ... with `meas_real`, and `mask.mat` beside them.

Source: cassi-protocol 5.2. 28 bands, 2 columns each; there is no truth.
"""

from pathlib import Path

import numpy as np

from livecassi.calibration.import_mask import TSA28_NM
from livecassi.engines.datasets.dataset import Array32, DatasetKind, MeasurementSet, RealMeasurement
from livecassi.engines.datasets.files import describe, found_in, largest_value, load
from livecassi.engines.errors import DatasetError

KEY, MASK_NAME = "meas_real", "mask.mat"
LAYOUT = f"TSA real measurements: Measurements/*.mat with {KEY} (rows x columns), {MASK_NAME} beside the folder"


def real_measurements(folder: Path, paths: list[Path]) -> MeasurementSet:
    """The set of these files; the mask is looked for beside them, then one folder up."""
    masks = [place / MASK_NAME for place in (folder, folder.parent)]
    return MeasurementSet(
        DatasetKind.TSA_REAL,
        folder,
        tuple(RealMeasurement(path.stem, path, read_measurement) for path in paths),
        next((mask for mask in masks if mask.is_file()), None),
        np.array(TSA28_NM, np.float32),
    )


def read_measurement(path: Path) -> Array32:
    """The measurement `(H, W')`, clipped to 0..1 as the literature does. Raises `DatasetError`."""
    described = describe(path)
    if KEY not in described or len(described[KEY][0]) != 2:
        raise DatasetError(f"{path} holds {found_in(described)}; expected {LAYOUT}; take the file out of the folder")
    values = load(path, KEY)
    if not 0 < (largest := largest_value(values, path)) <= 4:
        raise DatasetError(f"'{KEY}' of {path} reaches {largest:g}, expected values of full scale 1; scale it")
    return np.ascontiguousarray(values, np.float32).clip(0.0, 1.0)
