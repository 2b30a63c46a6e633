"""Correct: from a raw frame to a measurement, and the sensing models A and Aᵀ behind it."""

from livecassi.calibration.calibration import Calibration, CalibrationHeader, SubSteps, System
from livecassi.calibration.correct import Corrector, Inspection, check_frame_shape
from livecassi.calibration.errors import (
    CalibrationError,
    CalibrationInvalidError,
    CalibrationMismatchError,
)
from livecassi.calibration.measurement import Measurement, MeasurementFlag
from livecassi.calibration.sensing import SensingModel, sensing_model

__all__ = [
    "Calibration",
    "CalibrationError",
    "CalibrationHeader",
    "CalibrationInvalidError",
    "CalibrationMismatchError",
    "Corrector",
    "Inspection",
    "Measurement",
    "MeasurementFlag",
    "SensingModel",
    "SubSteps",
    "System",
    "check_frame_shape",
    "sensing_model",
]
