"""One check for drift without a window: a few frames of a source against its calibration."""

from dataclasses import dataclass
from threading import Event

import numpy as np

from livecassi.app.opening import Opened
from livecassi.app.wording import correction_text
from livecassi.calibration import CalibrationInvalidError, Corrector
from livecassi.calibration.drift import Drift, DriftKind, drift_on_line, drift_on_scene, drift_on_white

STILL_FRAMES = 8  # averaged, of a target that stands still; a scene may move: one


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """What was found in how many frames, and what else an operator should know of them."""

    drift: Drift
    frames: int
    remark: str


def check_source(opened: Opened, kind: DriftKind, wavelength_nm: float = 0.0) -> DriftCheck:
    """Look at the first frames of a source. Raises `SourceError`, or `CalibrationError` where there are none."""
    calibration = opened.calibration
    corrector = Corrector(calibration, pedestal=None)
    total, remark, count = np.zeros(calibration.measurement_shape), "", 0
    for frame in opened.source.frames(Event()):
        measurement = corrector.correct(frame)
        total += measurement.values
        _, remark = correction_text(measurement.flags, frame, calibration.header)
        count += 1
        if kind is DriftKind.SCENE or count == STILL_FRAMES:
            break
    if not count:
        raise CalibrationInvalidError("the source gave no frame that could be looked at; choose another source")
    values = (total / count).astype(np.float32)
    if kind is DriftKind.SCENE:
        drift = drift_on_scene(values, calibration)
    elif kind is DriftKind.WHITE:
        drift = drift_on_white(values, calibration)
    else:
        drift = drift_on_line(values, calibration, wavelength_nm)
    return DriftCheck(drift, count, remark)
