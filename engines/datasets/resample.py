"""Cubes of a data set at the band centres of a calibration."""

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.datasets.dataset import SceneFrame
from livecassi.engines.errors import DatasetError

SLACK_NM = 1e-3  # of rounding to float32


def resample_bands(frame: SceneFrame, centres_nm: NDArray[np.floating]) -> SceneFrame:
    """The frame at other band centres `(C',)`, by linear interpolation between neighbouring bands.

    Raises `DatasetError` where the frame's own wavelengths are unknown, and for centres outside of them: nothing is
    extrapolated.
    """
    known = frame.wavelengths_nm
    if known is None:
        raise DatasetError(
            f"the wavelengths of these {len(frame.values)} bands are not published, so that they cannot be brought to "
            "other band centres; choose a data set with known wavelengths"
        )
    wanted = np.asarray(centres_nm, np.float64)
    if wanted.size == 0 or not (known[0] - SLACK_NM <= wanted.min() and wanted.max() <= known[-1] + SLACK_NM):
        span = f"{wanted.min():g} to {wanted.max():g} nm" if wanted.size else "no band centres"
        raise DatasetError(f"{span} were asked for, the scene has {known[0]:g} to {known[-1]:g} nm; choose within it")
    if len(known) == 1:
        return SceneFrame(np.repeat(frame.values, len(wanted), axis=0), np.asarray(centres_nm, np.float32))
    low = np.clip(np.searchsorted(known, wanted) - 1, 0, len(known) - 2)
    part = ((wanted - known[low]) / (known[low + 1] - known[low])).clip(0.0, 1.0).astype(np.float32)[:, None, None]
    values = frame.values[low] * (1 - part) + frame.values[low + 1] * part
    return SceneFrame(values.astype(np.float32, copy=False), wanted.astype(np.float32))
